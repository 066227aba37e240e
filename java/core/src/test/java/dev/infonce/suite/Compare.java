package dev.infonce.suite;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.Metrics;

/** Comparisons that say what was computed, on what, and how far off it is. */
public final class Compare {
    private Compare() {}

    /** The oracle's own error where terms cancel: a few roundings of each. */
    private static final double ORACLE_ROUNDING = 8 * 0x1p-53;

    public static void assertClose(Result actual, Result expected, Tolerances tolerances, String what) {
        double least = Math.max(
                tolerances.spacing(), ORACLE_ROUNDING * expected.sizes().gradients());
        ofSize(
                actual.loss(),
                expected.loss(),
                tolerances.ofLoss(expected.loss()),
                expected.sizes().loss(),
                what + ": loss");
        assertThat(actual.rowLosses()).as(what + ": row losses").hasSameSizeAs(expected.rowLosses());
        for (int i = 0; i < expected.rowLosses().length; i++) {
            ofSize(
                    actual.rowLosses()[i],
                    expected.rowLosses()[i],
                    tolerances.ofRowLoss(expected.rowLosses()[i]),
                    expected.sizes().rowLoss(),
                    what + ": loss of row " + i);
        }
        frobenius(actual.dQueries(), expected.dQueries(), tolerances.gradient(), least, what + ": dQueries");
        frobenius(actual.dKeys(), expected.dKeys(), tolerances.gradient(), least, what + ": dKeys");
        frobenius(actual.dNegatives(), expected.dNegatives(), tolerances.gradient(), least, what + ": dNegatives");
        double byRow =
                Math.max(Math.abs(expected.dTemperature()), expected.sizes().dTemperatureByRow());
        double allowed = tolerances.dTemperature() * byRow
                + ORACLE_ROUNDING * expected.sizes().dTemperature();
        check(
                Math.abs(actual.dTemperature() - expected.dTemperature()) <= allowed,
                actual.dTemperature(),
                expected.dTemperature(),
                allowed,
                what + ": dTemperature");
        double terms = Math.max(Math.abs(expected.dBias()), expected.sizes().dBias());
        double allowedOfBias = (tolerances.dTemperature() + ORACLE_ROUNDING) * terms;
        check(
                Math.abs(actual.dBias() - expected.dBias()) <= allowedOfBias,
                actual.dBias(),
                expected.dBias(),
                allowedOfBias,
                what + ": dBias");
    }

    public static void assertClose(Metrics actual, Metrics expected, double tolerance, String what) {
        metric(actual.top1Accuracy(), expected.top1Accuracy(), tolerance, what + ": top1Accuracy");
        metric(actual.topKAccuracy(), expected.topKAccuracy(), tolerance, what + ": topKAccuracy");
        metric(actual.positiveSimilarity(), expected.positiveSimilarity(), tolerance, what + ": positiveSimilarity");
        metric(actual.negativeSimilarity(), expected.negativeSimilarity(), tolerance, what + ": negativeSimilarity");
        metric(actual.alignment(), expected.alignment(), tolerance, what + ": alignment");
        metric(actual.uniformity(), expected.uniformity(), tolerance, what + ": uniformity");
        metric(actual.effectiveNegatives(), expected.effectiveNegatives(), tolerance, what + ": effectiveNegatives");
        assertThat(actual.rows()).as(what + ": rows").isEqualTo(expected.rows());
        assertThat(actual.zeroRows()).as(what + ": zeroRows").isEqualTo(expected.zeroRows());
        assertThat(actual.nonFiniteRows()).as(what + ": nonFiniteRows").isEqualTo(expected.nonFiniteRows());
        assertThat(actual.rowsWithoutPositives())
                .as(what + ": rowsWithoutPositives")
                .isEqualTo(expected.rowsWithoutPositives());
        assertThat(actual.rowsWithoutNegatives())
                .as(what + ": rowsWithoutNegatives")
                .isEqualTo(expected.rowsWithoutNegatives());
    }

    /** The same without accuracies, for similarities that are tied but for roundings. */
    static Metrics unranked(Metrics m) {
        return new Metrics(
                Double.NaN,
                Double.NaN,
                m.positiveSimilarity(),
                m.negativeSimilarity(),
                m.alignment(),
                m.uniformity(),
                m.effectiveNegatives(),
                m.rows(),
                m.zeroRows(),
                m.nonFiniteRows(),
                m.rowsWithoutPositives(),
                m.rowsWithoutNegatives());
    }

    private static void metric(double actual, double expected, double tolerance, String what) {
        if (Double.isNaN(expected)) {
            assertThat(actual).as(what).isNaN();
        } else {
            double allowed = tolerance * Math.max(1, Math.abs(expected));
            check(Math.abs(actual - expected) <= allowed, actual, expected, allowed, what);
        }
    }

    /** NaN is close to NaN only, 0 to 0 only. */
    public static void relative(double actual, double expected, double tolerance, String what) {
        ofSize(actual, expected, tolerance, 0, what);
    }

    /** Relative to the size of what was added up, where that is more. */
    private static void ofSize(double actual, double expected, double tolerance, double size, String what) {
        if (Double.isNaN(expected)) {
            assertThat(actual).as(what).isNaN();
        } else {
            double allowed = tolerance * Math.max(Math.abs(expected), size);
            check(Math.abs(actual - expected) <= allowed, actual, expected, allowed, what);
        }
    }

    /** |actual - expected| <= tolerance |expected|, as Frobenius norms. */
    static void frobenius(double[][] actual, double[][] expected, double tolerance, String what) {
        frobenius(actual, expected, tolerance, 0, what);
    }

    /** Elements may be off by least besides. */
    static void frobenius(double[][] actual, double[][] expected, double tolerance, double least, String what) {
        if (expected == null) {
            assertThat(actual).as(what).isNull();
            return;
        }
        double largest = largest(expected);
        double error = 0;
        double size = 0;
        assertThat(actual.length).as(what + ": rows").isEqualTo(expected.length);
        for (int i = 0; i < expected.length; i++) {
            for (int d = 0; d < expected[i].length; d++) {
                double scale = largest == 0 ? 1 : largest; // squares of 1e-200 would vanish
                double off = Math.abs(actual[i][d] - expected[i][d]);
                error += Math.pow((off <= least ? 0 : off) / scale, 2);
                size += Math.pow(expected[i][d] / scale, 2);
            }
        }
        check(Math.sqrt(error) <= tolerance * Math.sqrt(size), Math.sqrt(error), Math.sqrt(size), tolerance, what);
    }

    static double largest(double[][] rows) {
        double largest = 0;
        for (double[] row : rows) {
            for (double v : row) {
                largest = Math.max(largest, Math.abs(v));
            }
        }
        return largest;
    }

    /** Every bit of every number. */
    static void assertSameBits(Result actual, Result expected, String what) {
        assertThat(actual.loss()).as(what + ": loss").isEqualTo(expected.loss());
        assertThat(actual.rowLosses()).as(what + ": row losses").isEqualTo(expected.rowLosses());
        assertThat(actual.dQueries()).as(what + ": dQueries").isDeepEqualTo(expected.dQueries());
        if (expected.dKeys() != null) {
            assertThat(actual.dKeys()).as(what + ": dKeys").isDeepEqualTo(expected.dKeys());
        }
        if (expected.dNegatives() != null) {
            assertThat(actual.dNegatives()).as(what + ": dNegatives").isDeepEqualTo(expected.dNegatives());
        }
        assertThat(actual.dTemperature()).as(what + ": dTemperature").isEqualTo(expected.dTemperature());
        assertThat(actual.dBias()).as(what + ": dBias").isEqualTo(expected.dBias());
        assertThat(actual.metrics()).as(what + ": metrics").isEqualTo(expected.metrics());
    }

    private static void check(boolean holds, double actual, double expected, double allowed, String what) {
        assertThat(holds)
                .as("%s: got %s, expected %s, allowed %s", what, actual, expected, allowed)
                .isTrue();
    }
}
