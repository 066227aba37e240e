package dev.infonce.suite;

import dev.infonce.InfoNce;
import dev.infonce.Negatives;
import dev.infonce.NtLogistic;
import dev.infonce.NtXent;
import dev.infonce.PairwiseContrastive;
import dev.infonce.Triplet;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which vectors a loss compares, spelled out pair by pair. Vectors are numbered: queries first, then keys, then negatives. A
 * term is one anchor with its positive (-1: none) and its negatives, and counts by its share in the loss of its row.
 */
record Terms(List<Term> terms, int rows) {
    record Term(int row, double share, int anchor, int positive, int[] negatives) {}

    static int rows(Case c) {
        boolean stackedTower = isTower(c) && c.keys() != null;
        return stackedTower ? 2 * c.queries().length : c.queries().length;
    }

    static boolean isTower(Case c) {
        return c.loss() instanceof NtXent
                || c.loss() instanceof NtLogistic logistic && logistic.negatives() == Negatives.IN_BATCH;
    }

    static Terms of(Case c) {
        int n = c.queries().length;
        List<Term> terms = new ArrayList<>();
        if (isTower(c)) {
            int t = rows(c);
            for (int i = 0; i < t; i++) {
                int self = i;
                int positive = (i + t / 2) % t;
                int[] negatives = IntStream.range(0, t)
                        .filter(j -> j != self && j != positive)
                        .toArray();
                terms.add(new Term(i, 1, i, positive, negatives));
            }
            return new Terms(terms, t);
        }
        int keys = c.keys().length;
        int m = (int) c.shape().m();
        for (int i = 0; i < n; i++) {
            int row = i;
            int first = n + keys + (isOwn(c) ? i * m : 0);
            switch (c.loss()) {
                case InfoNce infoNce
                when infoNce.negatives() == Negatives.IN_BATCH -> {
                    double share = infoNce.isSymmetric() ? 0.5 : 1.0;
                    int[] otherKeys = IntStream.range(0, keys)
                            .filter(j -> j != row)
                            .map(j -> n + j)
                            .toArray();
                    terms.add(new Term(i, share, i, n + i, otherKeys));
                    if (infoNce.isSymmetric()) {
                        int[] otherQueries =
                                IntStream.range(0, n).filter(j -> j != row).toArray();
                        terms.add(new Term(i, share, n + i, i, otherQueries));
                    }
                }
                case InfoNce _ ->
                    terms.add(new Term(
                            i, 1, i, n + i, IntStream.range(first, first + m).toArray()));
                case NtLogistic _, Triplet _ -> terms.add(new Term(i, 1, i, n + i, new int[] {n + keys + i}));
                case PairwiseContrastive _ -> {
                    boolean alike = c.labels()[i] == 1;
                    terms.add(new Term(i, 1, i, alike ? n + i : -1, alike ? new int[0] : new int[] {n + i}));
                }
                case NtXent _ -> throw new AssertionError("a tower");
            }
        }
        return new Terms(terms, n);
    }

    private static boolean isOwn(Case c) {
        return c.loss() instanceof InfoNce infoNce && infoNce.negatives() == Negatives.OWN;
    }
}
