package dev.infonce.djl.eval;

import ai.djl.ndarray.NDArray;

/**
 * Features of the training and of the test images, count x features each, float32. Owns its arrays.
 *
 * @param train features of the training images
 * @param test features of the test images
 */
public record Representation(NDArray train, NDArray test) implements AutoCloseable {
    @Override
    public void close() {
        train.close();
        test.close();
    }
}
