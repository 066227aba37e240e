package dev.infonce.djl.report;

import dev.infonce.djl.data.FashionMnist;
import dev.infonce.djl.data.ImageSet;
import dev.infonce.djl.eval.Geometry;
import dev.infonce.djl.files.AtomicFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A run as one HTML page that loads nothing else: charts by Apache ECharts, whose script is inside, pictures too. */
public final class HtmlReport {
    private static final String ECHARTS = "/META-INF/resources/webjars/echarts/5.5.0/echarts.common.min.js";
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{(\\w+)\\}\\}");

    private final RunReport report;
    private final FashionMnist data;

    private HtmlReport(RunReport report, FashionMnist data) {
        this.report = report;
        this.data = data;
    }

    /**
     * Writes the page, whole or not at all.
     *
     * @param data the images that the report's neighbours refer to
     */
    public static void write(RunReport report, FashionMnist data, Path file) throws IOException {
        AtomicFile.writeText(file, new HtmlReport(report, data).page());
    }

    private String page() throws IOException {
        Map<String, String> parts = new LinkedHashMap<>();
        parts.put("title", "SimCLR on Fashion-MNIST, trained with infonce");
        parts.put("summary", summary());
        parts.put("loss", report.recipe().loss().title());
        parts.put("labels", report.recipe().loss().seesClasses() ? "learned from all labels" : "never saw a label");
        parts.put("cards", cards());
        parts.put("probeImages", thousands(report.probeImages()));
        parts.put("testImages", thousands(report.testImages()));
        parts.put("comparedImages", thousands(report.after().images()));
        parts.put("mapImages", thousands(report.map().labels().length));
        parts.put("accuracies", accuracies());
        parts.put("geometry", geometry());
        parts.put("classes", classes());
        parts.put("neighbours", neighbours());
        parts.put("settings", settings());
        parts.put("timings", timings());
        parts.put("css", resource("report.css"));
        parts.put("script", resource("report.js"));
        parts.put("echarts", resource(ECHARTS));
        parts.put("data", JsonReport.text(report));
        return PLACEHOLDER
                .matcher(resource("report.html"))
                .replaceAll(match -> Matcher.quoteReplacement(parts.get(match.group(1))));
    }

    private String summary() {
        String ended = report.stepsDone() < report.recipe().steps()
                ? String.format(
                        " Training was stopped after %d of %d steps.",
                        report.stepsDone(), report.recipe().steps())
                : "";
        return String.format(
                Locale.ROOT,
                "A small convolutional encoder learned from %s images %s labels, %d steps of %d images, in %.0f seconds.%s",
                thousands(report.trainImages()),
                report.recipe().loss().seesClasses() ? "with" : "without",
                report.stepsDone(),
                report.recipe().batch(),
                report.timings().get("trainingSeconds"),
                ended);
    }

    private String cards() {
        RunReport.Evaluation e = report.evaluation();
        return card(percent(e.trained().linear()), "linear probe of the trained encoder")
                + card(points(e.trained().linear() - e.untrained().linear()), "over the untrained encoder")
                + card(points(e.trained().linear() - e.pixels().linear()), "over raw pixels")
                + card(
                        percent(report.after().partnerRate()),
                        "of views find their partner among "
                                + thousands(report.after().images())
                                + " (before: "
                                + percent(report.before().partnerRate())
                                + ")");
    }

    private static String card(String figure, String text) {
        return "<div class=\"card\"><b>" + figure + "</b><span>" + text + "</span></div>";
    }

    private String accuracies() {
        RunReport.Evaluation e = report.evaluation();
        return accuracy("raw pixels", "", e.pixels())
                + accuracy("untrained encoder", "", e.untrained())
                + accuracy("trained encoder", " class=\"best\"", e.trained());
    }

    private static String accuracy(String name, String attributes, RunReport.Accuracy accuracy) {
        return "<tr" + attributes + "><td>" + name + "</td>" + number(percent(accuracy.nearestNeighbours()))
                + number(percent(accuracy.linear())) + "</tr>";
    }

    private String geometry() {
        return compared("views that find their partner", g -> g.partnerRate(), HtmlReport::percent)
                + compared("mean cosine, two views of one image", g -> g.meanPositive(), HtmlReport::plain)
                + compared("mean cosine, images of one class", g -> g.meanSameClass(), HtmlReport::plain)
                + compared("mean cosine, images of different classes", g -> g.meanOther(), HtmlReport::plain)
                + compared("alignment", g -> g.alignment(), HtmlReport::plain)
                + compared("uniformity", g -> g.uniformity(), HtmlReport::plain);
    }

    private interface Format {
        String of(double value);
    }

    private String compared(String name, ToDoubleFunction<Geometry> value, Format format) {
        return "<tr><td>" + name + "</td>" + number(format.of(value.applyAsDouble(report.before())))
                + number(format.of(value.applyAsDouble(report.after()))) + "</tr>";
    }

    private static String classes() {
        StringBuilder html = new StringBuilder();
        FashionMnist.CLASSES.forEach(
                name -> html.append("<li><i></i>").append(name).append("</li>"));
        return html.toString();
    }

    private String neighbours() {
        StringBuilder html = new StringBuilder();
        for (RunReport.Neighbours n : report.neighbours()) {
            int label = data.test().label(n.testImage());
            html.append("<div class=\"query\"><div>")
                    .append(picture(data.test(), n.testImage(), label))
                    .append("<small>")
                    .append(FashionMnist.CLASSES.get(label))
                    .append("</small></div><div class=\"rows\">")
                    .append(row("raw pixels", n.pixels(), label))
                    .append(row("untrained", n.untrained(), label))
                    .append(row("trained", n.trained(), label))
                    .append("</div></div>");
        }
        return html.toString();
    }

    private String row(String name, int[] images, int label) {
        StringBuilder html =
                new StringBuilder("<div class=\"row\"><small>").append(name).append("</small>");
        for (int image : images) {
            html.append(picture(data.train(), image, label));
        }
        return html.append("</div>").toString();
    }

    private static String picture(ImageSet images, int image, int expectedLabel) {
        int label = images.label(image);
        return "<img alt=\"" + FashionMnist.CLASSES.get(label) + "\" title=\"" + FashionMnist.CLASSES.get(label) + "\""
                + (label == expectedLabel ? "" : " class=\"wrong\"") + " src=\"" + Pictures.dataUri(images, image)
                + "\">";
    }

    private String settings() {
        StringBuilder encoder = new StringBuilder();
        report.recipe()
                .convolutions()
                .forEach(c -> encoder.append(encoder.isEmpty() ? "" : ", ")
                        .append(c.filters() + "·" + c.kernel() + "×" + c.kernel()
                                + (c.stride() > 1 ? " /" + c.stride() : "")));
        StringBuilder loss = new StringBuilder();
        report.recipe().contrastiveLoss().components().forEach((name, value) -> {
            if (value instanceof Double number && number != 0) {
                loss.append(entry(name, plain(number)));
            }
        });
        return entry("recipe", report.recipe().name())
                + entry("encoder, convolutions", encoder.toString())
                + entry(
                        "head",
                        report.recipe().headHidden() + ", " + report.recipe().headOutput())
                + entry(
                        "steps × batch",
                        report.stepsDone() + " × " + report.recipe().batch())
                + entry("loss", report.recipe().loss().title())
                + loss
                + entry("AdamW, peak learning rate", plain(report.recipe().learningRate()))
                + entry("weight decay", plain(report.recipe().weightDecay()))
                + entry("seed", Long.toString(report.seed()));
    }

    private String timings() {
        StringBuilder html = new StringBuilder(entry("loss computed by", report.device()));
        html.append(entry("training", seconds("trainingSeconds")))
                .append(entry(
                        "training images a second",
                        thousands(Math.round(report.timings().get("imagesPerSecond")))))
                .append(entry("evaluation", seconds("evaluationSeconds")));
        report.versions().forEach((name, version) -> html.append(entry(name, version)));
        return html.toString();
    }

    private String seconds(String name) {
        return Math.round(report.timings().get(name)) + " s";
    }

    private static String entry(String name, String value) {
        return "<tr><th>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>";
    }

    private static String number(String value) {
        return "<td class=\"number\">" + value + "</td>";
    }

    private static String percent(double share) {
        return String.format(Locale.ROOT, "%.2f %%", 100 * share);
    }

    private static String points(double share) {
        return String.format(Locale.ROOT, "%+.2f points", 100 * share).replace('-', '−');
    }

    private static String plain(double value) {
        return Math.abs(value) >= 1e-3 || value == 0
                ? String.format(Locale.ROOT, "%.3f", value).replace('-', '−')
                : String.format(Locale.ROOT, "%.1e", value);
    }

    private static String thousands(long value) {
        return String.format(Locale.ROOT, "%,d", value).replace(',', '\u202f');
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IOException("resource " + name + " is missing from the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
