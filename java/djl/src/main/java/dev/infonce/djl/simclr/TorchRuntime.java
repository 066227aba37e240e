package dev.infonce.djl.simclr;

import ai.djl.engine.Engine;
import dev.infonce.djl.data.UserCache;

/** PyTorch set up for these runs: natives from the class path, nothing fetched or reported, one thread a core. */
public final class TorchRuntime {
    private TorchRuntime() {}

    /**
     * The engine, started on first use. Properties that the user has set are left as they are.
     *
     * @return DJL's PyTorch engine
     */
    public static Engine start() {
        String cache = UserCache.folder().resolve("djl").toString();
        setIfAbsent("DJL_CACHE_DIR", cache);
        setIfAbsent("ENGINE_CACHE_DIR", cache);
        setIfAbsent("ai.djl.offline", "true");
        setIfAbsent("OPT_OUT_TRACKING", "true");
        setIfAbsent("ai.djl.default_engine", "PyTorch");
        setIfAbsent(
                "ai.djl.pytorch.num_threads",
                Integer.toString(Runtime.getRuntime().availableProcessors()));
        setIfAbsent("ai.djl.pytorch.num_interop_threads", "1");
        // DJL logs through SLF4J; without a provider that would greet the user with three lines of warning
        setIfAbsent("slf4j.internal.verbosity", "ERROR");
        OpenMpWaiting.passive();
        return Engine.getInstance();
    }

    private static void setIfAbsent(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
