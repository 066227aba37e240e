package dev.infonce.cli;

import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.DeviceReport;
import dev.infonce.InfoNce;
import dev.infonce.Matrix;
import dev.infonce.Plan;
import dev.infonce.Shape;
import dev.infonce.bindings.loader.UserCache;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Says what this machine has, which devices the library can use, and why it cannot use the others. */
@Command(
        name = "doctor",
        description = "Shows what this machine has, which devices can be used, and why the others cannot.",
        footer = "Exit code: 0 if the default device computes a small loss correctly, else 1; 2 wrong usage.")
final class DoctorCommand implements Callable<Integer> {
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");
    private static final List<String> CPU_FEATURES =
            List.of("avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16", "amx_tile");

    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    private PrintWriter out;

    @Override
    public Integer call() throws CliException {
        out = spec.commandLine().getOut();
        section("Java", this::java);
        section("Build tools", this::tools);
        section("Processor", this::processor);
        section("GPU", this::gpu);
        section("Native libraries", this::nativeLibrary);
        section("Caches", this::caches);
        section("Devices", this::devices);
        defaultDevice();
        return CommandRunner.OK;
    }

    private void java() {
        line("version", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        line("home", System.getProperty("java.home"));
    }

    private void tools() {
        line("c++ compiler", first(Probe.line(compiler(), "--version")));
        line("cmake", first(Probe.line("cmake", "--version")));
        line("ninja", first(Probe.line("ninja", "--version")));
        line("maven", first(Probe.line("mvn", "--version").map(text -> text.replaceAll("\u001b\\[[0-9;]*m", ""))));
        line(
                "nvcc",
                first(Probe.lines("nvcc", "--version").stream()
                        .filter(text -> text.contains("release"))
                        .findFirst()));
        line(
                "clang-format",
                first(Probe.line("clang-format-16", "--version").or(() -> Probe.line("clang-format", "--version"))));
    }

    private static String compiler() {
        return Optional.ofNullable(System.getenv("CXX")).orElse("c++");
    }

    private void processor() {
        line("model", first(Probe.field(CPU_INFO, "model name")));
        line("processors", Runtime.getRuntime().availableProcessors() + " usable");
        line("memory", first(Probe.field(Path.of("/proc/meminfo"), "MemTotal")));
        Set<String> flags = Set.copyOf(
                Arrays.asList(Probe.field(CPU_INFO, "flags").orElse("").split(" +")));
        line("has", join(CPU_FEATURES.stream().filter(flags::contains)));
        line("has not", join(CPU_FEATURES.stream().filter(feature -> !flags.contains(feature))));
    }

    private void gpu() {
        Path driver = Path.of("/proc/driver/nvidia/version");
        line(
                "driver",
                Files.exists(driver)
                        ? first(Probe.field(driver, "NVRM version"))
                        : "no NVIDIA driver is loaded (no " + driver + ")");
        List<String> gpus = Probe.lines("nvidia-smi", "-L");
        if (gpus.isEmpty()) {
            line("nvidia-smi", "names no GPU");
        }
        gpus.forEach(gpu -> line("nvidia-smi", gpu));
    }

    private void nativeLibrary() {
        NativeLibraryReport.lines().forEach((name, text) -> line(name, text));
    }

    private void caches() {
        try {
            cache("infonce", UserCache.folder("native").getParent());
        } catch (IOException e) {
            line("infonce", e.getMessage());
        }
        cache("maven", Path.of(System.getProperty("user.home"), ".m2", "repository"));
    }

    private void cache(String name, Path folder) {
        line(
                name,
                folder
                        + Probe.size(folder)
                                .map(bytes -> String.format(Locale.ROOT, " (%.1f MiB)", bytes / 1048576.0))
                                .orElse(" (not there)"));
    }

    private void devices() {
        for (DeviceReport device : Device.report()) {
            line(
                    device.name(),
                    device.available()
                            ? "yes: " + device.description()
                            : "no: " + device.reason().replaceFirst("^device " + device.name() + ": ", ""));
        }
    }

    private void defaultDevice() throws CliException {
        try (Device device = Device.best();
                Plan plan = device.plan(InfoNce.withTemperature(0.07), Shape.of(2, 2, 2), DType.FLOAT32)) {
            Matrix same = Matrix.of(new float[] {1, 2, 1, 2}, 2, 2);
            double loss = plan.forward(same, same).loss();
            if (!(Math.abs(loss - Math.log(2)) <= 1e-5 * Math.log(2))) {
                throw new CliException(
                        "device " + device.name() + " computes " + loss + " where ln 2 = " + Math.log(2) + " is right");
            }
            line("default", device.name() + " (computes a small loss correctly)");
        }
    }

    private static String first(Optional<String> text) {
        return text.orElse("not found");
    }

    private static String join(Stream<String> words) {
        String text = String.join(" ", words.toList());
        return text.isEmpty() ? "-" : text;
    }

    /** What one section cannot find out, for whatever reason, must not keep the next from being shown. */
    private void section(String title, Runnable content) {
        out.println(title);
        try {
            content.run();
        } catch (RuntimeException | LinkageError e) {
            line("not known", e.toString());
        }
    }

    private void line(String name, String text) {
        out.printf(Locale.ROOT, "  %-14s %s%n", name, Printable.escaped(text));
        out.flush();
    }
}
