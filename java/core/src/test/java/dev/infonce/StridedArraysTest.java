package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Dense copies of a matrix whose rows start further apart than they are long. */
class StridedArraysTest {
    private static final int ROWS = 3;
    private static final int DIM = 2;
    private static final int STRIDE = 5;

    @ParameterizedTest
    @EnumSource
    void arraysLeaveOutWhatLiesBetweenTheRows(DType dtype) {
        Matrix memory = Matrix.zeros(dtype, ROWS, STRIDE);
        for (int row = 0; row < ROWS; row++) {
            for (int column = 0; column < STRIDE; column++) {
                memory.set(row, column, column < DIM ? 10 * row + column : -1);
            }
        }
        Matrix strided = Matrix.of(memory.segment(), dtype, ROWS, DIM, STRIDE);
        assertThat(strided.toFloatArray()).containsExactly(0, 1, 10, 11, 20, 21);
        assertThat(strided.toDoubleArray()).containsExactly(0, 1, 10, 11, 20, 21);
    }
}
