package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.nn.pooling.Pool;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import dev.infonce.ContrastiveLoss;
import dev.infonce.djl.LogTemperature;
import dev.infonce.djl.LogitBias;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * The encoder, whose features are what is learned, the projection head, which only the loss sees, and, of a loss with a bias, its
 * temperature and bias. Owns its parameters; close ends them. For use by one thread.
 */
public final class SimClrModel implements AutoCloseable {
    private static final int HEIGHT = 28;

    private final NDManager manager;
    private final ParameterStore store;
    private final Block encoder;
    private final Block head;
    private final Block learnedLogits;
    private final boolean isOneTower;
    private final List<Parameter> parameters = new ArrayList<>();

    /** A model with random weights that depend on the recipe and the seed alone. */
    public SimClrModel(NDManager parent, Recipe recipe, long seed) {
        manager = parent.newSubManager();
        store = new ParameterStore(manager, false);
        SplittableRandom random = new SplittableRandom(seed);
        encoder = encoder(recipe, random);
        head = head(recipe, random);
        encoder.initialize(manager, DataType.FLOAT32, new Shape(1, 1, HEIGHT, HEIGHT));
        head.initialize(manager, DataType.FLOAT32, new Shape(1, recipe.features()));
        ContrastiveLoss loss = recipe.contrastiveLoss();
        isOneTower = loss.isOneTower();
        learnedLogits = loss.hasBias() ? learnedLogits(loss.components()) : null;
        List<Block> blocks = new ArrayList<>(List.of(encoder, head));
        if (learnedLogits != null) {
            learnedLogits.initialize(manager, DataType.FLOAT32, new Shape(1, recipe.headOutput()));
            blocks.add(learnedLogits);
        }
        for (Block block : blocks) {
            for (Pair<String, Parameter> named : block.getParameters()) {
                parameters.add(named.getValue());
            }
        }
    }

    /**
     * Features of images, before the head.
     *
     * @param images count x 1 x 28 x 28, normalised
     * @param isTraining whether batch normalisation uses, and remembers, the batch's statistics
     * @return count x features
     */
    public NDArray features(NDArray images, boolean isTraining) {
        return encoder.forward(store, new NDList(images), isTraining).singletonOrThrow();
    }

    /**
     * Projections of features, what the loss compares.
     *
     * @return count x headOutput, not normalised
     */
    public NDArray projections(NDArray features, boolean isTraining) {
        return head.forward(store, new NDList(features), isTraining).singletonOrThrow();
    }

    /**
     * What the loss is given of projections.
     *
     * @param projections of an even number of views, view i and view i + count / 2 being of one image
     * @return one tower, or the halves as two, and ln(temperature) and bias where these are learned
     */
    public NDList predictions(NDArray projections) {
        NDList towers = isOneTower ? new NDList(projections) : projections.split(2);
        return learnedLogits == null ? towers : learnedLogits.forward(store, towers, true);
    }

    /** All parameters in a fixed order, the running statistics of batch normalisation included. */
    public List<Parameter> parameters() {
        return List.copyOf(parameters);
    }

    /** Those that are learned by gradients, in the same order. */
    public List<Parameter> learnedParameters() {
        return parameters.stream().filter(Parameter::requiresGradient).toList();
    }

    private static Block learnedLogits(Map<String, Object> start) {
        return new SequentialBlock()
                .add(new LogTemperature((double) start.get("temperature")))
                .add(new LogitBias((double) start.get("bias")));
    }

    private static Block encoder(Recipe recipe, SplittableRandom random) {
        SequentialBlock block = new SequentialBlock();
        int channels = 1;
        for (Recipe.Convolution layer : recipe.convolutions()) {
            block.add(convolution(layer, channels, random));
            block.add(BatchNorm.builder().build());
            block.add(Activation.reluBlock());
            channels = layer.filters();
        }
        block.add(Pool.globalAvgPool2dBlock());
        block.add(Blocks.batchFlattenBlock());
        return block;
    }

    private static Block head(Recipe recipe, SplittableRandom random) {
        return new SequentialBlock()
                .add(linear(recipe.features(), recipe.headHidden(), random))
                .add(BatchNorm.builder().build())
                .add(Activation.reluBlock())
                .add(linear(recipe.headHidden(), recipe.headOutput(), random));
    }

    private static Block convolution(Recipe.Convolution layer, int channels, SplittableRandom random) {
        Conv2d block = Conv2d.builder()
                .setFilters(layer.filters())
                .setKernelShape(new Shape(layer.kernel(), layer.kernel()))
                .optStride(new Shape(layer.stride(), layer.stride()))
                .optPadding(new Shape(layer.kernel() / 2, layer.kernel() / 2))
                .optBias(false)
                .build();
        setInitializers(block, channels * layer.kernel() * layer.kernel(), random);
        return block;
    }

    private static Block linear(int inputs, int outputs, SplittableRandom random) {
        Linear block = Linear.builder().setUnits(outputs).build();
        setInitializers(block, inputs, random);
        return block;
    }

    private static void setInitializers(Block block, int fanIn, SplittableRandom random) {
        for (Pair<String, Parameter> named : block.getDirectParameters()) {
            named.getValue().setInitializer(new UniformFanIn(fanIn, random.split()));
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
