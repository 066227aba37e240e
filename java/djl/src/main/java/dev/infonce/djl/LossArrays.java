package dev.infonce.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import dev.infonce.ContrastiveLoss;
import dev.infonce.Shape;

/**
 * The arrays of one evaluation by their role.
 *
 * @param queries n x dim, or a whole tower
 * @param keys null for a tower in one array
 * @param negatives null unless the loss takes negatives of their own
 * @param logTemperature one number, null unless the temperature is learned
 */
record LossArrays(NDArray queries, NDArray keys, NDArray negatives, NDArray logTemperature) {

    /** Takes the predictions apart: queries, keys, negatives as the loss needs them, then ln(tau) if it is learned. */
    static LossArrays of(ContrastiveLoss loss, NDList predictions, boolean hasLogTemperature) {
        int extra = hasLogTemperature ? 1 : 0;
        int most = (loss.isMined() ? 1 : loss.takesNegatives() ? 3 : 2) + extra;
        int least = loss.isOneTower() && !loss.isMined() ? most - 1 : most;
        int size = predictions.size();
        if (size < least || size > most) {
            String allowed = least == most ? "" + least : least + " or " + most;
            throw new IllegalArgumentException(
                    "predictions: " + size + " arrays, " + loss.getClass().getSimpleName() + " takes " + allowed
                            + (hasLogTemperature ? ", the last being ln(temperature)" : ""));
        }
        int data = size - extra;
        NDArray logTemperature = hasLogTemperature ? predictions.get(size - 1) : null;
        if (hasLogTemperature && logTemperature.size() != 1) {
            throw new IllegalArgumentException("ln(temperature), the last of the predictions, has shape "
                    + logTemperature.getShape() + ", allowed is one number");
        }
        return new LossArrays(
                predictions.get(0),
                data > 1 ? predictions.get(1) : null,
                data > 2 ? predictions.get(2) : null,
                logTemperature);
    }

    /** Those that get a gradient, in the order of the roles. */
    NDList embeddings() {
        NDList list = new NDList(queries);
        if (keys != null) {
            list.add(keys);
        }
        if (negatives != null) {
            list.add(negatives);
        }
        return list;
    }

    /** The sizes of the plan that the loss needs for these arrays. */
    Shape shape(ContrastiveLoss loss) {
        long n = rows(queries);
        long dim = queries.getShape().get(queries.getShape().dimension() - 1);
        return switch (loss.negatives()) {
            case IN_BATCH -> {
                if (loss.isOneTower()) {
                    yield keys == null ? Shape.tower(n, dim) : Shape.of(n, n, dim);
                }
                yield Shape.of(n, rows(keys), dim);
            }
            case SHARED -> Shape.of(n, rows(negatives), dim);
            case OWN -> Shape.of(n, n == 0 ? 0 : rows(negatives) / n, dim);
            case PAIRED -> Shape.pairs(n, dim);
        };
    }

    private static long rows(NDArray array) {
        ai.djl.ndarray.types.Shape shape = array.getShape();
        long dim = shape.dimension() == 0 ? 0 : shape.get(shape.dimension() - 1);
        return dim == 0 ? 0 : shape.size() / dim;
    }
}
