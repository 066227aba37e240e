package dev.infonce;

import dev.infonce.internal.CallNumbers;
import java.util.Objects;

/**
 * Where {@link Plan#forwardBackward(Inputs, Outputs)} writes, to be used again and again: gradients into the caller's matrices,
 * numbers into this object. On a native device whose memory the matrices are in ({@link Device#allocate}), such a call puts
 * nothing on the Java heap, after some warm-up, but for the few small objects of a {@link Matryoshka}. Not thread-safe: of one call at
 * a time.
 */
public final class Outputs {
    private final Gradients gradients;
    private final CallNumbers numbers = new CallNumbers();
    private double temperature = Double.NaN;

    /**
     * Makes outputs; the numbers are NaN until a call has written them.
     *
     * @param gradients where to write gradients
     */
    public Outputs(Gradients gradients) {
        this.gradients = Objects.requireNonNull(gradients, "gradients");
    }

    /**
     * Outputs for the gradients of two towers.
     *
     * @param dQueries for the gradient by the queries, or null if not wanted
     * @param dKeys for the gradient by the keys, or null if not wanted
     * @return the outputs
     */
    public static Outputs of(Matrix dQueries, Matrix dKeys) {
        return new Outputs(new Gradients(dQueries, dKeys, null));
    }

    /**
     * Where gradients are written.
     *
     * @return the matrices
     */
    public Gradients gradients() {
        return gradients;
    }

    /**
     * The reduced loss.
     *
     * @return the loss of the last call; NaN for {@link Reduction#NONE}
     */
    public double loss() {
        return numbers.loss();
    }

    /**
     * The losses of rows.
     *
     * @return w_i l_i of every row for {@link Reduction#NONE}, else empty; the next call writes into the same array
     */
    public double[] rowLosses() {
        return numbers.rowLosses();
    }

    /**
     * The gradient by the temperature.
     *
     * @return of the last call; 0 for losses with a margin
     */
    public double dTemperature() {
        return numbers.dTemperature();
    }

    /**
     * The gradient by the temperature's logarithm, as models learn it: temperature * dTemperature.
     *
     * @return the gradient by ln tau; 0 for losses with a margin
     */
    public double dLogTemperature() {
        return numbers.dTemperature() == 0 ? 0 : temperature * numbers.dTemperature();
    }

    /**
     * The gradient by the bias.
     *
     * @return of the last call; 0 for losses without one
     */
    public double dBias() {
        return numbers.dBias();
    }

    /**
     * The metrics, in a new object.
     *
     * @return of the last call; null if its plan has none
     */
    public Metrics metrics() {
        return numbers.metrics();
    }

    CallNumbers numbers() {
        return numbers;
    }

    void temperature(double ofCall) {
        temperature = ofCall;
    }
}
