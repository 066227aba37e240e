package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.initializer.Initializer;
import java.util.random.RandomGenerator;

/**
 * Uniform in [-1/sqrt(fanIn), 1/sqrt(fanIn)], which is what PyTorch's layers start from (He's uniform initialisation with
 * a = sqrt(5)); DJL's own default is wider by a factor of up to sqrt(6). Convolution kernels are laid out with their
 * channels innermost, which makes PyTorch run the whole encoder in that faster layout.
 */
record UniformFanIn(int fanIn, RandomGenerator random) implements Initializer {

    @Override
    public NDArray initialize(NDManager manager, Shape shape, DataType dataType) {
        float[] values = new float[Math.toIntExact(shape.size())];
        float bound = (float) (1 / Math.sqrt(fanIn));
        for (int i = 0; i < values.length; i++) {
            values[i] = bound * (2 * random.nextFloat() - 1);
        }
        return shape.dimension() == 4 ? channelsInnermost(manager, values, shape) : manager.create(values, shape);
    }

    private static NDArray channelsInnermost(NDManager manager, float[] values, Shape shape) {
        Shape stored = new Shape(shape.get(0), shape.get(2), shape.get(3), shape.get(1));
        // the copy keeps the layout but owns its memory, which a view of an array made from Java numbers does not
        try (NDArray dense = manager.create(values, stored);
                NDArray permuted = dense.transpose(0, 3, 1, 2)) {
            return permuted.duplicate();
        }
    }
}
