package dev.infonce.cli;

import dev.infonce.Distance;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import java.util.Arrays;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The words that options with a fixed set of values take. */
final class Choices {
    private Choices() {}

    /** One option's words, for parsing and for the help. */
    abstract static class Words<T> implements ITypeConverter<T>, Iterable<String> {
        private final Collection<T> values;
        private final Function<T, String> word;

        Words(T[] values, Function<T, String> word) {
            this.values = List.copyOf(Arrays.asList(values));
            this.word = word;
        }

        @Override
        public T convert(String given) {
            return values.stream()
                    .filter(value -> word.apply(value).equals(given))
                    .findFirst()
                    .orElseThrow(() -> new TypeConversionException("'" + given + "' is none of " + list()));
        }

        @Override
        public Iterator<String> iterator() {
            return values.stream().map(word).iterator();
        }

        private String list() {
            return values.stream().map(word).collect(Collectors.joining(", "));
        }
    }

    static final class Losses extends Words<LossKind> {
        Losses() {
            super(LossKind.values(), LossKind::word);
        }
    }

    static final class Similarities extends Words<Similarity> {
        Similarities() {
            super(Similarity.values(), value -> word(value).replace("negative-", "neg-"));
        }
    }

    static final class Distances extends Words<Distance> {
        Distances() {
            super(Distance.values(), Choices::word);
        }
    }

    static final class Reductions extends Words<Reduction> {
        Reductions() {
            super(Reduction.values(), Choices::word);
        }
    }

    static final class NegativeReductions extends Words<Reduction> {
        NegativeReductions() {
            super(new Reduction[] {Reduction.MEAN, Reduction.SUM}, Choices::word);
        }
    }

    static final class Devices extends Words<String> {
        Devices() {
            super(new String[] {"java", "cpu", "cuda", "emulated"}, Function.identity());
        }
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
