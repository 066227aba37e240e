package dev.infonce;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * A loss of several prefixes of the same rows at once, so that embeddings may be cut off later (2205.13147 eq. 1): L = sum over k of
 * weight_k L(first dim_k coordinates), each of which the loss sees alone, so that cosines are of prefixes normalised anew. {@code
 * MatryoshkaLoss(loss, matryoshka_dims, matryoshka_weights)} of sentence-transformers. Made by {@link ContrastiveLoss#matryoshka}.
 *
 * <p>It is asked what the loss within is asked, and answers likewise: {@link #components()} are that loss's. A call's temperature,
 * bias, labels, weights and upstream gradient are those of every prefix, and gradients by them add up. Coordinates beyond the largest
 * prefix are not read, and have the gradient 0. Metrics are those of the largest prefix.
 *
 * <p>The prefixes are computed one after the other, the largest first, which reads all that the others read: where it refuses a call,
 * such as one with a number that is not finite, outputs are untouched. A smaller prefix refuses only what is beyond the range of its
 * numbers: similarities that the coordinates behind it had made smaller, or sums of gradients. Then outputs have been written. Where
 * {@link Plan#enqueue} has enqueued them, prefixes do not wait for one another to be refused: those without the coordinate for which the
 * largest was refused have added to what outputs held. {@link PendingCall#await} tells the first refusal.
 *
 * @param loss the loss of each prefix, which is no Matryoshka itself
 * @param prefixes one or more, of rising dimension
 */
public record Matryoshka(ContrastiveLoss loss, List<Prefix> prefixes) implements ContrastiveLoss {
    private static final int MAX_DIM = 1 << 20;

    /**
     * The first coordinates of all rows.
     *
     * @param dim how many, in 1 ... 2^20
     * @param weight what their loss is multiplied by, finite and above 0
     */
    public record Prefix(int dim, double weight) {
        /**
         * Checks the prefix.
         *
         * @throws IllegalArgumentException if dim or weight is out of range
         */
        public Prefix {
            Checks.range("dim", dim, 1, MAX_DIM);
            Checks.argument(
                    weight > 0 && weight < Double.POSITIVE_INFINITY,
                    "weight: must be finite and > 0, but got %s",
                    weight);
        }
    }

    /**
     * Checks the loss.
     *
     * @throws IllegalArgumentException if the loss is a Matryoshka, or the prefixes are none or not of rising dimension
     * @throws NullPointerException if an argument is null
     */
    public Matryoshka {
        Objects.requireNonNull(loss, "loss");
        Checks.argument(
                !(loss instanceof Matryoshka),
                "loss: a Matryoshka's must not be a Matryoshka itself, but got %s",
                loss);
        prefixes = List.copyOf(Objects.requireNonNull(prefixes, "prefixes"));
        Checks.argument(!prefixes.isEmpty(), "prefixes: must be one or more, but got none");
        for (int k = 1; k < prefixes.size(); k++) {
            Checks.argument(
                    prefixes.get(k - 1).dim() < prefixes.get(k).dim(),
                    "prefixes: must be of rising dimension, but got %d before %d",
                    prefixes.get(k - 1).dim(),
                    prefixes.get(k).dim());
        }
    }

    /** Of weight 1 each. */
    static Matryoshka of(ContrastiveLoss loss, int... dims) {
        return new Matryoshka(
                loss, Arrays.stream(dims).mapToObj(dim -> new Prefix(dim, 1)).toList());
    }

    /**
     * The same loss with other weights of its prefixes.
     *
     * @param weights one a prefix, finite and above 0
     * @return a new loss
     * @throws IllegalArgumentException if they are not as many as the prefixes, or out of range
     */
    public Matryoshka withWeights(double... weights) {
        Checks.argument(
                weights.length == prefixes.size(),
                "weights: must be %d numbers, one a prefix, but got %d",
                prefixes.size(),
                weights.length);
        return new Matryoshka(
                loss,
                IntStream.range(0, weights.length)
                        .mapToObj(k -> new Prefix(prefixes.get(k).dim(), weights[k]))
                        .toList());
    }

    @Override
    public Reduction reduction() {
        return loss.reduction();
    }

    @Override
    public Matryoshka withReduction(Reduction reduction) {
        return new Matryoshka(loss.withReduction(reduction), prefixes);
    }

    /** Those of the loss of each prefix. */
    @Override
    public Map<String, Object> components() {
        return loss.components();
    }

    /** The same prefixes of such a loss. */
    @Override
    public Matryoshka with(Map<String, ?> changes) {
        return new Matryoshka(loss.with(changes), prefixes);
    }
}
