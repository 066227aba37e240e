package dev.infonce;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** A call that must be refused: what is wrong with it, the exception, and what the message must say. */
record Malformed(String what, Class<? extends Throwable> exception, ThrowingCallable call, String... says) {
    static Malformed argument(String what, ThrowingCallable call, String... says) {
        return new Malformed(what, IllegalArgumentException.class, call, says);
    }

    void check() {
        var thrown = assertThatThrownBy(call).as(what).isExactlyInstanceOf(exception);
        for (String part : says) {
            thrown.hasMessageContaining(part);
        }
    }

    @Override
    public String toString() {
        return what;
    }
}
