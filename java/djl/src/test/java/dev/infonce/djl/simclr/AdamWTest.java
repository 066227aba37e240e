package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import java.util.List;
import org.junit.jupiter.api.Test;

class AdamWTest {
    private static final double DECAY = 0.3;
    private static final float[] START = {1f, -2f, 0.5f};

    /**
     * Against the formulas of the paper in float64. Weights are about 1 and move by the learning rate: float32 loses some
     * 2^-24 of a weight a step, so 1e-6 after ten steps is generous; forgotten bias correction or decay through the
     * gradient would show at 1e-2.
     */
    @Test
    void followsTheFormulasWithBiasCorrectionAndDecoupledDecay() {
        Engine engine = TorchRuntime.start();
        double[] weights = {START[0], START[1], START[2]};
        double[] means = new double[3];
        double[] variances = new double[3];
        try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu())) {
            Parameter parameter = parameter(manager);
            AdamW optimizer = new AdamW(manager, List.of(parameter), DECAY);
            for (int step = 1; step <= 10; step++) {
                double learningRate = 0.02 / step;
                try (GradientCollector collector = engine.newGradientCollector()) {
                    // gradient of sum(w^3)/3 is w^2
                    NDArray w = parameter.getArray();
                    collector.backward(w.mul(w).mul(w).sum().div(3f));
                }
                optimizer.step(learningRate);
                for (int i = 0; i < 3; i++) {
                    double gradient = weights[i] * weights[i];
                    means[i] = 0.9 * means[i] + 0.1 * gradient;
                    variances[i] = 0.999 * variances[i] + 0.001 * gradient * gradient;
                    double mean = means[i] / (1 - Math.pow(0.9, step));
                    double variance = variances[i] / (1 - Math.pow(0.999, step));
                    weights[i] -= learningRate * (mean / (Math.sqrt(variance) + 1e-8) + DECAY * weights[i]);
                }
            }
            float[] actual = parameter.getArray().toFloatArray();
            for (int i = 0; i < 3; i++) {
                assertThat((double) actual[i]).isCloseTo(weights[i], within(1e-6));
            }
            assertThat(optimizer.updates()).isEqualTo(10);
        }
    }

    private static Parameter parameter(NDManager manager) {
        Parameter parameter = Parameter.builder()
                .setName("weight")
                .setType(Parameter.Type.WEIGHT)
                .optShape(new Shape(3))
                .optInitializer((m, shape, type) -> m.create(START, shape))
                .build();
        parameter.initialize(manager, DataType.FLOAT32);
        return parameter;
    }
}
