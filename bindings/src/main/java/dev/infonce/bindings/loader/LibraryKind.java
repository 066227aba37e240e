package dev.infonce.bindings.loader;

/** The native libraries of this project. Each exports the whole C interface, so each is bound by its own file. */
public enum LibraryKind {
    /** The CPU backend. */
    CPU("libinfonce.so"),
    /** The CUDA backend; it loads without a driver and then has no device. */
    CUDA("libinfonce_cuda.so"),
    /** The CUDA backend run on the CPU, for tests; never in the jar. */
    EMULATED("libinfonce_emulated.so");

    private final String fileName;

    LibraryKind(String fileName) {
        this.fileName = fileName;
    }

    /**
     * The name of the library's file.
     *
     * @return a name without a folder
     */
    public String fileName() {
        return fileName;
    }
}
