package dev.infonce.internal.java.vector;

/** The one way to the classes that need the module jdk.incubator.vector, which an application has to enable. */
public final class VectorModule {
    private static final String NAME = "jdk.incubator.vector";

    /** How an application enables it. */
    public static final String HINT = "java --add-modules " + NAME + " lets it use vectors";

    private VectorModule() {}

    /** Whether the application has enabled the module. */
    public static boolean isEnabled() {
        return ModuleLayer.boot().findModule(NAME).isPresent();
    }

    /** The kernels. Only if enabled. */
    public static Tiles tiles() {
        return Holder.TILES;
    }

    private static final class Holder {
        static final Tiles TILES = new VectorTiles();
    }
}
