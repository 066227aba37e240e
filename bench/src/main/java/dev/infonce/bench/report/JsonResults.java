package dev.infonce.bench.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import java.math.BigDecimal;
import java.math.MathContext;

/** Results as JSON: the records' components under their names, numbers with five digits. */
public final class JsonResults {
    private static final MathContext DIGITS = new MathContext(5);
    private static final JsonSerializer<Double> ROUNDED = (value, _, _) -> Double.isFinite(value)
            ? new JsonPrimitive(new BigDecimal(value).round(DIGITS).stripTrailingZeros())
            : JsonNull.INSTANCE;
    private static final Gson GSON = new GsonBuilder()
            .registerTypeAdapter(Double.class, ROUNDED)
            .registerTypeAdapter(double.class, ROUNDED)
            .serializeNulls()
            .setPrettyPrinting()
            .create();

    private JsonResults() {}

    /** One JSON object, safe inside an HTML script element; a number that is not finite is null. */
    public static String text(Results results) {
        return GSON.toJson(results);
    }
}
