package dev.infonce.internal.java;

import dev.infonce.internal.LossSpec;

/** Which row is a row's positive, and which columns are no negatives of it, whatever groups and labels say. */
public enum Pairing {
    /** Columns are the other tower: row i and column i are positives. */
    DIAGONAL {
        @Override
        public int positive(int row, int rows) {
            return row;
        }

        @Override
        public int[] excluded(int row, int rows) {
            return new int[] {row};
        }
    },
    /** Rows and columns are one tower of two views; no row is its own negative. */
    TWO_VIEWS {
        @Override
        public int positive(int row, int rows) {
            return row < rows / 2 ? row + rows / 2 : row - rows / 2;
        }

        @Override
        public int[] excluded(int row, int rows) {
            int positive = positive(row, rows);
            return new int[] {Math.max(row, positive), Math.min(row, positive)};
        }
    },
    /** Columns are all negatives; the positives are elsewhere, row i's being row i. */
    APART {
        @Override
        public int positive(int row, int rows) {
            return row;
        }

        @Override
        public int[] excluded(int row, int rows) {
            return NONE;
        }
    },
    /** Columns are the rows themselves, and all but the row are negatives; the positives are elsewhere, row i's being row i. */
    OTHERS {
        @Override
        public int positive(int row, int rows) {
            return row;
        }

        @Override
        public int[] excluded(int row, int rows) {
            return new int[] {row};
        }
    },
    /** Rows and columns are one tower, and labels say which of the others are positives; no row is its own. */
    TOWER_BY_LABELS {
        @Override
        public int[] excluded(int row, int rows) {
            return new int[] {row};
        }
    },
    /** Columns are the other tower, and labels say which of them are positives. */
    TOWERS_BY_LABELS {
        @Override
        public int[] excluded(int row, int rows) {
            return NONE;
        }
    };

    private static final int[] NONE = {};

    /** That of a loss in which every row meets the same columns. */
    public static Pairing of(LossSpec loss) {
        if (loss.hasPositivesByLabels()) {
            return loss.oneTower() ? TOWER_BY_LABELS : TOWERS_BY_LABELS;
        }
        return switch (loss.negatives()) {
            case IN_BATCH, IN_BATCH_AND_OWN -> loss.oneTower() ? TWO_VIEWS : DIAGONAL;
            case SHARED -> APART;
            case OWN, PAIRED -> throw new IllegalArgumentException("rows of " + loss.name() + " do not meet");
        };
    }

    /** The index of a row's positive, of so many rows; only where each has one. */
    public int positive(int row, int rows) {
        throw new IllegalStateException(this + " has any number of positives a row");
    }

    /** Whether each row has one positive; else labels say. */
    public boolean hasOnePositive() {
        return switch (this) {
            case DIAGONAL, TWO_VIEWS, APART, OTHERS -> true;
            case TOWER_BY_LABELS, TOWERS_BY_LABELS -> false;
        };
    }

    /** Whether rows and columns are the same. */
    public boolean isOneTower() {
        return switch (this) {
            case TWO_VIEWS, OTHERS, TOWER_BY_LABELS -> true;
            case DIAGONAL, APART, TOWERS_BY_LABELS -> false;
        };
    }

    /** The columns that are no negatives of a row, the last first; the same with rows and columns exchanged. */
    public abstract int[] excluded(int row, int rows);

    /** Negatives of each row, of so many columns, if groups and labels leave out none. */
    public long negatives(long columns) {
        return switch (this) {
            case DIAGONAL, OTHERS, TOWER_BY_LABELS -> columns - 1;
            case TWO_VIEWS -> columns - 2;
            case APART, TOWERS_BY_LABELS -> columns;
        };
    }

    /** Moves the values of excluded columns out of values, the rest keeping its order, and returns how many stay. */
    static int dropExcluded(int[] excluded, double[] values, int firstColumn, int width) {
        int kept = width;
        for (int column : excluded) {
            int k = column - firstColumn;
            if (k >= 0 && k < width) {
                System.arraycopy(values, k + 1, values, k, kept - k - 1);
                kept--;
            }
        }
        return kept;
    }

    /** Makes the values of excluded columns 0. */
    static void clearExcluded(int[] excluded, double[] values, int firstColumn, int width) {
        for (int column : excluded) {
            int k = column - firstColumn;
            if (k >= 0 && k < width) {
                values[k] = 0.0;
            }
        }
    }
}
