package dev.infonce.djl.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonPrimitive;
import com.google.gson.JsonSerializer;
import dev.infonce.djl.files.AtomicFile;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;

/** A run as JSON: the record's components under their names, numbers with seven digits. */
public final class JsonReport {
    private static final MathContext DIGITS = new MathContext(7);
    private static final JsonSerializer<Double> ROUNDED = (value, _, _) -> Double.isFinite(value)
            ? new JsonPrimitive(new BigDecimal(value).round(DIGITS).stripTrailingZeros())
            : null;
    private static final Gson GSON = new GsonBuilder()
            .registerTypeAdapter(Double.class, ROUNDED)
            .registerTypeAdapter(double.class, ROUNDED)
            .serializeNulls()
            .create();

    private JsonReport() {}

    /** The report as one JSON object, safe inside an HTML script element; a number that is not finite is null. */
    public static String text(RunReport report) {
        return GSON.toJson(report);
    }

    /** Writes {@link #text} to a file, whole or not at all. */
    public static void write(RunReport report, Path file) throws IOException {
        AtomicFile.writeText(file, text(report) + System.lineSeparator());
    }
}
