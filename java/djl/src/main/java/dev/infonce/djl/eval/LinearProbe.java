package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import smile.math.DifferentiableMultivariateFunction;

/**
 * Accuracy of a linear classifier on frozen features: multinomial logistic regression on features standardised by the
 * training set's mean and deviation, with a small L2 penalty, fitted on all training images by L-BFGS from zero until the
 * gradient is a thousandth of the loss.
 * Deterministic; nothing is chosen by looking at test images.
 */
public final class LinearProbe {
    private static final double PENALTY = 1e-4;
    private static final int ITERATIONS = 5000;
    private static final int MEMORY = 10;
    private static final double GRADIENT_TOLERANCE = 1e-3;
    private static final float TINY = 1e-6f;

    private LinearProbe() {}

    /**
     * Fits on the training features and measures on the test features.
     *
     * @param classes labels are 0 to classes - 1
     * @return share of the test images that are classified rightly
     */
    public static double accuracy(Representation representation, byte[] trainLabels, byte[] testLabels, int classes) {
        try (NDManager scope = representation.train().getManager().newSubManager()) {
            NDArray train = representation.train();
            train.tempAttach(scope);
            NDArray mean = train.mean(new int[] {0}, true);
            NDArray deviation =
                    train.sub(mean).square().mean(new int[] {0}, true).sqrt();
            // a feature that never changes carries nothing; dividing by 1 leaves it 0
            NDArray scale = deviation
                    .gt(TINY)
                    .toType(DataType.FLOAT32, false)
                    .mul(deviation.sub(1))
                    .add(1);
            train = standardised(scope, train, mean, scale);
            double[] weights = fit(train, trainLabels, classes);
            NDArray test = representation.test();
            test.tempAttach(scope);
            return share(standardised(scope, test, mean, scale), weights, testLabels, classes);
        }
    }

    private static NDArray standardised(NDManager scope, NDArray rows, NDArray mean, NDArray scale) {
        NDArray ones = scope.ones(new Shape(rows.getShape().get(0), 1));
        return rows.sub(mean).div(scale).concat(ones, 1);
    }

    private static double[] fit(NDArray features, byte[] labels, int classes) {
        double[] weights = new double[(int) features.getShape().get(1) * classes];
        smile.math.Math.min(new Objective(features, labels, classes), MEMORY, weights, GRADIENT_TOLERANCE, ITERATIONS);
        return weights;
    }

    private static double share(NDArray features, double[] weights, byte[] labels, int classes) {
        try (NDManager scope = features.getManager().newSubManager()) {
            NDArray matrix = matrix(scope, weights, classes);
            long[] predicted = features.matMul(matrix).argMax(1).toLongArray();
            int right = 0;
            for (int i = 0; i < labels.length; i++) {
                if (predicted[i] == (labels[i] & 0xff)) {
                    right++;
                }
            }
            return (double) right / labels.length;
        }
    }

    private static NDArray matrix(NDManager scope, double[] weights, int classes) {
        float[] values = new float[weights.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) weights[i];
        }
        return scope.create(values, new Shape(values.length / classes, classes));
    }

    /** Mean cross-entropy plus penalty / 2 times the squared norm of the weights, bias excepted. */
    private static final class Objective implements DifferentiableMultivariateFunction {
        private final NDArray features;
        private final NDArray transposed;
        private final NDArray targets;
        private final int classes;
        private final long count;

        Objective(NDArray features, byte[] labels, int classes) {
            this.features = features;
            this.classes = classes;
            count = labels.length;
            transposed = features.transpose();
            float[] oneHot = new float[labels.length * classes];
            for (int i = 0; i < labels.length; i++) {
                oneHot[i * classes + (labels[i] & 0xff)] = 1;
            }
            targets = features.getManager().create(oneHot, new Shape(count, classes));
        }

        @Override
        public double f(double[] weights) {
            return evaluate(weights, null);
        }

        @Override
        public double f(double[] weights, double[] gradient) {
            return evaluate(weights, gradient);
        }

        private double evaluate(double[] weights, double[] gradient) {
            try (NDManager scope = features.getManager().newSubManager()) {
                NDArray matrix = matrix(scope, weights, classes);
                NDArray logits = matrix.getManager().from(features).matMul(matrix);
                logits.attach(scope);
                NDArray logShares = logits.logSoftmax(1);
                double value = -logShares.mul(targets).sum().getFloat() / count;
                if (gradient != null) {
                    NDArray error = logShares.exp().sub(targets);
                    NDArray product = transposed.matMul(error);
                    product.attach(scope);
                    float[] slopes = product.toFloatArray();
                    for (int i = 0; i < gradient.length; i++) {
                        gradient[i] = slopes[i] / (double) count;
                    }
                }
                int penalised = weights.length - classes;
                for (int i = 0; i < penalised; i++) {
                    value += PENALTY / 2 * weights[i] * weights[i];
                    if (gradient != null) {
                        gradient[i] += PENALTY * weights[i];
                    }
                }
                return value;
            }
        }
    }
}
