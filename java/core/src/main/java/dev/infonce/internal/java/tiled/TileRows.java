package dev.infonce.internal.java.tiled;

import dev.infonce.internal.java.row.Row;
import dev.infonce.internal.java.row.RowFunction;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;

/** The rows, or the columns, after the forward pass: what a row function needs of each. In float64, and of one thread. */
final class TileRows {
    private final RowFunction.OfLogits loss;
    private final TileCall call;
    private final double[] value;
    private final double[] moment;
    private final double[] sigmoids;
    private final Row row;

    private final int count;

    /** From the sums over all negatives; those of sigmoids are null where no bias wants them. */
    TileRows(TileCall call, double[] value, double[] moment, double[] sigmoids, int count) {
        this.call = call;
        this.loss = call.layout().loss;
        this.value = value;
        this.moment = moment;
        this.sigmoids = sigmoids;
        this.count = count;
        this.row = new Row(call.temperature(), call.rule());
    }

    /** Row i; the next call overwrites it. Logits are small enough for sums of exp(s / tau) itself. */
    private Row at(int i) {
        int block = i / Tiles.SIDE;
        row.positive = call.space().positive[block][i % Tiles.SIDE];
        row.offset = call.factors() == null ? 0.0 : call.factors().offsetOfPositive(i);
        row.value = value[i];
        row.moment = moment[i];
        row.sigmoids = sigmoids == null ? 0.0 : sigmoids[i];
        row.origin = call.origin(block)[i % Tiles.SIDE];
        if (row.positives != null) {
            row.positiveCount = call.classes().positives(i);
            row.positives.value = call.space().allPositiveValue[i];
            row.positives.moment = call.space().allPositiveMoment[i];
            row.positives.origin = row.origin;
        }
        return row;
    }

    double loss(int i) {
        return loss.loss(at(i));
    }

    /** The losses of all rows. */
    double[] losses() {
        double[] losses = new double[count];
        Arrays.setAll(losses, this::loss);
        return losses;
    }

    double temperatureSlope(int i) {
        return loss.temperatureSlope(at(i));
    }

    /** 0 for losses without a bias. */
    double biasSlope(int i) {
        return sigmoids == null ? 0.0 : loss.biasSlope(at(i));
    }

    double positiveSlope(int i) {
        return loss.positiveSlope(at(i));
    }

    double largestSlope(int i) {
        return loss.largestSlope(at(i));
    }

    double negativeSlope(int i) {
        return loss.negativeSlope(at(i));
    }

    /** The coefficient of f at several positives. */
    double spreadOfPositives(int i) {
        return loss.spreadOfPositives(at(i));
    }

    /** What each of several positives has beside. */
    double shareOfPositive(int i) {
        return loss.shareOfPositive(at(i));
    }

    /** The coefficient of f for a negative slope. */
    double spread(int i, double slope) {
        return slope * loss.spread(at(i), 1.0);
    }

    double effectiveNegatives(int i) {
        return loss.effectiveNegatives(at(i));
    }
}
