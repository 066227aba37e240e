package dev.infonce.bench.peers;

/** What malloc is in this process. */
final class Allocator {
    private Allocator() {}

    static String name() {
        String preloaded = System.getenv("LD_PRELOAD");
        return preloaded != null && preloaded.contains("jemalloc") ? "jemalloc" : "malloc of the C library";
    }
}
