package dev.infonce.internal.java;

import dev.infonce.Inputs;

/**
 * Which elements of rows times columns are no negatives: those of a pairing, and those of a row and a column of one group, or label.
 * Columns may be a strip of all.
 */
public final class Exclusion {
    private static final int ALONE = -1;

    private final Pairing pairing;
    private final Groups rows;
    private final Groups columns;

    private Exclusion(Pairing pairing, Groups rows, Groups columns) {
        this.pairing = pairing;
        this.rows = rows;
        this.columns = columns;
    }

    /** The groups, or labels, of rows from a row on. */
    private record Groups(int[] all, int first) {
        int of(int row) {
            return Math.max(ALONE, all[first + row]);
        }
    }

    /** That of a call, for columns from one of all columns on. */
    public static Exclusion of(Pairing pairing, Inputs in, long firstColumn) {
        if (in.groups() == null) {
            return new Exclusion(pairing, null, null);
        }
        int[] ofColumns = in.keyGroups() == null ? in.groups() : in.keyGroups();
        return new Exclusion(pairing, new Groups(in.groups(), 0), new Groups(ofColumns, Math.toIntExact(firstColumn)));
    }

    /** That of a call's queries among themselves. */
    public static Exclusion amongQueries(Inputs in) {
        return among(in.groups());
    }

    /** That of the keys of a call that are positives, or all of them, among themselves. */
    public static Exclusion amongKeys(Inputs in) {
        return among(in.keyGroups() == null ? in.groups() : in.keyGroups());
    }

    private static Exclusion among(int[] groups) {
        Groups all = groups == null ? null : new Groups(groups, 0);
        return new Exclusion(Pairing.OTHERS, all, all);
    }

    /** That of a call in which labels say who the positives are. */
    static Exclusion ofLabels(Pairing pairing, Inputs in) {
        int[] ofColumns = in.keyLabels() == null ? in.labels() : in.keyLabels();
        return new Exclusion(pairing, new Groups(in.labels(), 0), new Groups(ofColumns, 0));
    }

    /**
     * The columns of a block that are excluded by their group, or label, alone: of one label, the positives of the row.
     *
     * @param places takes where in the block they are, in rising order
     * @return how many they are
     */
    int byGroup(int row, int rowCount, int firstColumn, int width, int[] places) {
        int group = group(row);
        if (group == ALONE) {
            return 0;
        }
        int[] excluded = pairing.excluded(row, rowCount);
        int count = 0;
        for (int k = 0; k < width; k++) {
            if (columns.of(firstColumn + k) == group && !contains(excluded, firstColumn + k)) {
                places[count++] = k;
            }
        }
        return count;
    }

    /** The same with rows and columns exchanged. */
    Exclusion transposed() {
        return new Exclusion(pairing, columns, rows);
    }

    /** Moves the values of a block of columns that are no negatives out of values, the rest keeping its order; how many stay. */
    int drop(int row, int rowCount, double[] values, int firstColumn, int width) {
        int[] excluded = pairing.excluded(row, rowCount);
        int group = group(row);
        if (group == ALONE) {
            return Pairing.dropExcluded(excluded, values, firstColumn, width);
        }
        int kept = 0;
        for (int k = 0; k < width; k++) {
            if (columns.of(firstColumn + k) != group && !contains(excluded, firstColumn + k)) {
                values[kept++] = values[k];
            }
        }
        return kept;
    }

    /** Makes the values of a block of columns 0 that are no negatives. */
    void clear(int row, int rowCount, double[] values, int firstColumn, int width) {
        Pairing.clearExcluded(pairing.excluded(row, rowCount), values, firstColumn, width);
        int group = group(row);
        for (int k = 0; group != ALONE && k < width; k++) {
            if (columns.of(firstColumn + k) == group) {
                values[k] = 0.0;
            }
        }
    }

    /** Whether rows have groups. */
    public boolean hasGroups() {
        return rows != null;
    }

    /** Whether some of the rows and some of the columns have a group in common. */
    public boolean haveCommonGroup(int firstRow, int height, int firstColumn, int width) {
        if (rows == null) {
            return false;
        }
        for (int column = firstColumn; column < firstColumn + width; column++) {
            int group = columns.of(column);
            boolean common = false;
            for (int row = firstRow; row < firstRow + height; row++) {
                common |= rows.of(row) == group;
            }
            if (common && group != ALONE) {
                return true;
            }
        }
        return false;
    }

    /** Whether a row and a column are of one group. */
    public boolean areOfOneGroup(int row, int column) {
        int group = group(row);
        return group != ALONE && columns.of(column) == group;
    }

    /** Whether a row and a column are of one group, and would be negatives of each other else. */
    public boolean isByGroupAlone(int row, int column, int rowCount) {
        return areOfOneGroup(row, column) && !contains(pairing.excluded(row, rowCount), column);
    }

    private int group(int row) {
        return rows == null ? ALONE : rows.of(row);
    }

    private static boolean contains(int[] numbers, int number) {
        for (int one : numbers) {
            if (one == number) {
                return true;
            }
        }
        return false;
    }
}
