package dev.infonce.cli;

import dev.infonce.Aggregation;
import dev.infonce.Block;
import dev.infonce.Denominator;
import dev.infonce.Distance;
import dev.infonce.Mining;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The words that options with a fixed set of values take. */
final class Choices {
    private Choices() {}

    /** One option's words, for parsing and for the help. */
    abstract static class Words<T> implements ITypeConverter<T>, Iterable<String> {
        private final Supplier<List<T>> values;
        private final Function<T, String> word;

        /** The values are asked for when the option is used, or the help. */
        Words(Supplier<List<T>> values, Function<T, String> word) {
            this.values = values;
            this.word = word;
        }

        @Override
        public T convert(String given) {
            return values.get().stream()
                    .filter(value -> word.apply(value).equals(given))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException("'" + given + "' is none of " + list()));
        }

        @Override
        public Iterator<String> iterator() {
            return values.get().stream().map(word).iterator();
        }

        private String list() {
            return values.get().stream().map(word).collect(Collectors.joining(", "));
        }
    }

    static final class Losses extends Words<LossKind> {
        Losses() {
            super(LossKind::all, LossKind::word);
        }
    }

    static final class Similarities extends Words<Similarity> {
        Similarities() {
            super(() -> List.of(Similarity.values()), value -> word(value).replace("negative-", "neg-"));
        }
    }

    static final class Distances extends Words<Distance> {
        Distances() {
            super(() -> List.of(Distance.values()), Choices::word);
        }
    }

    static final class Reductions extends Words<Reduction> {
        Reductions() {
            super(() -> List.of(Reduction.values()), Choices::word);
        }
    }

    static final class Denominators extends Words<Denominator> {
        Denominators() {
            super(() -> List.of(Denominator.values()), Choices::word);
        }
    }

    static final class Blocks extends Words<Block> {
        Blocks() {
            super(() -> List.of(Block.values()), Choices::word);
        }
    }

    static final class Aggregations extends Words<Aggregation> {
        Aggregations() {
            super(() -> List.of(Aggregation.values()), Choices::word);
        }
    }

    static final class Minings extends Words<Mining> {
        Minings() {
            super(() -> List.of(Mining.values()), Choices::word);
        }
    }

    static final class NegativeReductions extends Words<Reduction> {
        NegativeReductions() {
            super(() -> List.of(Reduction.MEAN, Reduction.SUM), Choices::word);
        }
    }

    static final class Devices extends Words<String> {
        Devices() {
            super(() -> List.of("java", "cpu", "cuda", "emulated"), Function.identity());
        }
    }

    static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
