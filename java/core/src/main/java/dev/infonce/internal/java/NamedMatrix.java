package dev.infonce.internal.java;

import dev.infonce.Matrix;

/** An input and what messages call it; matrix may be null if it has no rows. */
record NamedMatrix(String name, Matrix matrix, long rows) {
    static NamedMatrix of(String name, Matrix matrix) {
        return new NamedMatrix(name, matrix, matrix == null ? 0 : matrix.rows());
    }
}
