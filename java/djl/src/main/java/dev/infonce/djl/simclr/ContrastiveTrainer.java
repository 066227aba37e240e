package dev.infonce.djl.simclr;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.infonce.ContrastiveLoss;
import dev.infonce.Device;
import dev.infonce.GradientResult;
import dev.infonce.Metrics;
import dev.infonce.djl.FusedContrastiveLoss;
import dev.infonce.djl.data.FixedViews;
import dev.infonce.djl.data.ImageSet;
import dev.infonce.djl.data.ViewPipeline;
import dev.infonce.djl.eval.Geometry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.IntUnaryOperator;

/**
 * A training run that can be advanced step by step, saved and continued. What a step does depends on the recipe, the
 * seed, the images and the step's number alone, so that a continued run follows the curve of an uninterrupted one. For
 * use by one thread.
 */
final class ContrastiveTrainer implements AutoCloseable {
    private static final int VIEW_THREADS = 2;
    private static final long VIEW_SEED = 0x76696577L;
    private static final int SNAPSHOTS = 60;
    private static final int SNAPSHOT_IMAGES = 500;

    private final Recipe recipe;
    private final long seed;
    private final NDManager manager;
    private final SimClrModel model;
    private final AdamW optimizer;
    private final ViewPipeline views;
    private final FusedContrastiveLoss loss;
    private final IntUnaryOperator labels;
    private final List<CurvePoint> curve = new ArrayList<>();
    private final List<GeometryPoint> snapshots = new ArrayList<>();
    private final NDArray firstViews;
    private final NDArray secondViews;
    private final Device device;
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
        this.device = device;
        height = images.height();
        width = images.width();
        manager = parent.newSubManager();
        firstViews = fixedViews(images.first(SNAPSHOT_IMAGES), 1);
        secondViews = fixedViews(images.first(SNAPSHOT_IMAGES), 2);
        model = new SimClrModel(manager, recipe, seed);
        optimizer = new AdamW(manager, model.learnedParameters(), recipe.weightDecay());
        ContrastiveLoss kind = recipe.contrastiveLoss();
        loss = kind.hasBias()
                ? FusedContrastiveLoss.withLearnedTemperatureAndBias(device, kind)
                : new FusedContrastiveLoss(device, kind);
        labels = labels(kind, images);
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
        if (index == 0) {
            snapshots.add(snapshot());
        }
        double learningRate = recipe.learningRate(index);
        float[] batch = views.take(index);
        try (NDManager scope = manager.newSubManager()) {
            NDArray images = scope.create(batch, new Shape(2L * recipe.batch(), 1, height, width));
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDArray projections = model.projections(model.features(images, true), true);
                collector.backward(loss.evaluate(labels(scope, index), model.predictions(projections)));
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
        int every = Math.max(1, recipe.steps() / SNAPSHOTS);
        if (point.step() % every == 0 || isDone()) {
            snapshots.add(snapshot());
        }
        return point;
    }

    /** The label of an image, or null where the loss takes none: its class, or its own number, so that only its views are alike. */
    private IntUnaryOperator labels(ContrastiveLoss kind, ImageSet images) {
        if (!kind.takesLabels()) {
            return null;
        }
        return recipe.loss().seesClasses() ? images::label : IntUnaryOperator.identity();
    }

    private NDList labels(NDManager scope, int step) {
        if (labels == null) {
            return new NDList();
        }
        int[] drawn = views.images(step);
        int[] ofViews = new int[2 * drawn.length];
        Arrays.setAll(ofViews, view -> labels.applyAsInt(drawn[view % drawn.length]));
        return new NDList(scope.create(ofViews));
    }

    private NDArray fixedViews(ImageSet images, long number) {
        float[] views = FixedViews.of(images, recipe.views(), number, Recipe.PIXEL_MEAN, Recipe.PIXEL_DEVIATION);
        return manager.create(views, new Shape(images.count(), 1, height, width));
    }

    private GeometryPoint snapshot() {
        try (NDManager scope = manager.newSubManager()) {
            firstViews.tempAttach(scope);
            secondViews.tempAttach(scope);
            NDArray first = model.projections(model.features(firstViews, false), false);
            NDArray second = model.projections(model.features(secondViews, false), false);
            Metrics metrics = Geometry.metrics(first, second, device);
            return new GeometryPoint(curve.size(), metrics.alignment(), metrics.uniformity());
        }
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
                List.copyOf(snapshots),
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
        snapshots.clear();
        snapshots.addAll(checkpoint.snapshots());
    }

    /** All steps so far. */
    List<CurvePoint> curve() {
        return Collections.unmodifiableList(curve);
    }

    /** Geometry measured so far. */
    List<GeometryPoint> snapshots() {
        return Collections.unmodifiableList(snapshots);
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
