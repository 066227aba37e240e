package dev.infonce.internal.java.tiled;

import dev.infonce.Inputs;
import dev.infonce.internal.java.Workers;
import dev.infonce.internal.java.vector.Tiles;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Who is whose positive, where labels say: a row and a column of one class are alike, and the positives of a row are the columns
 * that are alike, but for the row itself in one tower. Classes are numbered as they come, so that nothing depends on the labels'
 * names; a row that is like no other is a class of its own.
 */
final class TileClasses {
    private static final int OF_NO_ROW = Integer.MIN_VALUE;
    private static final int LIKE_NO_COLUMN = -1;
    private static final int LIKE_NO_ROW = -2;

    /** By block and row of X, and of Y. */
    final int[][] x;

    final int[][] y;

    private final boolean tower;
    private final int columns;
    private final int[][] sortedX;
    private final int[][] sortedY;
    private final Members rows;
    private final Members columnsOf;

    private TileClasses(boolean tower, int count, int[] ofRows, int[] ofColumns) {
        this.tower = tower;
        this.columns = ofColumns.length;
        this.x = blocks(ofRows);
        this.y = tower ? x : blocks(ofColumns);
        this.sortedX = sorted(x);
        this.sortedY = tower ? sortedX : sorted(y);
        this.rows = new Members(count, ofRows);
        this.columnsOf = tower ? rows : new Members(count, ofColumns);
    }

    /** Those of a call. */
    static TileClasses of(TileLayout layout, Inputs in) {
        Map<Integer, Integer> numbers = new HashMap<>();
        int[] ofRows = numbered(in.labels(), numbers, LIKE_NO_COLUMN);
        boolean tower = layout.isOneTower();
        int[] ofColumns = tower ? ofRows : numbered(in.keyLabels(), numbers, LIKE_NO_ROW);
        for (int row = 0; tower && row < ofRows.length; row++) {
            ofRows[row] = ofRows[row] < 0 ? -1 - row : ofRows[row];
        }
        return new TileClasses(tower, numbers.size(), ofRows, ofColumns);
    }

    private static int[] numbered(int[] labels, Map<Integer, Integer> numbers, int alone) {
        int[] classes = new int[labels.length];
        for (int i = 0; i < labels.length; i++) {
            classes[i] = labels[i] < 0 ? alone : numbers.computeIfAbsent(labels[i], _ -> numbers.size());
        }
        return classes;
    }

    private static int[][] blocks(int[] classes) {
        int[][] blocks = new int[TileLayout.blocks(classes.length)][Tiles.SIDE];
        for (int block = 0; block < blocks.length; block++) {
            int height = TileLayout.height(block, classes.length);
            System.arraycopy(classes, block * Tiles.SIDE, blocks[block], 0, height);
            Arrays.fill(blocks[block], height, Tiles.SIDE, OF_NO_ROW);
        }
        return blocks;
    }

    private static int[][] sorted(int[][] blocks) {
        return Arrays.stream(blocks)
                .map(block -> Arrays.stream(block)
                        .filter(number -> number != OF_NO_ROW)
                        .sorted()
                        .distinct()
                        .toArray())
                .toArray(int[][]::new);
    }

    /** The rows, or columns, of each class, in rising order. */
    private static final class Members {
        private final int[] ofClass;
        private final int[] starts;
        private final int[] rows;

        Members(int count, int[] ofClass) {
            this.ofClass = ofClass;
            this.starts = new int[count + 1];
            for (int number : ofClass) {
                if (number >= 0) {
                    starts[number + 1]++;
                }
            }
            Arrays.parallelPrefix(starts, Integer::sum);
            this.rows = new int[starts[count]];
            int[] next = starts.clone();
            for (int row = 0; row < ofClass.length; row++) {
                if (ofClass[row] >= 0) {
                    rows[next[ofClass[row]]++] = row;
                }
            }
        }

        int count(int number) {
            return starts[number + 1] - starts[number];
        }

        int row(int number, int k) {
            return rows[starts[number] + k];
        }
    }

    /** Whether a block of X and one of Y have a class in common, so that some of their elements are no negatives. */
    boolean meet(int xBlock, int yBlock) {
        int[] first = sortedX[xBlock];
        int[] second = sortedY[yBlock];
        int i = 0;
        int j = 0;
        while (i < first.length && j < second.length) {
            if (first[i] == second[j]) {
                return true;
            }
            if (first[i] < second[j]) {
                i++;
            } else {
                j++;
            }
        }
        return false;
    }

    /** The positives of a row. */
    long positives(int row) {
        int number = rows.ofClass[row];
        return number < 0 ? 0 : columnsOf.count(number) - (tower ? 1 : 0);
    }

    /** The negatives of a row. */
    long negatives(int row) {
        return columns - (tower ? 1 : 0) - positives(row);
    }

    /**
     * The mean similarity of each row and its positives: that of the row and the positives' mean, as tiles would have it, so that
     * equal positives give theirs, to the bit, and one gives its own.
     */
    void findPositives(Workers workers, TileWorkspace space) {
        for (float[] block : space.positive) {
            Arrays.fill(block, 0f);
        }
        workers.run(rows.starts.length - 1, number -> findPositives(number, space));
    }

    private void findPositives(int number, TileWorkspace space) {
        int count = columnsOf.count(number) - (tower ? 1 : 0);
        if (count <= 0) {
            return;
        }
        double[] sum = count == 1 ? null : new double[space.layout.dim];
        for (int k = 0; sum != null && k < columnsOf.count(number); k++) {
            space.y.addRow(columnsOf.row(number, k), 1.0, sum);
        }
        for (int k = 0; k < rows.count(number); k++) {
            int row = rows.row(number, k);
            space.positive[row / Tiles.SIDE][row % Tiles.SIDE] = sum == null
                    ? space.x.similarity(row, space.y, onlyPositive(number, row))
                    : space.x.similarity(row, meanOfOthers(row, sum, count, space));
        }
    }

    private int onlyPositive(int number, int row) {
        int first = columnsOf.row(number, 0);
        return tower && first == row ? columnsOf.row(number, 1) : first;
    }

    private float[] meanOfOthers(int row, double[] sum, int count, TileWorkspace space) {
        double[] others = sum.clone();
        if (tower) {
            space.x.addRow(row, -1.0, others);
        }
        float[] mean = new float[others.length];
        for (int d = 0; d < mean.length; d++) {
            mean[d] = (float) (others[d] / count);
        }
        return mean;
    }
}
