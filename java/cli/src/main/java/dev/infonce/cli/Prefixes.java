package dev.infonce.cli;

import dev.infonce.ContrastiveLoss;
import dev.infonce.Matryoshka;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** How many of the first numbers of a row the loss is taken of, as {@code D,D,...}. */
record Prefixes(List<Matryoshka.Prefix> list) {
    /** The loss summed over them. */
    Matryoshka of(ContrastiveLoss loss) {
        return new Matryoshka(loss, list);
    }

    /** From the command line. */
    static final class Converter implements ITypeConverter<Prefixes> {
        @Override
        public Prefixes convert(String given) {
            try {
                int[] dims = Arrays.stream(given.split(",", -1))
                        .mapToInt(Integer::parseInt)
                        .toArray();
                return new Prefixes(
                        ContrastiveLoss.kinds().getFirst().matryoshka(dims).prefixes());
            } catch (NumberFormatException _) {
                throw new TypeConversionException("'" + given + "' is no list of whole numbers such as 64,128,256");
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
