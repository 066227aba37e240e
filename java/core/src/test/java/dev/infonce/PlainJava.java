package dev.infonce;

/** The device java without vectors, though the tests' JVM has enabled them: what results are compared with. */
public final class PlainJava {
    private PlainJava() {}

    /** A number of threads, 0 for one a processor. */
    public static Device open(int threads) {
        return Device.plainJava(threads);
    }
}
