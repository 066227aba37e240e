package dev.infonce.bench.contest;

import com.google.gson.Gson;
import com.google.gson.JsonSyntaxException;
import dev.infonce.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** The fused multiply-adds a second that this machine reaches, measured again and again between what is compared with it. */
public final class FmaPeak {
    private final Path program;
    private final int threads;
    private final List<Rates> measured = new ArrayList<>();

    /**
     * What the program prints: GFLOP/s of all threads together, an FMA counting 2; 0 where the machine has no such instructions.
     *
     * @param product of float32 tiles that are multiplied and nothing else
     */
    public record Rates(String isa, int threads, double float32, double float64, double product) {}

    /** A program that prints the rates, or null: then every peak is NaN. */
    public FmaPeak(Path program, int threads) {
        this.program = program;
        this.threads = threads;
    }

    /** Takes less than a second. */
    public void measure() throws IOException {
        if (program == null) {
            return;
        }
        Process process = new ProcessBuilder(program.toString(), Integer.toString(threads))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            measured.add(new Gson().fromJson(text, Rates.class));
        } catch (JsonSyntaxException e) {
            throw new IOException(program + " printed no JSON", e);
        }
    }

    /** The highest rate so far, in GFLOP/s; NaN if unknown. Other load can only lower what is measured. */
    public double gigaflops(DType dtype) {
        double best = measured.stream()
                .mapToDouble(rates -> dtype == DType.FLOAT64 ? rates.float64() : rates.float32())
                .max()
                .orElse(0);
        return best > 0 ? best : Double.NaN;
    }

    /** A rate of every measurement, in order. */
    public double[] each(ToDoubleFunction<Rates> rate) {
        return measured.stream().mapToDouble(rate).toArray();
    }
}
