package dev.infonce.internal.java;

import dev.infonce.Shape;
import dev.infonce.internal.LossSpec;

/**
 * How the columns of a dense loss are cut where they are many more than its rows, so that memory does not grow with them. Every
 * strip but the last has as many columns as the first, and that has at least as many as there are rows: all positives, unless labels
 * say who these are, which then may be anywhere, and columns stay whole.
 */
public final class ColumnStrips {
    private static final long MANY = 16; // columns a row
    private static final long STRIP_BYTES = 16L << 20;

    private final long rows;
    private final long positives;
    private final long columns;
    private final long length;
    private final boolean many;

    private ColumnStrips(long rows, long positives, long columns, long length, boolean many) {
        this.rows = rows;
        this.positives = positives;
        this.columns = columns;
        this.length = length;
        this.many = many;
    }

    /** That of a loss whose columns are worked on in whole units of rows, each of so many bytes. */
    public static ColumnStrips of(LossSpec spec, Shape shape, int unit, long rowBytes) {
        long n = spec.rows(shape).losses();
        boolean many = areMany(spec, shape);
        long columns = spec.oneTower() ? n : columns(shape);
        long positives = many || spec.sharesNegatives() ? n : 0;
        if (!many) {
            return new ColumnStrips(n, positives, columns, columns, false);
        }
        long units = Math.max(1, Math.max(ceil(n, unit), STRIP_BYTES / (rowBytes * unit)));
        return new ColumnStrips(n, positives, columns, Math.min(columns, units * unit), true);
    }

    /** Whether columns are to come in strips. */
    public static boolean areMany(LossSpec spec, Shape shape) {
        return !spec.oneTower()
                && !spec.symmetric()
                && !spec.hasPositivesByLabels()
                && columns(shape) / MANY >= shape.n();
    }

    /** Of two towers. */
    private static long columns(Shape shape) {
        return shape.m() + shape.queue();
    }

    private static long ceil(long value, long unit) {
        return (value + unit - 1) / unit;
    }

    /** Whether columns come in strips, even if one is enough. */
    public boolean areMany() {
        return many;
    }

    /** Rows that have a loss. */
    public long rows() {
        return rows;
    }

    /** Columns in all. */
    public long columns() {
        return columns;
    }

    /** How many strips, at least one. */
    public int count() {
        return length == 0 ? 1 : Math.toIntExact(ceil(columns, length));
    }

    /** The first column of a strip. */
    public long first(int strip) {
        return strip * length;
    }

    /** How many columns of a strip are among the first so many of all. */
    public int countWithin(int strip, long most) {
        return Math.toIntExact(Math.clamp(most - first(strip), 0L, count(strip)));
    }

    /** The columns of a strip. */
    public int count(int strip) {
        return Math.toIntExact(Math.min(length, columns - first(strip)));
    }

    /** Rows, positives that are apart from the columns, and columns that are in memory at a time. */
    public long rowsInMemory() {
        return rows + positives + length;
    }
}
