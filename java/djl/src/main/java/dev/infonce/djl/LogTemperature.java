package dev.infonce.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.util.PairList;
import java.util.Arrays;

/**
 * A learned temperature: passes its inputs on and appends the parameter ln(tau), as
 * {@link FusedContrastiveLoss#withLearnedTemperature} expects it. Learning the logarithm keeps the temperature positive.
 */
public final class LogTemperature extends AbstractBlock {
    private static final byte VERSION = 1;

    private final Parameter logTemperature;

    /**
     * A parameter that starts at a temperature.
     *
     * @param initialTemperature tau, finite and above 0
     */
    @SuppressWarnings("this-escape")
    public LogTemperature(double initialTemperature) {
        super(VERSION);
        if (!(initialTemperature > 0) || Double.isInfinite(initialTemperature)) {
            throw new IllegalArgumentException(
                    "initialTemperature is " + initialTemperature + ", allowed is above 0, finite");
        }
        float start = (float) Math.log(initialTemperature);
        Initializer constant = (NDManager manager, Shape shape, DataType type) -> manager.full(shape, start, type);
        logTemperature = addParameter(Parameter.builder()
                .setName("logTemperature")
                .setType(Parameter.Type.OTHER)
                .optShape(new Shape(1))
                .optInitializer(constant)
                .build());
    }

    /** The current temperature. */
    public double temperature() {
        return Math.exp(logTemperature.getArray().getFloat(0));
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
        NDArray value = store.getValue(logTemperature, inputs.head().getDevice(), training);
        // a view, so that closing the outputs cannot close the parameter
        NDArray view = value.reshape(1);
        view.attach(inputs.head().getManager());
        NDList outputs = new NDList(inputs);
        outputs.add(view);
        return outputs;
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        Shape[] outputs = Arrays.copyOf(inputShapes, inputShapes.length + 1);
        outputs[inputShapes.length] = new Shape(1);
        return outputs;
    }
}
