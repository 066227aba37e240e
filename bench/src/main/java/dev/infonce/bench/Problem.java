package dev.infonce.bench;

import dev.infonce.DType;

/**
 * What is computed: a loss of n queries and n keys, or of a tower of n rows.
 *
 * @param loss which
 * @param dtype of inputs and gradients
 * @param n rows
 * @param dim numbers a row
 * @param call what is timed
 * @param threads that may work on it
 */
public record Problem(Loss loss, DType dtype, int n, int dim, Call call, int threads) {
    /** As {@link #toString} wrote it. */
    public static Problem parse(String text) {
        String[] parts = text.split(",");
        return new Problem(
                Loss.named(parts[0]),
                DType.valueOf(parts[1]),
                Integer.parseInt(parts[2]),
                Integer.parseInt(parts[3]),
                Call.valueOf(parts[4]),
                Integer.parseInt(parts[5]));
    }

    /** Useful operations, an FMA counting 2; NaN for losses that are no products of matrices. */
    public double operations() {
        return loss.isDense() ? 2.0 * n * n * dim * call.units() : Double.NaN;
    }

    /** As gigabytes a second are to bytes. */
    public double gigaflops(double milliseconds) {
        return operations() / milliseconds * 1e-6;
    }

    /** A line that {@link #parse} reads. */
    @Override
    public String toString() {
        return String.join(
                ",",
                loss.word(),
                dtype.name(),
                Integer.toString(n),
                Integer.toString(dim),
                call.name(),
                Integer.toString(threads));
    }
}
