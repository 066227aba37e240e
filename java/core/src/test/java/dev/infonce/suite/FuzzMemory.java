package dev.infonce.suite;

import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.Inputs;
import dev.infonce.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Matrices of a case, each with a stride, an offset and a place of its own, in memory whose every other byte is known. */
final class FuzzMemory {
    private static final byte SENTINEL = 0x5a;
    private static final int MOST_PADDING = 3;

    private final Case c;
    private final SplittableRandom random;
    private final List<Placed> inputs = new ArrayList<>();
    private final List<Placed> outputs = new ArrayList<>();
    private final Inputs in;
    private final Gradients out;

    /** A matrix, the memory that it is in, and that memory's first content. */
    private record Placed(Matrix matrix, MemorySegment memory, byte[] before) {
        boolean isUntouched() {
            return MemorySegment.ofArray(before).mismatch(memory) < 0;
        }
    }

    FuzzMemory(long seed, Case c, DType gradients) {
        this.c = c;
        this.random = new SplittableRandom(seed);
        this.in = c.inputs(
                place(c.queries(), c.dtype(), inputs),
                place(c.keys(), c.dtype(), inputs),
                place(c.negatives(), c.dtype(), inputs),
                place(c.queue(), c.dtype(), inputs));
        this.out = new Gradients(
                place(c.queries(), gradients, outputs),
                place(c.keys(), gradients, outputs),
                place(c.negatives(), gradients, outputs));
    }

    Inputs inputs() {
        return in;
    }

    Gradients gradients() {
        return out;
    }

    /** Inputs get their numbers, outputs keep the sentinel. */
    private Matrix place(double[][] rows, DType dtype, List<Placed> list) {
        if (rows == null) {
            return null;
        }
        long dim = c.shape().dim();
        long stride = dim + random.nextInt(MOST_PADDING + 1);
        long offset = random.nextInt(MOST_PADDING + 1);
        long elements = offset + rows.length * stride + MOST_PADDING;
        MemorySegment memory = random.nextBoolean()
                ? Matrix.zeros(dtype, 1, elements).segment()
                : Arena.ofAuto().allocate(elements * dtype.bytes(), dtype.bytes());
        memory.fill(SENTINEL);
        Matrix matrix = Matrix.of(memory.asSlice(offset * dtype.bytes()), dtype, rows.length, dim, stride);
        if (list == inputs) {
            for (int i = 0; i < rows.length; i++) {
                for (int d = 0; d < dim; d++) {
                    matrix.set(i, d, rows[i][d]);
                }
            }
        }
        list.add(new Placed(matrix, memory, memory.toArray(ValueLayout.JAVA_BYTE)));
        return matrix;
    }

    /** After a refused call. */
    void checkUntouched(String what) {
        for (Placed output : outputs) {
            check(output.isUntouched(), what + ": an output of a refused call is touched");
        }
        checkInputs(what);
    }

    /** After a call: nothing but the elements of outputs has changed. */
    void checkGaps(String what) {
        for (Placed output : outputs) {
            Matrix matrix = output.matrix;
            byte[] now = output.memory.toArray(ValueLayout.JAVA_BYTE);
            int width = matrix.dtype().bytes();
            long start = matrix.segment().address() - output.memory.address();
            for (long row = 0; row < matrix.rows(); row++) {
                int from = (int) (start + row * matrix.rowStride() * width);
                Arrays.fill(now, from, (int) (from + matrix.dim() * width), SENTINEL);
            }
            check(Arrays.equals(now, output.before), what + ": memory between the rows of " + matrix + " is touched");
        }
        checkInputs(what);
    }

    private void checkInputs(String what) {
        for (Placed input : inputs) {
            check(input.isUntouched(), what + ": an input is touched");
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
