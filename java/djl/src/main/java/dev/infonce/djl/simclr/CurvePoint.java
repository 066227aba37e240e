package dev.infonce.djl.simclr;

/**
 * What one training step measured, on its own batch and before its update. See {@link dev.infonce.Metrics} for what top1,
 * alignment and uniformity are of losses other than NT-Xent; where they mean nothing they are NaN.
 *
 * @param step from 1
 * @param loss the recipe's, as it is reduced
 * @param top1 share of the views whose partner is the most similar of all other views
 * @param alignment mean squared distance of partners on the unit sphere, 0 to 4 (arXiv 2005.10242, eq. 1)
 * @param uniformity logarithm of the mean of exp(-2 d^2) over all views that are no partners (ibid., eq. 2); lower is more spread out
 * @param learningRate used for the update
 */
public record CurvePoint(
        int step, double loss, double top1, double alignment, double uniformity, double learningRate) {}
