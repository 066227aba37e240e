package dev.infonce.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class PageTest {
    @Test
    void thePageLoadsNothing() throws IOException {
        assertThat(Page.of(ResultsSample.results()))
                .contains("echarts")
                .doesNotContain("{{")
                .doesNotContainPattern("<script[^>]+src=")
                .doesNotContainPattern("<link")
                .doesNotContainPattern("(src|href)=.?https?:")
                .doesNotContain("@import");
    }

    @Test
    void cachesThatTheMachineDoesNotTellLeaveNoParentheses() throws IOException {
        Machine untold = new Machine("a processor", 2, List.of(), 8, "Linux", "25", "g++ 12", "abc1234", "0.0");
        assertThat(Page.of(ResultsSample.results(untold))).contains("a processor, 2 cores, 8 GiB;");
        assertThat(Page.of(ResultsSample.results())).contains("2 cores (L1d 48K), 8 GiB;");
    }

    @Test
    void textIsEscaped() throws IOException {
        assertThat(Page.of(ResultsSample.results()))
                .contains("a &lt;processor&gt;")
                .doesNotContain("a <processor>");
    }
}
