package dev.infonce.djl.data;

import java.nio.file.Path;

/** The user's folder for things that can be fetched or built again. */
public final class UserCache {
    private UserCache() {}

    /** $XDG_CACHE_HOME/infonce if that variable is an absolute path, else ~/.cache/infonce. */
    public static Path folder() {
        String base = System.getenv("XDG_CACHE_HOME");
        boolean isSet = base != null && Path.of(base).isAbsolute();
        return (isSet ? Path.of(base) : Path.of(System.getProperty("user.home"), ".cache")).resolve("infonce");
    }
}
