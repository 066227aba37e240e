package dev.infonce.djl.simclr;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Metrics;
import dev.infonce.NtXent;
import dev.infonce.djl.FusedContrastiveLoss;
import dev.infonce.djl.data.ImageSet;
import dev.infonce.djl.data.ViewPipeline;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A training run that can be advanced step by step, saved and continued. What a step does depends on the recipe, the
 * seed, the images and the step's number alone, so that a continued run follows the curve of an uninterrupted one. For
 * use by one thread.
 */
final class ContrastiveTrainer implements AutoCloseable {
    private static final int VIEW_THREADS = 2;
    private static final long VIEW_SEED = 0x76696577L;

    private final Recipe recipe;
    private final long seed;
    private final NDManager manager;
    private final SimClrModel model;
    private final AdamW optimizer;
    private final ViewPipeline views;
    private final FusedContrastiveLoss loss;
    private final List<CurvePoint> curve = new ArrayList<>();
    private final int height;
    private final int width;

    /**
     * A run at step 0.
     *
     * @param images at least one batch
     * @param device computes the loss; stays the caller's
     */
    ContrastiveTrainer(NDManager parent, Recipe recipe, long seed, ImageSet images, Device device) {
        this.recipe = recipe;
        this.seed = seed;
        height = images.height();
        width = images.width();
        manager = parent.newSubManager();
        model = new SimClrModel(manager, recipe, seed);
        optimizer = new AdamW(manager, model.learnedParameters(), recipe.weightDecay());
        loss = new FusedContrastiveLoss(device, NtXent.withTemperature(recipe.temperature()));
        views = new ViewPipeline(
                images.first(recipe.images()),
                recipe.views(),
                recipe.batch(),
                seed ^ VIEW_SEED,
                Recipe.PIXEL_MEAN,
                Recipe.PIXEL_DEVIATION,
                VIEW_THREADS);
    }

    /** Whether all steps of the recipe are done. */
    boolean isDone() {
        return curve.size() >= recipe.steps();
    }

    /**
     * Does the next step.
     *
     * @return what it measured
     * @throws IllegalStateException if the loss is no longer a number
     */
    CurvePoint step() {
        int index = curve.size();
        double learningRate = recipe.learningRate(index);
        float[] batch = views.take(index);
        try (NDManager scope = manager.newSubManager()) {
            NDArray images = scope.create(batch, new Shape(2L * recipe.batch(), 1, height, width));
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray projections = model.projections(model.features(images, true), true);
                collector.backward(loss.evaluate(new NDList(), new NDList(projections)));
            }
            optimizer.step(learningRate);
        }
        GradientResult result = loss.lastResult();
        if (!Double.isFinite(result.loss())) {
            throw new IllegalStateException("the loss became " + result.loss() + " at step " + (index + 1));
        }
        Metrics metrics = result.metrics();
        CurvePoint point = new CurvePoint(
                index + 1,
                result.loss(),
                metrics.top1Accuracy(),
                metrics.alignment(),
                metrics.uniformity(),
                learningRate);
        curve.add(point);
        return point;
    }

    /** The state as it is now; valid until the next step. */
    Checkpoint checkpoint(long dataChecksum, double seconds) {
        List<NDArray> arrays = new ArrayList<>();
        model.parameters().forEach(parameter -> arrays.add(parameter.getArray()));
        arrays.addAll(optimizer.state());
        return new Checkpoint(
                recipe,
                seed,
                dataChecksum,
                seconds,
                List.copyOf(curve),
                arrays.stream().map(NDArray::toFloatArray).toList());
    }

    /**
     * Goes on from a state of the same recipe and seed.
     *
     * @throws IllegalArgumentException if the state is of another recipe or seed
     */
    void restore(Checkpoint checkpoint) {
        if (!checkpoint.recipe().equals(recipe) || checkpoint.seed() != seed) {
            throw new IllegalArgumentException("checkpoint of another recipe or seed");
        }
        List<NDArray> arrays = new ArrayList<>();
        model.parameters().forEach(parameter -> arrays.add(parameter.getArray()));
        arrays.addAll(optimizer.state());
        checkpoint.fill(arrays);
        optimizer.setUpdates(checkpoint.curve().size());
        curve.clear();
        curve.addAll(checkpoint.curve());
    }

    /** All steps so far. */
    List<CurvePoint> curve() {
        return Collections.unmodifiableList(curve);
    }

    /** The model that is trained. */
    SimClrModel model() {
        return model;
    }

    @Override
    public void close() {
        views.close();
        loss.close();
        model.close();
        manager.close();
    }
}
