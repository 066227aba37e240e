package dev.infonce.djl.simclr;

import ai.djl.engine.Engine;
import dev.infonce.bindings.loader.UserCache;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * PyTorch set up for these runs: natives from the class path, nothing fetched or reported, one thread a core. By default
 * PyTorch's OpenMP threads spin while they wait for each other, which on a machine that also does something else (the loss,
 * the views, another process) costs far more than it saves: on two busy cores training was seven times slower. They sleep if
 * the process is started with {@code OMP_WAIT_POLICY=PASSIVE} in its environment, as {@code ./infonce train} does.
 */
public final class TorchRuntime {
    private TorchRuntime() {}

    /**
     * The engine, started on first use. Properties that the user has set are left as they are.
     *
     * @return DJL's PyTorch engine
     * @throws UncheckedIOException if there is no folder to unpack the natives into
     */
    public static Engine start() {
        String cache;
        try {
            cache = UserCache.folder("djl").toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
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
        return Engine.getInstance();
    }

    private static void setIfAbsent(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
