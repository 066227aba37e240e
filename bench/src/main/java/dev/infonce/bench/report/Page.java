package dev.infonce.bench.report;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Results as one HTML page that loads nothing else: tables, and charts by Apache ECharts, whose script is inside. */
public final class Page {
    private static final String ECHARTS = "/META-INF/resources/webjars/echarts/5.5.0/echarts.common.min.js";
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{\\{(\\w+)\\}\\}");

    private Page() {}

    /** The page. */
    public static String of(Results results) throws IOException {
        Map<String, String> parts = Map.of(
                "machine", machine(results),
                "tables", Tables.of(results).stream().map(Table::html).collect(Collectors.joining("\n")),
                "css", resource("page.css"),
                "script", resource("page.js"),
                "echarts", resource(ECHARTS),
                "data", JsonResults.text(results));
        return PLACEHOLDER
                .matcher(resource("page.html"))
                .replaceAll(match -> Matcher.quoteReplacement(parts.get(match.group(1))));
    }

    private static String machine(Results results) {
        Machine machine = results.machine();
        return Html.escaped(machine.processor() + ", " + machine.cores() + " cores"
                + (machine.caches().isEmpty() ? "" : " (" + String.join(", ", machine.caches()) + ")") + ", "
                + Math.round(machine.memoryGiB()) + " GiB; " + machine.system() + "; JDK "
                + machine.jdk() + "; "
                + machine.compiler() + "; commit " + machine.commit() + "; " + results.started() + "; "
                + results.command() + "; load before: " + machine.load());
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = Page.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IOException("resource " + name + " is missing from the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
