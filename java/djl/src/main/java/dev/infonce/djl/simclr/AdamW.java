package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import java.util.ArrayList;
import java.util.List;

/**
 * AdamW (Loshchilov and Hutter, arXiv 1711.05101): bias-corrected Adam with weight decay apart from the gradient. The
 * update is DJL's own native one; DJL's optimiser class is not used because it keeps its state to itself, and a
 * checkpoint needs it.
 */
final class AdamW {
    private static final float BETA1 = 0.9f;
    private static final float BETA2 = 0.999f;
    private static final float EPSILON = 1e-8f;

    private final List<Parameter> parameters;
    private final List<NDArray> means = new ArrayList<>();
    private final List<NDArray> variances = new ArrayList<>();
    private final float weightDecay;
    private int updates;

    /** State for the parameters, zero at first, in memory of {@code manager}. */
    AdamW(NDManager manager, List<Parameter> parameters, double weightDecay) {
        this.parameters = List.copyOf(parameters);
        this.weightDecay = (float) weightDecay;
        for (Parameter parameter : parameters) {
            means.add(zerosLike(manager, parameter.getArray()));
            variances.add(zerosLike(manager, parameter.getArray()));
        }
    }

    /** Moves every parameter along its gradient and sets the gradients to zero. */
    void step(double learningRate) {
        updates++;
        double correction = Math.sqrt(1 - Math.pow(BETA2, updates)) / (1 - Math.pow(BETA1, updates));
        for (int i = 0; i < parameters.size(); i++) {
            NDArray weight = parameters.get(i).getArray();
            // getGradient makes a new handle that would live as long as the parameter
            try (NDArray gradient = weight.getGradient()) {
                weight.getNDArrayInternal()
                        .adamUpdate(
                                new NDList(weight, gradient, means.get(i), variances.get(i)),
                                new NDList(weight),
                                (float) learningRate,
                                (float) (learningRate * correction),
                                weightDecay,
                                1f,
                                -1f,
                                BETA1,
                                BETA2,
                                EPSILON,
                                true,
                                true);
            }
        }
    }

    /** Number of steps done. */
    int updates() {
        return updates;
    }

    /** Goes on as after this many steps. */
    void setUpdates(int done) {
        updates = done;
    }

    /** First and second moments, parameter by parameter. */
    List<NDArray> state() {
        List<NDArray> state = new ArrayList<>(means);
        state.addAll(variances);
        return state;
    }

    private static NDArray zerosLike(NDManager manager, NDArray array) {
        NDArray zeros = array.zerosLike();
        zeros.attach(manager);
        return zeros;
    }
}
