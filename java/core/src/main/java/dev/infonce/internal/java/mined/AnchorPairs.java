package dev.infonce.internal.java.mined;

import dev.infonce.internal.java.row.LogSum;
import dev.infonce.internal.java.row.PairRule;
import dev.infonce.internal.java.row.RowFunction;
import java.util.function.DoubleUnaryOperator;

/** All pairs of one anchor at a time, each side by its log-sum-exp: once over it for the largest penalty, and once for the sum. */
final class AnchorPairs extends AnchorLoss {
    private final RowFunction.OfPairs function;
    private final PairRule rule;
    private final double origin;
    private final LogSum ofPositives;
    private final LogSum ofNegatives;

    /** origin less a distance is a similarity. */
    AnchorPairs(RowFunction.OfPairs function, PairRule rule, double origin, int... labels) {
        super(labels);
        this.function = function;
        this.rule = rule;
        this.origin = origin;
        this.ofPositives = new LogSum(rule.positiveScale());
        this.ofNegatives = new LogSum(rule.negativeScale());
    }

    @Override
    double countOfOthers() {
        return function.counts(0, 0) ? 1.0 : 0.0;
    }

    @Override
    void take(double[] distances, double[] slopes, double scale) {
        if (!function.counts(positives.size(), negatives.size())) {
            return;
        }
        add(ofPositives, positives, distances, slopes, d -> function.positivePenalty(d, origin, rule));
        add(ofNegatives, negatives, distances, slopes, d -> function.negativePenalty(d, origin, rule));
        loss = function.loss(ofPositives, ofNegatives);
        count = 1.0;
        if (slopes != null) {
            double ofPositive = scale * function.share(ofPositives, ofNegatives);
            double ofNegative = scale * function.share(ofNegatives, ofPositives);
            spread(ofPositive, ofPositives, positives, distances, slopes, d -> function.positiveSlope(d, origin, rule));
            spread(ofNegative, ofNegatives, negatives, distances, slopes, d -> function.negativeSlope(d, origin, rule));
        }
    }

    /** Leaves the exponentials in slopes, if there are any. */
    private static void add(
            LogSum sum, RowList rows, double[] distances, double[] slopes, DoubleUnaryOperator penalty) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int k = 0; k < rows.size(); k++) {
            largest = Math.max(largest, penalty.applyAsDouble(distances[rows.row(k)]));
        }
        sum.begin(largest);
        for (int k = 0; k < rows.size(); k++) {
            int row = rows.row(k);
            double e = sum.add(penalty.applyAsDouble(distances[row]));
            if (slopes != null) {
                slopes[row] = e;
            }
        }
    }

    /** Shares a derivative among the rows of a side, whose exponentials are in slopes. */
    private static void spread(
            double share, LogSum sum, RowList rows, double[] distances, double[] slopes, DoubleUnaryOperator slope) {
        for (int k = 0; k < rows.size(); k++) {
            int row = rows.row(k);
            slopes[row] = share * (slopes[row] / sum.relative()) * slope.applyAsDouble(distances[row]);
        }
    }
}
