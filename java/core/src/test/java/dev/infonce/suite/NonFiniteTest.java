package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.Status;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A NaN or an infinity is refused by the name of its matrix and row, before anything is written. */
class NonFiniteTest extends DeviceSuite {
    private static final long SEED = 91;
    private static final double SENTINEL = 77;
    private static final int ROW = 3;

    static List<ContrastiveLoss> losses() {
        return Cases.all(0.07);
    }

    @ParameterizedTest
    @MethodSource("losses")
    void nonFiniteInputsAreRefusedWithOutputsUntouched(ContrastiveLoss loss) {
        boolean once = Devices.leavesOut(deviceName, "odd rows of float, even rows of double");
        for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64)) {
            for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
                for (int odd = 0; odd < 2; odd++) {
                    if (once && (odd == 1) == (dtype == DType.FLOAT32)) {
                        continue;
                    }
                    Case c = Cases.random(loss, 70 + odd, 80, 19, dtype, SEED);
                    refused(c, c.withMatrices(poisoned(c.queries(), bad), c.keys(), c.negatives()), "queries");
                    if (c.keys() != null) {
                        refused(c, c.withMatrices(c.queries(), poisoned(c.keys(), bad), c.negatives()), "keys");
                    }
                    if (c.negatives() != null) {
                        refused(c, c.withMatrices(c.queries(), c.keys(), poisoned(c.negatives(), bad)), "negatives");
                    }
                }
            }
        }
    }

    private void refused(Case good, Case bad, String matrix) {
        Gradients out =
                new Gradients(filled(good, good.queries()), filled(good, good.keys()), filled(good, good.negatives()));
        try (Plan plan = device.plan(good.loss(), good.shape(), good.dtype())) {
            InfoNceException refusal =
                    catchThrowableOfType(InfoNceException.class, () -> plan.forwardBackward(bad.inputs(), out));
            String what = what(good, SEED) + ", " + matrix;
            assertThat(refusal).as(what).isNotNull();
            assertThat(refusal.status()).as(what).isEqualTo(Status.NON_FINITE);
            assertThat(refusal)
                    .as(what)
                    .hasMessageContaining(matrix)
                    .hasMessageMatching("(?s).*\\brow " + ROW + "\\b.*");
            for (Matrix output : Arrays.asList(out.dQueries(), out.dKeys(), out.dNegatives())) {
                if (output != null) {
                    assertThat(output.toDoubleArray()).as(what).containsOnly(SENTINEL);
                }
            }
            assertThat(catchThrowableOfType(InfoNceException.class, () -> plan.forward(bad.inputs()))
                            .status())
                    .as(what)
                    .isEqualTo(Status.NON_FINITE);
        }
    }

    /** Two bad rows, the first of which is ROW. */
    private static double[][] poisoned(double[][] rows, double bad) {
        double[][] copy = rows.clone();
        for (int row : new int[] {ROW, copy.length - 1}) {
            copy[row] = copy[row].clone();
            copy[row][copy[row].length - 1] = bad;
        }
        return copy;
    }

    private static Matrix filled(Case c, double[][] like) {
        if (like == null) {
            return null;
        }
        double[][] rows = new double[like.length][like[0].length];
        for (double[] row : rows) {
            Arrays.fill(row, SENTINEL);
        }
        return c.matrix(rows);
    }
}
