package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LifetimeTest {
    private final AtomicInteger disposals = new AtomicInteger();
    private final Lifetime lifetime = new Lifetime("thing", disposals::incrementAndGet);

    @Test
    void closingDisposesAtOnceIfNobodyUsesIt() {
        lifetime.close();
        assertThat(disposals).hasValue(1);
    }

    @Test
    void theLastUserDisposes() {
        lifetime.acquire();
        lifetime.acquire();
        lifetime.close();
        lifetime.release();
        assertThat(disposals).hasValue(0);
        lifetime.release();
        assertThat(disposals).hasValue(1);
    }

    @Test
    void closingAgainDoesNothing() {
        lifetime.acquire();
        lifetime.close();
        lifetime.close();
        lifetime.release();
        lifetime.close();
        assertThat(disposals).hasValue(1);
    }

    @Test
    void nobodyGetsInAfterClose() {
        lifetime.acquire();
        lifetime.close();
        assertThatThrownBy(lifetime::acquire)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("thing is closed");
        lifetime.release();
        assertThat(disposals).hasValue(1);
    }
}
