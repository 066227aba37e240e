package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import java.util.Arrays;

/** Nearest neighbours by cosine, in blocks, so that no queries x references matrix is held as a whole. */
public final class NearestNeighbours {
    private static final int BLOCK = 500;
    private static final float TINY = 1e-12f;

    private NearestNeighbours() {}

    /**
     * The k nearest references of every query, nearest first.
     *
     * @param queries n x features
     * @param references m x features, m >= k
     * @return n rows of k indices
     */
    public static int[][] search(NDArray queries, NDArray references, int k) {
        int count = (int) queries.getShape().get(0);
        int[][] found = new int[count][];
        try (NDManager scope = queries.getManager().newSubManager()) {
            NDArray transposed = unit(scope, references).transpose();
            NDArray units = unit(scope, queries);
            for (int from = 0; from < count; from += BLOCK) {
                int to = Math.min(count, from + BLOCK);
                try (NDManager blockScope = scope.newSubManager()) {
                    NDArray block = units.get(new NDIndex(from + ":" + to));
                    block.attach(blockScope);
                    NDList best = block.matMul(transposed).topK(k, 1, true, true);
                    long[] indices = best.get(1).toLongArray();
                    for (int row = from; row < to; row++) {
                        int start = (row - from) * k;
                        found[row] = Arrays.stream(indices, start, start + k)
                                .mapToInt(Math::toIntExact)
                                .toArray();
                    }
                }
            }
        }
        return found;
    }

    /**
     * Share of the queries whose class is the commonest among their neighbours; of equally common ones the class of the
     * nearest counts.
     */
    public static double accuracy(int[][] neighbours, byte[] queryLabels, byte[] referenceLabels) {
        int right = 0;
        for (int query = 0; query < neighbours.length; query++) {
            if (vote(neighbours[query], referenceLabels) == (queryLabels[query] & 0xff)) {
                right++;
            }
        }
        return (double) right / neighbours.length;
    }

    private static int vote(int[] neighbours, byte[] labels) {
        int[] votes = new int[256];
        for (int neighbour : neighbours) {
            votes[labels[neighbour] & 0xff]++;
        }
        int winner = labels[neighbours[0]] & 0xff;
        for (int neighbour : neighbours) {
            int candidate = labels[neighbour] & 0xff;
            if (votes[candidate] > votes[winner]) {
                winner = candidate;
            }
        }
        return winner;
    }

    /** Rows divided by their norm; zero rows stay zero. */
    static NDArray unit(NDManager scope, NDArray rows) {
        try (NDManager temporary = scope.newSubManager()) {
            rows.tempAttach(temporary);
            NDArray norms = rows.square().sum(new int[] {1}, true).sqrt().maximum(TINY);
            NDArray unit = rows.div(norms);
            unit.attach(scope);
            return unit;
        }
    }
}
