package dev.infonce.cli;

/** Text for a terminal: names of files, and what stands in files, are whatever others made them. */
final class Printable {
    private Printable() {}

    /** Messages of several lines as one, with nothing in it that a terminal would obey. */
    static String line(String text) {
        return escaped(text.strip().replaceAll("\\s*\\R\\s*", "; "));
    }

    /** A line of a stack trace, whose tabs are blanks. */
    static String indented(String line) {
        return escaped(line.replace("\t", "    "));
    }

    /** Control characters, and those that turn the direction of writing, by their number. */
    static String escaped(String text) {
        StringBuilder printable = new StringBuilder(text.length());
        text.codePoints().forEach(point -> {
            if (isHarmless(point)) {
                printable.appendCodePoint(point);
            } else {
                printable.append(String.format("\\u%04x", point));
            }
        });
        return printable.toString();
    }

    private static boolean isHarmless(int point) {
        return switch (Character.getType(point)) {
            case Character.CONTROL, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR, Character.SURROGATE ->
                false;
            default ->
                switch (Character.getDirectionality(point)) {
                    case Character.DIRECTIONALITY_LEFT_TO_RIGHT_EMBEDDING,
                            Character.DIRECTIONALITY_LEFT_TO_RIGHT_OVERRIDE,
                            Character.DIRECTIONALITY_RIGHT_TO_LEFT_EMBEDDING,
                            Character.DIRECTIONALITY_RIGHT_TO_LEFT_OVERRIDE,
                            Character.DIRECTIONALITY_LEFT_TO_RIGHT_ISOLATE,
                            Character.DIRECTIONALITY_RIGHT_TO_LEFT_ISOLATE,
                            Character.DIRECTIONALITY_FIRST_STRONG_ISOLATE,
                            Character.DIRECTIONALITY_POP_DIRECTIONAL_FORMAT,
                            Character.DIRECTIONALITY_POP_DIRECTIONAL_ISOLATE -> false;
                    default -> true;
                };
        };
    }
}
