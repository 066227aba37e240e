package dev.infonce.djl.simclr;

/**
 * How the projections of two fixed views of fixed training images lie, with the model as it would be used (batch
 * normalisation by its running statistics).
 *
 * @param step steps done, from 0
 * @param alignment mean squared distance of the views of one image, 0 to 4
 * @param uniformity logarithm of the mean of exp(-2 d^2) over views of different images, -8 to 0
 */
public record GeometryPoint(int step, double alignment, double uniformity) {}
