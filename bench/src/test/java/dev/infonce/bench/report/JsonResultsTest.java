package dev.infonce.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import org.junit.jupiter.api.Test;

class JsonResultsTest {
    @Test
    void componentsAreUnderTheirNames() {
        JsonObject json = JsonParser.parseString(JsonResults.text(ResultsSample.results()))
                .getAsJsonObject();
        assertThat(json.getAsJsonObject("machine").get("commit").getAsString()).isEqualTo("abc1234");
        JsonObject comparison = json.getAsJsonArray("comparisons").get(0).getAsJsonObject();
        assertThat(comparison.get("variant").getAsString()).isEqualTo("log-softmax");
        assertThat(comparison.get("ratio").getAsDouble()).isEqualTo(5);
        assertThat(comparison.get("neededShare").getAsDouble()).isEqualTo(0.4);
        assertThat(comparison.getAsJsonObject("ours").getAsJsonArray("roundMilliseconds"))
                .hasSize(3);
    }

    @Test
    void whatIsNotANumberIsNull() {
        JsonObject json = JsonParser.parseString(JsonResults.text(ResultsSample.results()))
                .getAsJsonObject();
        assertThat(json.getAsJsonArray("speeds")
                        .get(1)
                        .getAsJsonObject()
                        .get("gigaflops")
                        .isJsonNull())
                .isTrue();
    }
}
