package dev.infonce.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/** Feeds gradients that were computed outside of DJL into its autograd. */
public final class Autograd {
    private Autograd() {}

    /**
     * A scalar with a given value and given gradients. With s = sum over k of sum(inputs_k * gradients_k), which is
     * linear in the inputs, the result is s - stopGradient(s) + value: its value is {@code value} to rounding, and going
     * backward from it gives every input exactly its gradient (times whatever the objective does with the scalar).
     *
     * @param value what the scalar shows
     * @param inputs arrays that autograd records, at least one
     * @param gradients one an input, of its shape, type and device; taken as constants
     * @return an array of shape () attached to the manager of the first input
     * @throws IllegalArgumentException if the lists differ in size or shapes, or are empty
     */
    public static NDArray scalar(double value, NDList inputs, NDList gradients) {
        if (inputs.isEmpty() || inputs.size() != gradients.size()) {
            throw new IllegalArgumentException(gradients.size() + " gradients for " + inputs.size()
                    + " inputs, needed are one each and at least one");
        }
        NDArray sum = null;
        for (int i = 0; i < inputs.size(); i++) {
            NDArray input = inputs.get(i);
            NDArray gradient = gradients.get(i);
            if (!input.getShape().equals(gradient.getShape())) {
                throw new IllegalArgumentException(
                        "gradient " + i + " has shape " + gradient.getShape() + ", its input " + input.getShape());
            }
            NDArray term = input.mul(gradient).sum();
            sum = sum == null ? term : sum.add(term);
        }
        // toType cuts the recorded graph, so the constant is converted, not the sum
        NDArray shown = sum.getManager().create(value).toType(sum.getDataType(), false);
        return sum.sub(sum.stopGradient()).add(shown);
    }
}
