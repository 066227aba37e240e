package dev.infonce.bench;

import dev.infonce.DType;
import dev.infonce.bench.contest.FmaPeak;
import dev.infonce.bench.report.JsonResults;
import dev.infonce.bench.report.Machine;
import dev.infonce.bench.report.Page;
import dev.infonce.bench.report.Results;
import dev.infonce.bench.report.Results.CallCost;
import dev.infonce.bench.report.Results.Comparison;
import dev.infonce.bench.report.Results.DTypeRatio;
import dev.infonce.bench.report.Results.MemoryPoint;
import dev.infonce.bench.report.Results.Scaling;
import dev.infonce.bench.report.Results.Speed;
import dev.infonce.bench.report.Table;
import dev.infonce.bench.report.Tables;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** What a run has found so far. Its files are written anew with every finding, so that a run may be ended early. */
final class BenchRun {
    private final PrintStream out;
    private final Machine machine;
    private final String command;
    private final String started = Instant.now().truncatedTo(ChronoUnit.MINUTES).toString();
    private final FmaPeak peak;
    private final Path json;
    private final Path page;
    private final List<Speed> speeds = new ArrayList<>();
    private final List<CallCost> calls = new ArrayList<>();
    private final List<MemoryPoint> memory = new ArrayList<>();
    private final List<Scaling> scaling = new ArrayList<>();
    private final List<DTypeRatio> dtypes = new ArrayList<>();
    private final List<Comparison> comparisons = new ArrayList<>();

    BenchRun(PrintStream out, Machine machine, String command, FmaPeak peak, Path folder) throws IOException {
        this.out = out;
        this.machine = machine;
        this.command = command;
        this.peak = peak;
        this.json = folder.resolve("results.json");
        this.page = folder.resolve("charts.html");
        peak.measure();
    }

    void speeds(List<Speed> found) throws IOException {
        speeds.addAll(found);
        save();
    }

    void calls(List<CallCost> found) throws IOException {
        calls.addAll(found);
        save();
    }

    void memory(MemoryPoint found) throws IOException {
        memory.add(found);
        save();
    }

    void scaling(Scaling found) throws IOException {
        scaling.add(found);
        save();
    }

    void dtypes(DTypeRatio found) throws IOException {
        dtypes.add(found);
        save();
    }

    void comparison(Comparison found) throws IOException {
        comparisons.add(found);
        save();
    }

    /** Every table, and where the files are. */
    void print() {
        for (Table table : Tables.of(results())) {
            out.println();
            out.println(table.text());
        }
        out.println();
        out.println("written: " + json + ", " + page);
    }

    private void save() throws IOException {
        Results results = results();
        Files.writeString(json, JsonResults.text(results) + System.lineSeparator());
        Files.writeString(page, Page.of(results));
    }

    private Results results() {
        return new Results(
                machine,
                command,
                started,
                peak.gigaflops(DType.FLOAT32),
                peak.gigaflops(DType.FLOAT64),
                speeds,
                calls,
                memory,
                scaling,
                dtypes,
                comparisons);
    }
}
