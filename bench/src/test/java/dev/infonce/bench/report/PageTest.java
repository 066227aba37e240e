package dev.infonce.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
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
    void textIsEscaped() throws IOException {
        assertThat(Page.of(ResultsSample.results()))
                .contains("a &lt;processor&gt;")
                .doesNotContain("a <processor>");
    }
}
