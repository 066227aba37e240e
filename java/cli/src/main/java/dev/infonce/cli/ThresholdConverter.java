package dev.infonce.cli;

import dev.infonce.Threshold;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A threshold as {@code KIND:MARGIN}. */
final class ThresholdConverter implements ITypeConverter<Threshold> {
    @Override
    public Threshold convert(String given) {
        int colon = given.indexOf(':');
        String kind = colon < 0 ? given : given.substring(0, colon);
        for (Threshold.Kind one : Threshold.Kind.values()) {
            if (one != Threshold.Kind.NONE && colon >= 0 && Choices.word(one).equals(kind)) {
                return threshold(one, given.substring(colon + 1), given);
            }
        }
        throw new TypeConversionException("'" + given + "' is neither absolute:MARGIN nor relative:MARGIN");
    }

    private static Threshold threshold(Threshold.Kind kind, String margin, String given) {
        try {
            return new Threshold(kind, Double.parseDouble(margin));
        } catch (NumberFormatException _) {
            throw new TypeConversionException("'" + given + "' has no number as its margin");
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }
}
