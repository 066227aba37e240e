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

/** Passes its inputs on and appends one learned number. */
abstract class LearnedNumber extends AbstractBlock {
    private static final byte VERSION = 1;

    private final Parameter number;

    @SuppressWarnings("this-escape")
    LearnedNumber(String name, float start) {
        super(VERSION);
        Initializer constant = (NDManager manager, Shape shape, DataType type) -> manager.full(shape, start, type);
        number = addParameter(Parameter.builder()
                .setName(name)
                .setType(Parameter.Type.OTHER)
                .optShape(new Shape(1))
                .optInitializer(constant)
                .build());
    }

    /** The current number. */
    final double value() {
        return number.getArray().getFloat(0);
    }

    @Override
    protected final NDList forwardInternal(
            ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
        NDArray value = store.getValue(number, inputs.head().getDevice(), training);
        // a view, so that closing the outputs cannot close the parameter
        NDArray view = value.reshape(1);
        view.attach(inputs.head().getManager());
        NDList outputs = new NDList(inputs);
        outputs.add(view);
        return outputs;
    }

    @Override
    public final Shape[] getOutputShapes(Shape[] inputShapes) {
        Shape[] outputs = Arrays.copyOf(inputShapes, inputShapes.length + 1);
        outputs[inputShapes.length] = new Shape(1);
        return outputs;
    }
}
