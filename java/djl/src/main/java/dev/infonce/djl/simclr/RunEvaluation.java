package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.infonce.Device;
import dev.infonce.djl.data.FashionMnist;
import dev.infonce.djl.data.FixedViews;
import dev.infonce.djl.data.ImageSet;
import dev.infonce.djl.eval.Features;
import dev.infonce.djl.eval.Geometry;
import dev.infonce.djl.eval.LinearProbe;
import dev.infonce.djl.eval.NearestNeighbours;
import dev.infonce.djl.eval.PlaneMap;
import dev.infonce.djl.eval.Representation;
import dev.infonce.djl.report.RunReport;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;

/** Measures raw pixels, the untrained and the trained model on labelled images. The test images decide nothing. */
final class RunEvaluation {
    private static final int NEIGHBOURS = 5;
    private static final int COMPARED_IMAGES = 2000;
    private static final long VIEW_SEED = 0x67656f6dL;

    private final NDManager manager;
    private final FashionMnist data;
    private final Recipe recipe;
    private final Device device;
    private final PrintStream out;

    /** The result: what RunReport needs of it. */
    record Result(
            RunReport.Evaluation accuracies,
            Geometry before,
            Geometry after,
            List<RunReport.Neighbours> neighbours,
            RunReport.PlaneMaps maps) {}

    /** Accuracies of one representation with the neighbours of every test image. */
    private record Measured(RunReport.Accuracy accuracy, int[][] neighbours) {}

    /** Uses the recipe's number of training images for the probes. */
    RunEvaluation(NDManager manager, FashionMnist data, Recipe recipe, Device device, PrintStream out) {
        this.manager = manager;
        this.data = new FashionMnist(data.train().first(recipe.probeImages()), data.test());
        this.recipe = recipe;
        this.device = device;
        this.out = out;
    }

    /** Measures everything; prints a line a representation. */
    Result run(SimClrModel untrained, SimClrModel trained) {
        out.printf(
                "probes of %d labelled images, measured on %d others%n",
                data.train().count(), data.test().count());
        NDArray mapBefore;
        NDArray mapAfter;
        Measured before;
        Measured after;
        int mapped = Math.min(recipe.mapImages(), data.test().count());
        try (Representation features = representation(untrained)) {
            before = measure("untrained encoder", features);
            mapBefore = features.test().get("0:" + mapped);
            mapBefore.attach(manager);
        }
        try (Representation features = representation(trained)) {
            after = measure("trained encoder", features);
            mapAfter = features.test().get("0:" + mapped);
            mapAfter.attach(manager);
        }
        // the maps use one thread each, and the pixels below mostly wait for memory
        CompletableFuture<double[][]> planeBefore = CompletableFuture.supplyAsync(() -> PlaneMap.of(mapBefore));
        CompletableFuture<double[][]> planeAfter = CompletableFuture.supplyAsync(() -> PlaneMap.of(mapAfter));
        Measured pixels;
        try (Representation raw =
                new Representation(Features.pixels(manager, data.train()), Features.pixels(manager, data.test()))) {
            pixels = measure("raw pixels", raw);
        }
        int[] labels = new int[mapped];
        Arrays.setAll(labels, i -> data.test().label(i));
        return new Result(
                new RunReport.Evaluation(pixels.accuracy(), before.accuracy(), after.accuracy()),
                geometry(untrained),
                geometry(trained),
                neighbours(pixels, before, after),
                new RunReport.PlaneMaps(labels, planeBefore.join(), planeAfter.join()));
    }

    private Representation representation(SimClrModel model) {
        return new Representation(features(model, data.train()), features(model, data.test()));
    }

    private NDArray features(SimClrModel model, ImageSet images) {
        return Features.of(
                manager, images, Recipe.PIXEL_MEAN, Recipe.PIXEL_DEVIATION, batch -> model.features(batch, false));
    }

    private Measured measure(String name, Representation representation) {
        byte[] trainLabels = data.train().labels();
        byte[] testLabels = data.test().labels();
        int[][] neighbours = NearestNeighbours.search(representation.test(), representation.train(), NEIGHBOURS);
        RunReport.Accuracy accuracy = new RunReport.Accuracy(
                NearestNeighbours.accuracy(neighbours, testLabels, trainLabels),
                LinearProbe.accuracy(representation, trainLabels, testLabels, FashionMnist.CLASSES.size()));
        out.printf(
                Locale.ROOT,
                "%-18s nearest neighbours %.2f %%   linear probe %.2f %%%n",
                name,
                100 * accuracy.nearestNeighbours(),
                100 * accuracy.linear());
        return new Measured(accuracy, neighbours);
    }

    private Geometry geometry(SimClrModel model) {
        ImageSet images = data.test().first(COMPARED_IMAGES);
        try (NDManager scope = manager.newSubManager()) {
            NDArray first = projections(scope, model, views(images, VIEW_SEED));
            NDArray second = projections(scope, model, views(images, VIEW_SEED + 1));
            return Geometry.of(first, second, images.labels(), device);
        }
    }

    private NDArray projections(NDManager scope, SimClrModel model, float[] views) {
        int side = data.test().height();
        try (NDManager temporary = scope.newSubManager()) {
            NDArray images = temporary.create(views, new Shape(views.length / (side * side), 1, side, side));
            NDArray projections = model.projections(model.features(images, false), false);
            projections.attach(scope);
            return projections;
        }
    }

    private float[] views(ImageSet images, long seed) {
        return FixedViews.of(images, recipe.views(), seed, Recipe.PIXEL_MEAN, Recipe.PIXEL_DEVIATION);
    }

    // the first test image of each class
    private List<RunReport.Neighbours> neighbours(Measured pixels, Measured before, Measured after) {
        List<RunReport.Neighbours> list = new ArrayList<>();
        for (int label = 0; label < FashionMnist.CLASSES.size(); label++) {
            for (int image = 0; image < data.test().count(); image++) {
                if (data.test().label(image) == label) {
                    list.add(new RunReport.Neighbours(
                            image, pixels.neighbours()[image], before.neighbours()[image], after.neighbours()[image]));
                    break;
                }
            }
        }
        return list;
    }
}
