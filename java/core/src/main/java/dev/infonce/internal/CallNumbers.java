package dev.infonce.internal;

import dev.infonce.Metrics;
import dev.infonce.internal.nativelib.NativeMetrics;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** An {@link Outcome} in memory that calls use again: metrics stay as the library wrote them until they are asked for. */
public final class CallNumbers {
    private static final double[] NO_ROWS = {};

    private double loss = Double.NaN;
    private double dTemperature = Double.NaN;
    private double dBias = Double.NaN;
    private double[] rowLosses = NO_ROWS;
    private Metrics metrics;
    private MemorySegment metricsStruct;
    private boolean hasStruct;

    /** What another backend found. */
    void take(Outcome outcome) {
        set(outcome.loss(), outcome.dTemperature(), outcome.dBias());
        rowLosses = outcome.rowLosses();
        metrics = outcome.metrics();
    }

    /** The numbers of another call, which is not to change any more. */
    public void take(CallNumbers other) {
        set(other.loss, other.dTemperature, other.dBias);
        rowLosses = other.rowLosses;
        metrics = other.metrics;
        metricsStruct = other.metricsStruct;
        hasStruct = other.hasStruct;
    }

    /** Adds the loss, the losses of rows and gradients of another call of the same size; metrics stay. */
    public void add(CallNumbers other) {
        loss += other.loss;
        dTemperature += other.dTemperature;
        dBias += other.dBias;
        for (int row = 0; row < rowLosses.length; row++) {
            rowLosses[row] += other.rowLosses[row];
        }
    }

    /** The numbers of a call without row losses and metrics, which are to be set after these. */
    public void set(double newLoss, double newDTemperature, double newDBias) {
        loss = newLoss;
        dTemperature = newDTemperature;
        dBias = newDBias;
        metrics = null;
        hasStruct = false;
    }

    /** Copies row losses, or none. */
    public void rowLosses(MemorySegment from, long offset, int count) {
        if (rowLosses.length != count) {
            rowLosses = count == 0 ? NO_ROWS : new double[count];
        }
        MemorySegment.copy(from, ValueLayout.JAVA_DOUBLE, offset, rowLosses, 0, count);
    }

    /** Copies the library's metrics. */
    public void metrics(MemorySegment from, long offset) {
        if (metricsStruct == null) {
            metricsStruct = MemorySegment.ofArray(new long[Math.toIntExact(NativeMetrics.bytes() / Long.BYTES)]);
        }
        MemorySegment.copy(from, offset, metricsStruct, 0, metricsStruct.byteSize());
        hasStruct = true;
    }

    /** The reduced loss; NaN before the first call, for NONE, and if not wanted. */
    public double loss() {
        return loss;
    }

    /** Gradient by tau; NaN before the first call, 0 for losses without one. */
    public double dTemperature() {
        return dTemperature;
    }

    /** Gradient by the bias; NaN before the first call, 0 for losses without one. */
    public double dBias() {
        return dBias;
    }

    /** w_i l_i for NONE, else empty. */
    public double[] rowLosses() {
        return rowLosses;
    }

    /** Null if the plan has none or the loss was not wanted. */
    public Metrics metrics() {
        return hasStruct ? NativeMetrics.read(metricsStruct) : metrics;
    }
}
