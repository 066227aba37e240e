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
    void scalingHasTheRatesOfTheMachine() {
        JsonObject json = JsonParser.parseString(JsonResults.text(ResultsSample.results()))
                .getAsJsonObject();
        JsonObject scaling = json.getAsJsonArray("scaling").get(1).getAsJsonObject();
        assertThat(scaling.get("oneThreadMilliseconds").getAsDouble()).isEqualTo(250);
        assertThat(scaling.get("allThreadsMilliseconds").getAsDouble()).isEqualTo(200);
        assertThat(scaling.getAsJsonObject("fma").get("allThreads").getAsDouble())
                .isEqualTo(380);
        assertThat(scaling.getAsJsonObject("product").get("ratio").getAsDouble())
                .isEqualTo(1.7);
        assertThat(scaling.get("nativeShare").getAsDouble()).isEqualTo(0.4);
        assertThat(json.getAsJsonArray("scaling")
                        .get(2)
                        .getAsJsonObject()
                        .get("nativeShare")
                        .isJsonNull())
                .isTrue();
        JsonObject dtype = json.getAsJsonArray("dtypes").get(0).getAsJsonObject();
        assertThat(dtype.get("bfloat16Milliseconds").getAsDouble()).isEqualTo(20);
        assertThat(dtype.get("ratio").getAsDouble()).isEqualTo(1.5);
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
