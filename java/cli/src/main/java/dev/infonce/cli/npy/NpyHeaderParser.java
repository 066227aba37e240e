package dev.infonce.cli.npy;

import java.util.ArrayList;
import java.util.List;

/**
 * Reads the Python dictionary in a .npy header: the three keys of the format, each once, and nothing else (numpy.lib.format,
 * versions 1.0 to 3.0), as Python 3 and Python 2 write it.
 */
final class NpyHeaderParser {
    private static final int MAX_DIMENSIONS = 32;
    /** Little, big, this machine's and none: what stands before the name of a type, or nothing does. */
    private static final String BYTE_ORDERS = "<>=|";

    private final String file;
    private final String text;
    private int position;
    private String descriptor;
    private Boolean fortranOrder;
    private List<Long> shape;

    private NpyHeaderParser(String file, String text) {
        this.file = file;
        this.text = text;
    }

    static NpyHeader parse(String file, String text) throws NpyException {
        return new NpyHeaderParser(file, text).header();
    }

    private NpyHeader header() throws NpyException {
        expect('{');
        while (!accept('}')) {
            entry();
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skipSpace();
        if (position != text.length()) {
            throw malformed("text after the dictionary");
        }
        requireKey(descriptor, "descr");
        requireKey(fortranOrder, "fortran_order");
        requireKey(shape, "shape");
        return checked();
    }

    private void entry() throws NpyException {
        String key = string();
        expect(':');
        switch (key) {
            case "descr" -> {
                requireFirst(descriptor, key);
                skipSpace();
                if (peek() == '[') {
                    throw new NpyException(file + ": has a structured element type; allowed are plain numbers");
                }
                descriptor = string();
            }
            case "fortran_order" -> {
                requireFirst(fortranOrder, key);
                fortranOrder = bool();
            }
            case "shape" -> {
                requireFirst(shape, key);
                shape = tuple();
            }
            default -> throw malformed("unknown key '" + key + "'");
        }
    }

    private NpyHeader checked() throws NpyException {
        boolean hasOrder = !descriptor.isEmpty() && BYTE_ORDERS.indexOf(descriptor.charAt(0)) >= 0;
        NpyType type = NpyType.ofName(hasOrder ? descriptor.substring(1) : descriptor)
                .orElseThrow(() -> new NpyException(file + ": element type '" + descriptor
                        + "' is not read; allowed are booleans, integers of up to 64 bits, and float16, bfloat16, float32"
                        + " and float64, such as '<f4'"));
        try {
            Math.multiplyExact(NpyHeader.elements(shape), type.bytes());
        } catch (ArithmeticException e) {
            throw new NpyException(file + ": shape " + NpyHeader.describe(shape) + " has more bytes than 2^63 - 1");
        }
        return new NpyHeader(type, shape, descriptor.startsWith(">") && type.bytes() > 1, fortranOrder);
    }

    private List<Long> tuple() throws NpyException {
        expect('(');
        List<Long> sizes = new ArrayList<>();
        boolean comma = true;
        while (!accept(')')) {
            if (!comma) {
                throw malformed("shape needs a ',' between sizes");
            }
            if (sizes.size() == MAX_DIMENSIONS) {
                throw malformed("shape has more than " + MAX_DIMENSIONS + " sizes");
            }
            sizes.add(size());
            comma = accept(',');
        }
        if (sizes.size() == 1 && !comma) {
            throw malformed("shape is no tuple");
        }
        return sizes;
    }

    private long size() throws NpyException {
        skipSpace();
        if (peek() == '-') {
            throw malformed("shape has a negative size");
        }
        int start = position;
        while (Character.digit(peek(), 10) >= 0 && peek() < 128) {
            position++;
        }
        if (position == start) {
            throw malformed("shape has a size that is no whole number");
        }
        String digits = text.substring(start, position);
        if (peek() == 'L') {
            position++; // Python 2's long
        }
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw new NpyException(file + ": shape has the size " + digits + ", more than 2^63 - 1");
        }
    }

    private boolean bool() throws NpyException {
        skipSpace();
        for (String word : List.of("True", "False")) {
            if (text.startsWith(word, position)) {
                position += word.length();
                return word.equals("True");
            }
        }
        throw malformed("fortran_order is neither True nor False");
    }

    private String string() throws NpyException {
        skipSpace();
        if (peek() == 'u' || peek() == 'b') {
            position++; // Python 2's unicode, or bytes
        }
        char quote = peek();
        if (quote != '\'' && quote != '"') {
            throw malformed("a quoted text is missing at character " + position);
        }
        int end = text.indexOf(quote, position + 1);
        if (end < 0) {
            throw malformed("a quote is not closed");
        }
        String content = text.substring(position + 1, end);
        position = end + 1;
        return content;
    }

    private void requireFirst(Object value, String key) throws NpyException {
        if (value != null) {
            throw malformed("key '" + key + "' stands there twice");
        }
    }

    private void requireKey(Object value, String key) throws NpyException {
        if (value == null) {
            throw malformed("key '" + key + "' is missing");
        }
    }

    private void expect(char wanted) throws NpyException {
        if (!accept(wanted)) {
            throw malformed("'" + wanted + "' is missing at character " + position);
        }
    }

    private boolean accept(char wanted) {
        skipSpace();
        if (peek() != wanted) {
            return false;
        }
        position++;
        return true;
    }

    private void skipSpace() {
        while (peek() == ' ' || peek() == '\n' || peek() == '\t') {
            position++;
        }
    }

    private char peek() {
        return position < text.length() ? text.charAt(position) : '\0';
    }

    private NpyException malformed(String what) {
        return new NpyException(file + ": malformed .npy header: " + what);
    }
}
