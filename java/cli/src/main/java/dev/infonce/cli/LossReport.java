package dev.infonce.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import dev.infonce.DType;
import dev.infonce.GradientResult;
import dev.infonce.Metrics;
import dev.infonce.Shape;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** What {@code infonce loss} prints. */
record LossReport(
        GradientResult result, boolean hasBias, String deviceName, String deviceDescription, Shape shape, DType dtype) {
    private static final int ROWS_IN_TEXT = 10;

    /** One JSON object and a line end; NaN and infinity, which JSON lacks, become null. */
    void printJson(PrintWriter out) throws IOException {
        JsonFactory factory = JsonFactory.builder()
                .disable(StreamWriteFeature.AUTO_CLOSE_TARGET)
                .build();
        try (JsonGenerator json = factory.createGenerator(out)) {
            json.writeStartObject();
            json.writeFieldName("loss");
            if (hasRowLosses()) {
                json.writeStartArray();
                for (double loss : result.rowLosses()) {
                    writeNumber(json, loss);
                }
                json.writeEndArray();
            } else {
                writeNumber(json, result.loss());
            }
            json.writeFieldName("dTemperature");
            writeNumber(json, result.dTemperature());
            if (hasBias) {
                json.writeFieldName("dBias");
                writeNumber(json, result.dBias());
            }
            json.writeStringField("device", deviceName);
            json.writeNumberField("n", shape.n());
            json.writeNumberField("m", shape.m());
            json.writeNumberField("dim", shape.dim());
            if (shape.ownNegatives() > 0) {
                json.writeNumberField("ownNegatives", shape.ownNegatives());
            }
            if (shape.queue() > 0) {
                json.writeNumberField("queue", shape.queue());
            }
            json.writeObjectFieldStart("metrics");
            for (var metric : shares(result.metrics()).entrySet()) {
                json.writeFieldName(metric.getKey());
                writeNumber(json, metric.getValue());
            }
            for (var count : counts(result.metrics()).entrySet()) {
                json.writeNumberField(count.getKey(), count.getValue());
            }
            json.writeEndObject();
            json.writeEndObject();
        }
        out.println();
    }

    /** For people. */
    void printText(PrintWriter out) {
        if (hasRowLosses()) {
            double[] losses = result.rowLosses();
            for (int i = 0; i < Math.min(losses.length, ROWS_IN_TEXT); i++) {
                line(out, "loss of row " + i, losses[i]);
            }
            if (losses.length > ROWS_IN_TEXT) {
                out.println("... and of " + (losses.length - ROWS_IN_TEXT) + " more rows (--json prints all)");
            }
        } else {
            line(out, "loss", result.loss());
        }
        line(out, "dTemperature", result.dTemperature());
        if (hasBias) {
            line(out, "dBias", result.dBias());
        }
        line(out, "device", deviceName + " (" + deviceDescription + ")");
        line(
                out,
                "shape",
                "n = " + shape.n() + ", m = " + shape.m() + ", dim = " + shape.dim()
                        + (shape.ownNegatives() > 0 ? ", own negatives = " + shape.ownNegatives() : "")
                        + (shape.queue() > 0 ? ", queue = " + shape.queue() : "") + ", "
                        + dtype.name().toLowerCase(Locale.ROOT));
        shares(result.metrics()).forEach((name, value) -> line(out, name, Double.isNaN(value) ? "-" : value));
        counts(result.metrics()).forEach((name, value) -> line(out, name, value));
    }

    private boolean hasRowLosses() {
        return result.rowLosses().length > 0;
    }

    private static Map<String, Double> shares(Metrics metrics) {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("top1Accuracy", metrics.top1Accuracy());
        values.put("topKAccuracy", metrics.topKAccuracy());
        values.put("positiveSimilarity", metrics.positiveSimilarity());
        values.put("negativeSimilarity", metrics.negativeSimilarity());
        values.put("alignment", metrics.alignment());
        values.put("uniformity", metrics.uniformity());
        values.put("effectiveNegatives", metrics.effectiveNegatives());
        return values;
    }

    private static Map<String, Long> counts(Metrics metrics) {
        Map<String, Long> values = new LinkedHashMap<>();
        values.put("rows", metrics.rows());
        values.put("zeroRows", metrics.zeroRows());
        values.put("nonFiniteRows", metrics.nonFiniteRows());
        values.put("rowsWithoutPositives", metrics.rowsWithoutPositives());
        values.put("rowsWithoutNegatives", metrics.rowsWithoutNegatives());
        return values;
    }

    private static void line(PrintWriter out, String name, Object value) {
        out.printf(Locale.ROOT, "%-20s %s%n", name, value);
    }

    private static void writeNumber(JsonGenerator json, double value) throws IOException {
        if (Double.isFinite(value)) {
            json.writeNumber(value);
        } else {
            json.writeNull();
        }
    }
}
