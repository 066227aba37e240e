package dev.infonce.bench;

/** What is timed. */
public enum Call {
    /** The loss alone. */
    FORWARD("forward", 1),
    /** The loss and the gradients of both towers. */
    FORWARD_BACKWARD("forward+backward", 3);

    private final String word;
    private final int units;

    Call(String word, int units) {
        this.word = word;
        this.units = units;
    }

    /** The name in tables. */
    public String word() {
        return word;
    }

    /** Useful work in products of queries and keys, 2 N M D operations each: similarities, then a gradient each. */
    public int units() {
        return units;
    }
}
