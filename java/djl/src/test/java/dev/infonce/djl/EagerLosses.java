package dev.infonce.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;

/** The losses written in DJL's own operations, with the whole similarity matrix: what users write without this library. */
final class EagerLosses {
    private EagerLosses() {}

    /** NT-Xent of a tower: mean over all views of -log softmax of the partner among all other views. */
    static NDArray ntXent(NDArray tower, NDArray temperature) {
        NDManager manager = tower.getManager();
        int rows = (int) tower.getShape().get(0);
        NDArray unit = unit(tower);
        NDArray self = manager.eye(rows).toType(tower.getDataType(), false).mul(1e9);
        NDArray logits = unit.matMul(unit.transpose()).div(temperature).sub(self);
        NDArray partners = manager.arange(rows)
                .add(rows / 2)
                .mod(rows)
                .toType(DataType.INT64, false)
                .reshape(rows, 1);
        return logits.logSoftmax(1).gather(partners, 1).mean().neg();
    }

    /** InfoNCE with in-batch negatives, both directions if symmetric. */
    static NDArray infoNce(NDArray queries, NDArray keys, NDArray temperature, boolean isSymmetric) {
        NDArray logits = unit(queries).matMul(unit(keys).transpose()).div(temperature);
        NDArray rows = diagonalLoss(logits);
        return isSymmetric ? rows.add(diagonalLoss(logits.transpose())).div(2) : rows;
    }

    /** SigLIP of cosines: mean over queries of the sum over keys of softplus(-+(s / tau + bias)). */
    static NDArray sigLip(NDArray queries, NDArray keys, NDArray temperature, NDArray bias) {
        NDArray logits =
                unit(queries).matMul(unit(keys).transpose()).div(temperature).add(bias);
        int rows = (int) logits.getShape().get(0);
        NDArray signs = logits.getManager().eye(rows).mul(-2).add(1);
        return logits.mul(signs).exp().add(1).log().sum().div(rows);
    }

    /** Triplet loss with Euclidean distances. */
    static NDArray triplet(NDArray anchors, NDArray positives, NDArray negatives, double margin) {
        return distance(anchors, positives)
                .sub(distance(anchors, negatives))
                .add(margin)
                .maximum(0)
                .mean();
    }

    /** Batch-hard triplets of a tower whose every row has one of its label and one of another, with Euclidean distances. */
    static NDArray batchHard(NDArray tower, NDArray labels, double margin) {
        NDArray squares = tower.expandDims(1).sub(tower.expandDims(0)).square().sum(new int[] {2});
        NDArray self = tower.getManager().eye((int) tower.getShape().get(0));
        NDArray distances = squares.add(self).sqrt().mul(self.neg().add(1)); // the square root has no slope at 0
        NDArray alike = labels.expandDims(1).eq(labels.expandDims(0)).toType(DataType.FLOAT32, false);
        NDArray farthest = distances.mul(alike).max(new int[] {1});
        NDArray nearest = distances.add(alike.mul(1e9)).min(new int[] {1});
        return farthest.sub(nearest).add(margin).maximum(0).mean();
    }

    /** Contrastive loss of pairs with Euclidean distances; labels 1 alike, 0 not. */
    static NDArray pairs(NDArray left, NDArray right, NDArray labels, double margin) {
        NDArray distance = distance(left, right);
        NDArray alike = labels.mul(distance.square());
        NDArray different =
                labels.neg().add(1).mul(distance.neg().add(margin).maximum(0).square());
        return alike.add(different).div(2).mean();
    }

    private static NDArray diagonalLoss(NDArray logits) {
        int rows = (int) logits.getShape().get(0);
        NDArray own =
                logits.getManager().arange(rows).toType(DataType.INT64, false).reshape(rows, 1);
        return logits.logSoftmax(1).gather(own, 1).mean().neg();
    }

    private static NDArray unit(NDArray rows) {
        return rows.div(rows.square().sum(new int[] {1}, true).sqrt());
    }

    private static NDArray distance(NDArray left, NDArray right) {
        return left.sub(right).square().sum(new int[] {1}).sqrt();
    }

    /** A constant of a shape that broadcasts. */
    static NDArray constant(NDManager manager, double value, DataType type) {
        return manager.full(new Shape(1), (float) value, type);
    }
}
