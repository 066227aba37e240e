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
 * @param bias one number, null unless the bias is learned
 */
record LossArrays(NDArray queries, NDArray keys, NDArray negatives, NDArray logTemperature, NDArray bias) {

    /** Takes the predictions apart: queries, keys, negatives as the loss needs them, then the numbers that are learned. */
    static LossArrays of(ContrastiveLoss loss, NDList predictions, LearnedLogits learned) {
        int extra = learned.count();
        int most = (loss.isMined() ? 1 : loss.takesNegatives() ? 3 : 2) + extra;
        int least = loss.isOneTower() && !loss.isMined() ? most - 1 : most;
        int size = predictions.size();
        if (size < least || size > most) {
            String allowed = least == most ? "" + least : least + " or " + most;
            throw new IllegalArgumentException("predictions: " + size + " arrays, "
                    + loss.getClass().getSimpleName() + " takes " + allowed + learned.words());
        }
        int data = size - extra;
        return new LossArrays(
                predictions.get(0),
                data > 1 ? predictions.get(1) : null,
                data > 2 ? predictions.get(2) : null,
                extra > 0 ? number("ln(temperature)", predictions.get(data)) : null,
                extra > 1 ? number("the bias", predictions.get(data + 1)) : null);
    }

    private static NDArray number(String name, NDArray array) {
        if (array.size() != 1) {
            throw new IllegalArgumentException(
                    name + " of the predictions has shape " + array.getShape() + ", allowed is one number");
        }
        return array;
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
            case IN_BATCH_AND_OWN -> Shape.of(n, rows(keys), dim).withOwnNegatives(n == 0 ? 0 : rows(negatives) / n);
            case PAIRED -> Shape.pairs(n, dim);
        };
    }

    private static long rows(NDArray array) {
        ai.djl.ndarray.types.Shape shape = array.getShape();
        long dim = shape.dimension() == 0 ? 0 : shape.get(shape.dimension() - 1);
        return dim == 0 ? 0 : shape.size() / dim;
    }
}
