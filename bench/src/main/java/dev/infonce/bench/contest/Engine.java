package dev.infonce.bench.contest;

import java.util.List;
import java.util.Map;

/**
 * How to start a contender's process.
 *
 * @param name in tables
 * @param mainClass that calls {@link ContenderServer#serve}
 * @param classpath of the process
 * @param variant how the engine goes about a problem, in its own word
 * @param environment more variables of its environment
 * @param jvmArguments of its JVM
 */
public record Engine(
        String name,
        String mainClass,
        String classpath,
        String variant,
        Map<String, String> environment,
        List<String> jvmArguments) {
    private static final List<String> JVM = List.of("--enable-native-access=ALL-UNNAMED", "-Xmx2g");

    /** This library on one of its devices, with the default workspace budget. */
    public static Engine infonce(String device) {
        return infonce(device, device, device);
    }

    /** This library on one of its devices, with so many MiB for tiles that are not computed again. */
    public static Engine infonce(String device, int budgetMiB) {
        return infonce(device, device + ", " + budgetMiB + " MiB", device + "," + budgetMiB);
    }

    private static Engine infonce(String device, String name, String variant) {
        List<String> arguments = device.equals("java")
                ? List.of("--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector")
                : JVM;
        return new Engine(
                name,
                InfoNceContender.class.getName(),
                System.getProperty("java.class.path"),
                variant,
                Map.of(),
                arguments);
    }

    /** TensorFlow-Java or DJL's PyTorch, with jemalloc if its path is not null. */
    public static Engine peer(String name, String mainClass, String classpath, String variant, String jemalloc) {
        Map<String, String> environment = jemalloc == null
                ? Map.of()
                : Map.of(
                        "LD_PRELOAD",
                        jemalloc,
                        // Matrices are not given back to the system only to be faulted in again by the next call.
                        "MALLOC_CONF",
                        "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always");
        return new Engine(name, mainClass, classpath, variant, environment, JVM);
    }
}
