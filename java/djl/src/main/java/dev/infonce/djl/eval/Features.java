package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.infonce.djl.data.ImageSet;
import java.util.function.UnaryOperator;

/** Feature vectors of whole image sets, computed in blocks. */
public final class Features {
    private static final int BLOCK = 1000;
    private static final float WHITE = 255f;

    private Features() {}

    /** The pixels themselves, in [0, 1]: count x pixels. */
    public static NDArray pixels(NDManager manager, ImageSet images) {
        return manager.create(
                scaled(images, 0, images.count(), 0, 1), new Shape(images.count(), images.pixelsPerImage()));
    }

    /**
     * What an encoder makes of the images.
     *
     * @param mean subtracted from the pixels in [0, 1]
     * @param deviation divides them then
     * @param encoder from n x 1 x height x width to n x features; must not keep what it makes
     * @return count x features, attached to {@code manager}
     */
    public static NDArray of(
            NDManager manager, ImageSet images, float mean, float deviation, UnaryOperator<NDArray> encoder) {
        try (NDManager scope = manager.newSubManager()) {
            NDList parts = new NDList();
            for (int from = 0; from < images.count(); from += BLOCK) {
                int to = Math.min(images.count(), from + BLOCK);
                try (NDManager block = scope.newSubManager()) {
                    Shape shape = new Shape(to - from, 1, images.height(), images.width());
                    NDArray part = encoder.apply(block.create(scaled(images, from, to, mean, deviation), shape));
                    part.attach(scope);
                    parts.add(part);
                }
            }
            NDArray all = NDArrays.concat(parts);
            all.attach(manager);
            return all;
        }
    }

    private static float[] scaled(ImageSet images, int from, int to, float mean, float deviation) {
        int size = images.pixelsPerImage();
        float[] values = new float[(to - from) * size];
        for (int i = 0; i < values.length; i++) {
            values[i] = ((images.pixels()[from * size + i] & 0xff) / WHITE - mean) / deviation;
        }
        return values;
    }
}
