package dev.infonce.suite;

import dev.infonce.Block;
import dev.infonce.ContrastiveLoss;
import dev.infonce.InfoNce;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Which vectors a loss compares, spelled out pair by pair. Vectors are numbered: queries first, then keys, then negatives,
 * then the queue. A term is one anchor with its positives, at most one unless labels say which, and its negatives, and counts by its share in the loss
 * of its row.
 */
record Terms(List<Term> terms, int rows) {
    /** Two vectors whose similarity is a negative. */
    record Pair(int i, int j) {}

    /**
     * An anchor with others.
     *
     * @param further negatives that are not of the anchor, or not of its columns, and in no metric but the effective negatives
     */
    record Term(int row, double share, int anchor, int[] positives, int[] negatives, List<Pair> further) {
        /** Without further negatives. */
        Term(int row, double share, int anchor, int[] positives, int[] negatives) {
            this(row, share, anchor, positives, negatives, List.of());
        }

        /** With at most one positive, -1 for none. */
        Term(int row, double share, int anchor, int positive, int[] negatives) {
            this(row, share, anchor, positive < 0 ? range(0, 0) : range(positive, 1), negatives);
        }

        /** The only one, -1 for none. */
        int positive() {
            return positives.length == 0 ? -1 : positives[0];
        }

        /** All negatives, the anchor's own first. */
        List<Pair> pairs() {
            return Stream.concat(Arrays.stream(negatives).mapToObj(j -> new Pair(anchor, j)), further.stream())
                    .toList();
        }
    }

    /** Rows that have a loss. */
    static int rows(Case c) {
        boolean stackedTower = c.loss().isOneTower() && c.keys() != null;
        return stackedTower ? 2 * c.queries().length : c.queries().length;
    }

    static Terms of(Case c) {
        List<Term> terms = hasPositivesByLabels(c.loss())
                ? byLabels(c)
                : c.loss().isOneTower() ? ofOneTower(c, rows(c)) : ofRows(c);
        return new Terms(terms, rows(c));
    }

    static boolean hasPositivesByLabels(ContrastiveLoss loss) {
        return loss.takesClassLabels() && !loss.isMined();
    }

    private static List<Term> byLabels(Case c) {
        int t = rows(c);
        boolean tower = c.loss().isOneTower();
        int[] columns = tower ? range(0, t) : keysAndQueue(c);
        int[] labelsOfColumns = tower ? c.labels() : c.keyLabels();
        List<Term> terms = new ArrayList<>();
        for (int i = 0; i < t; i++) {
            int label = c.labels()[i];
            int self = tower ? i : -1;
            IntPredicate alike = column -> label >= 0 && label == labelsOfColumns[column];
            terms.add(new Term(i, 1, i, others(columns, self, alike.negate()), others(columns, self, alike)));
        }
        return terms;
    }

    /** The vectors that are the columns of two towers. */
    private static int[] keysAndQueue(Case c) {
        int keys = c.queries().length;
        int negatives = keys + c.keys().length;
        int queue = negatives + (c.negatives() == null ? 0 : c.negatives().length);
        return IntStream.concat(
                        IntStream.range(keys, negatives),
                        IntStream.range(queue, queue + (int) c.shape().queue()))
                .toArray();
    }

    /** What is added to the logits of each vector, in view of queries. */
    static double[] offsets(Case c, int vectors) {
        double[] offsets = new double[vectors];
        int[] columns = c.keyOffsets() == null ? range(0, 0) : keysAndQueue(c);
        for (int j = 0; j < columns.length; j++) {
            offsets[columns[j]] = c.keyOffsets()[j];
        }
        return offsets;
    }

    private static List<Term> ofOneTower(Case c, int t) {
        List<Term> terms = new ArrayList<>();
        for (int i = 0; i < t; i++) {
            int partner = (i + t / 2) % t;
            int[] group = c.groups();
            int row = i;
            terms.add(new Term(i, 1, i, partner, others(0, t, i, partner, j -> areOfOneGroup(group, row, group, j))));
        }
        return terms;
    }

    private static List<Term> ofRows(Case c) {
        int n = c.queries().length;
        int keys = c.keys().length;
        int[] columns = keysAndQueue(c);
        int m = (int) c.shape().m();
        double share = c.loss().isSymmetric() ? 0.5 : 1;
        List<Term> terms = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int key = n + i;
            int negatives = n + keys;
            terms.add(
                    switch (c.loss().negatives()) {
                        case IN_BATCH -> {
                            int query = i;
                            int[] others = others(
                                    columns, i, column -> areOfOneGroup(c.groups(), query, c.keyGroups(), column));
                            yield new Term(i, share, i, new int[] {key}, others, further(c, i));
                        }
                        case IN_BATCH_AND_OWN -> {
                            int query = i;
                            int own = (int) c.shape().ownNegatives();
                            int[] others = others(
                                    columns, i, column -> areOfOneGroup(c.groups(), query, c.keyGroups(), column));
                            int[] all = IntStream.concat(
                                            Arrays.stream(others), Arrays.stream(range(negatives + i * own, own)))
                                    .toArray();
                            yield new Term(i, 1, i, new int[] {key}, all, further(c, i));
                        }
                        case SHARED -> new Term(i, 1, i, key, range(negatives, m));
                        case OWN -> new Term(i, 1, i, key, range(negatives + i * m, m));
                        case PAIRED -> {
                            if (!c.loss().takesLabels()) {
                                yield new Term(i, 1, i, key, range(negatives + i, 1));
                            }
                            boolean alike = c.labels()[i] == 1;
                            yield new Term(i, 1, i, alike ? key : -1, alike ? range(0, 0) : range(key, 1));
                        }
                    });
            if (c.loss().isSymmetric()) {
                int column = i;
                terms.add(new Term(
                        i,
                        share,
                        key,
                        i,
                        others(0, n, i, i, j -> areOfOneGroup(c.groups(), j, c.keyGroups(), column))));
            }
        }
        return terms;
    }

    /** Of the blocks of a row, in enum order. */
    private static List<Pair> further(Case c, int row) {
        int n = c.queries().length;
        Set<Block> blocks = c.loss() instanceof InfoNce loss ? loss.blocks() : Set.of();
        List<Pair> pairs = new ArrayList<>();
        for (Block block : blocks) {
            for (int j = 0; j < n; j++) {
                boolean absent = j == row
                        || switch (block) {
                            case QUERY_QUERY -> areOfOneGroup(c.groups(), row, c.groups(), j);
                            case KEY_QUERY -> areOfOneGroup(c.groups(), j, c.keyGroups(), row);
                            case KEY_KEY -> areOfOneGroup(c.keyGroups(), row, c.keyGroups(), j);
                        };
                if (!absent) {
                    pairs.add(
                            switch (block) {
                                case QUERY_QUERY -> new Pair(row, j);
                                case KEY_QUERY -> new Pair(j, n + row);
                                case KEY_KEY -> new Pair(n + row, n + j);
                            });
                }
            }
        }
        return pairs;
    }

    private static int[] range(int first, int count) {
        return IntStream.range(first, first + count).toArray();
    }

    private static boolean areOfOneGroup(int[] groups, int i, int[] otherGroups, int j) {
        return groups != null && groups[i] >= 0 && groups[i] == otherGroups[j];
    }

    /** Of columns, without that at a place, and without those at places that are excluded. */
    private static int[] others(int[] columns, int place, IntPredicate excluded) {
        return IntStream.range(0, columns.length)
                .filter(column -> column != place && !excluded.test(column))
                .map(column -> columns[column])
                .toArray();
    }

    /** From first to end, without end, self, partner and what is excluded. */
    private static int[] others(int first, int end, int self, int partner, IntPredicate excluded) {
        return IntStream.range(first, end)
                .filter(j -> j != self && j != partner && !excluded.test(j))
                .toArray();
    }
}
