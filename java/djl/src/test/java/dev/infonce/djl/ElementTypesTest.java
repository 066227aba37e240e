package dev.infonce.djl;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.GradientCollector;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.InfoNce;
import dev.infonce.djl.simclr.TorchRuntime;
import dev.infonce.suite.Case;
import dev.infonce.suite.Cases;
import dev.infonce.suite.Compare;
import dev.infonce.suite.Oracle;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** One loss object takes arrays of one element type after the other, of one shape, each in its own plan. */
class ElementTypesTest {
    private static final long SEED = 4;

    @Test
    void oneLossTakesFloat32AndFloat64InTurn() {
        Engine engine = TorchRuntime.start();
        InfoNce loss = InfoNce.withTemperature(0.3);
        try (Device device = Device.java();
                FusedContrastiveLoss fused = new FusedContrastiveLoss(device, loss)) {
            for (DType dtype : List.of(DType.FLOAT32, DType.FLOAT64, DType.FLOAT32, DType.FLOAT64)) {
                Case c = Cases.random(loss, 6, 6, 4, dtype, SEED);
                double bound = dtype == DType.FLOAT64 ? 1e-12 : 1e-5;
                try (NDManager manager = engine.newBaseManager(ai.djl.Device.cpu())) {
                    NDArray queries = array(manager, c.queries(), dtype);
                    NDArray keys = array(manager, c.keys(), dtype);
                    queries.setRequiresGradient(true);
                    keys.setRequiresGradient(true);
                    try (GradientCollector collector = engine.newGradientCollector()) {
                        collector.backward(fused.evaluate(new NDList(), new NDList(queries, keys)));
                    }
                    String what = dtype + ", seed " + SEED;
                    Compare.relative(
                            fused.lastResult().loss(), Oracle.evaluate(c).loss(), bound, "loss of " + what);
                    assertThat(keys.getGradient().getDataType()).isEqualTo(keys.getDataType());
                    double[] gradient =
                            keys.getGradient().toType(DataType.FLOAT64, true).toDoubleArray();
                    double[] expected = Arrays.stream(Oracle.evaluate(c).dKeys())
                            .flatMapToDouble(Arrays::stream)
                            .toArray();
                    for (int i = 0; i < expected.length; i++) {
                        assertThat(Math.abs(gradient[i] - expected[i]))
                                .as("dKeys of %s at %d", what, i)
                                .isLessThan(bound);
                    }
                }
            }
        }
    }

    private static NDArray array(NDManager manager, double[][] rows, DType dtype) {
        double[] numbers = Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
        NDArray wide = manager.create(numbers, new ai.djl.ndarray.types.Shape(rows.length, rows[0].length));
        return dtype == DType.FLOAT64 ? wide : wide.toType(DataType.FLOAT32, true);
    }
}
