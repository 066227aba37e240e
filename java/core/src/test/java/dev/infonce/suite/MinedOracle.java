package dev.infonce.suite;

import dev.infonce.Mining;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Triplets mined in a batch, from their definitions alone: every anchor with every positive and every negative, in float64. It tells
 * whether a selection, or whether a triplet costs anything, hangs on the last digits of distances, so that another arithmetic may
 * decide otherwise.
 */
final class MinedOracle extends TowerOracle {
    private final Triplet loss;
    private final List<List<Choice>> choices;

    private record Choice(int positive, int negative) {}

    MinedOracle(Case c) {
        super(c, ((Triplet) c.loss()).distance());
        this.loss = (Triplet) c.loss();
        this.choices = IntStream.range(0, x.length).mapToObj(this::choices).toList();
    }

    @Override
    double similarity(int i, int j) {
        return -distances[i][j];
    }

    private List<Choice> choices(int anchor) {
        int[] positives = positives(anchor);
        int[] negatives = negatives(anchor);
        if (positives.length == 0 || negatives.length == 0) {
            return List.of();
        }
        return switch (loss.mining()) {
            case NONE -> throw new IllegalArgumentException("nothing is mined");
            case BATCH_ALL -> all(positives, negatives);
            case BATCH_HARD -> List.of(new Choice(farthest(anchor, positives), nearest(anchor, negatives)));
            case SEMI_HARD ->
                Arrays.stream(positives)
                        .mapToObj(p -> new Choice(p, semiHard(anchor, p, negatives)))
                        .toList();
            case EASY_POSITIVE -> List.of(new Choice(nearest(anchor, positives), nearest(anchor, negatives)));
            case BATCH_EASY -> List.of(new Choice(nearest(anchor, positives), farthest(anchor, negatives)));
        };
    }

    private static List<Choice> all(int[] positives, int[] negatives) {
        List<Choice> all = new ArrayList<>();
        for (int p : positives) {
            for (int n : negatives) {
                all.add(new Choice(p, n));
            }
        }
        return all;
    }

    private int semiHard(int anchor, int positive, int[] negatives) {
        int[] farther = Arrays.stream(negatives)
                .filter(n -> distances[anchor][n] > distances[anchor][positive])
                .toArray();
        return farther.length > 0 ? nearest(anchor, farther) : farthest(anchor, negatives);
    }

    private int farthest(int anchor, int[] of) {
        double most =
                Arrays.stream(of).mapToDouble(j -> distances[anchor][j]).max().orElseThrow();
        return Arrays.stream(of)
                .filter(j -> distances[anchor][j] == most)
                .findFirst()
                .orElseThrow();
    }

    private double excess(int anchor, Choice choice) {
        return distances[anchor][choice.positive] - distances[anchor][choice.negative] + loss.margin();
    }

    private double cost(double excess) {
        return loss.softMargin() ? Oracle.minusLogSigmoid(-excess) : Math.max(0, excess);
    }

    private double slope(double excess) {
        return loss.softMargin() ? Oracle.sigmoid(excess) : excess > 0 ? 1 : 0;
    }

    @Override
    double count(int anchor) {
        boolean onlyCostly = loss.mining() == Mining.BATCH_ALL && !loss.softMargin();
        return choices.get(anchor).stream()
                .filter(choice -> !onlyCostly || excess(anchor, choice) > 0)
                .count();
    }

    @Override
    double loss(int anchor) {
        return choices.get(anchor).stream()
                .mapToDouble(choice -> cost(excess(anchor, choice)))
                .sum();
    }

    @Override
    void slopes(int anchor, Slopes slopes) {
        for (Choice choice : choices.get(anchor)) {
            double slope = slope(excess(anchor, choice));
            slopes.add(choice.positive, slope);
            slopes.add(choice.negative, -slope);
        }
    }

    @Override
    boolean isAmbiguous(double error) {
        return IntStream.range(0, x.length).anyMatch(a -> areNear(a, error) || areNearTheMargin(a, error));
    }

    private boolean areNearTheMargin(int anchor, double error) {
        double[] from = distances[anchor];
        if (loss.softMargin()) {
            return false;
        }
        for (int p : positives(anchor)) {
            for (int n : negatives(anchor)) {
                boolean near = Math.abs(from[p] - from[n] + loss.margin()) <= error;
                if (near && !(loss.margin() == 0 && Arrays.equals(x[p], x[n]))) {
                    return true;
                }
            }
        }
        return false;
    }
}
