package dev.infonce.bindings.loader;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.bindings.infonce_h;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the loader finds, in what order, and what it says. */
class NativeLibraryTest {
    private static final String RESOURCE = "META-INF/native/linux-x86_64/libinfonce.so";
    private static final Path ROOT = Path.of(System.getProperty("infonce.root"));

    @TempDir
    private Path temp;

    private Map<String, String> environment;

    @BeforeEach
    void useCacheOfTheTest() {
        environment = Map.of("XDG_CACHE_HOME", temp.resolve("cache").toString());
    }

    @Test
    void theJarsLibraryIsUnpackedAndLoaded() throws Exception {
        builtLibrary();
        List<String> said = ChildJvm.load(environment);
        assertThat(said)
                .hasSize(2)
                .allSatisfy(line -> assertThat(line)
                        .startsWith("LOADED the jar " + temp.resolve("cache/infonce/native"))
                        .endsWith("/libinfonce.so"));
    }

    @Test
    void theFileOfThePropertyComesFirst() throws Exception {
        Path file = Files.copy(builtLibrary(), temp.resolve("mine.so"));
        assertThat(ChildJvm.load(environment, "-Dinfonce.library.path=" + file))
                .contains("LOADED -Dinfonce.library.path " + file);
        assertThat(temp.resolve("cache")).doesNotExist();
    }

    @Test
    void otherLibrariesAreLookedForBesideTheFileOfTheProperty() throws Exception {
        Path file = Files.copy(builtLibrary(), temp.resolve("mine.so"));
        String property = "-Dinfonce.library.path=" + file;
        assertRefused(
                ChildJvm.load(environment, property, "-Dkind=EMULATED"),
                "there is no file " + temp.resolve("libinfonce_emulated.so"));
        Files.copy(file, temp.resolve("libinfonce_emulated.so"));
        assertThat(ChildJvm.load(environment, property, "-Dkind=EMULATED"))
                .contains("LOADED -Dinfonce.library.path " + temp.resolve("libinfonce_emulated.so"));
    }

    @Test
    void theFolderOfThePropertyWillDo() throws Exception {
        Path file = Files.copy(builtLibrary(), temp.resolve("libinfonce.so"));
        assertThat(ChildJvm.load(environment, "-Dinfonce.library.path=" + temp))
                .contains("LOADED -Dinfonce.library.path " + file);
    }

    @Test
    void aMissingFileOfThePropertyIsFinal() throws Exception {
        Path file = temp.resolve("missing.so");
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                "-Dinfonce.library.path=" + file,
                "there is no file " + file,
                "Nothing else was tried");
    }

    @Test
    void aFolderOfThePropertyWithoutTheFileIsFinal() throws Exception {
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + temp),
                "there is no file " + temp.resolve("libinfonce.so"),
                "Nothing else was tried");
    }

    @Test
    void aFileThatIsNoLibraryIsRefusedInTheWordsOfDlopen() throws Exception {
        Path file = Files.writeString(temp.resolve("garbage.so"), "garbage".repeat(1000));
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                file + " cannot be loaded",
                "invalid ELF header",
                "Nothing else was tried");
    }

    @Test
    void anEmptyFileIsRefusedInTheWordsOfDlopen() throws Exception {
        Path file = Files.createFile(temp.resolve("empty.so"));
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file), file + " cannot be loaded", "too short");
    }

    @Test
    void aLibraryOfAnotherAbiIsRefusedWithBothVersionsAndTheFile() throws Exception {
        Path file = compile("int nce_abi_version(void) { return 999; }");
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                file + " has ABI version 999, but this version of infonce needs " + infonce_h.NCE_ABI_VERSION());
    }

    @Test
    void aLibraryOfAnotherKindIsRefused() throws Exception {
        Path file = compile("int answer(void) { return 42; }");
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                file + " is not libinfonce: it has no nce_abi_version");
    }

    @Test
    void aLibraryThatNeedsAMissingOneIsRefusedInTheWordsOfDlopen() throws Exception {
        Path needed = compile("needed", "int needed(void) { return 1; }");
        Path file = compile(
                "needing", "int needed(void); int nce_abi_version(void) { return needed(); }", needed.toString());
        Files.delete(needed);
        assertRefused(
                ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                file + " cannot be loaded",
                "libneeded.so",
                "No such file or directory");
    }

    @Test
    void aLibraryThatWasCutOffIsRefusedBeforeItIsOpened() throws Exception {
        byte[] whole = Files.readAllBytes(builtLibrary());
        for (int bytes : List.of(whole.length - 1, whole.length / 2, 4096, 100)) {
            Path file = Files.write(temp.resolve("cut.so"), Arrays.copyOf(whole, bytes));
            assertRefused(
                    ChildJvm.load(environment, "-Dinfonce.library.path=" + file),
                    file + " is cut off: it has " + bytes + " bytes of " + whole.length,
                    "Nothing else was tried");
        }
    }

    @Test
    void deniedNativeAccessIsAReasonWithItsRemedy() throws Exception {
        builtLibrary();
        assertRefused(
                ChildJvm.withoutNativeAccess(environment, "--illegal-native-access=deny"),
                "native access is denied to infonce",
                "--enable-native-access=ALL-UNNAMED");
    }

    @Test
    void aCacheWhoseNameTheLocaleCannotWriteIsReplacedByAnother() throws Exception {
        builtLibrary();
        Path temporary = Files.createDirectories(temp.resolve("tmp"));
        String unwritable = temp + "/\u00e4";
        Map<String, String> bare = Map.of("LC_ALL", "C", "XDG_CACHE_HOME", unwritable);
        assertThat(ChildJvm.load(bare, "-Duser.home=" + unwritable, "-Djava.io.tmpdir=" + temporary))
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).startsWith("LOADED the jar " + temporary));
    }

    @Test
    void aCacheWhereNoCodeMayRunIsReplacedByAnother() throws Exception {
        builtLibrary();
        Path cache = Files.createDirectories(temp.resolve("cache"));
        Path temporary = Files.createDirectories(temp.resolve("tmp"));
        List<String> inNamespace = List.of(
                "unshare",
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                "mount -t tmpfs -o noexec none '" + cache + "' && exec \"$@\"",
                "sh");
        assumeWorks(inNamespace);
        assertThat(ChildJvm.load(inNamespace, environment, "-Djava.io.tmpdir=" + temporary))
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).startsWith("LOADED the jar " + temporary));
    }

    @Test
    void aPropertyThatTheLocaleCannotWriteIsRefused() throws Exception {
        assertRefused(
                ChildJvm.load(Map.of("LC_ALL", "C"), "-Dinfonce.library.path=" + temp + "/\u00e4.so"),
                "-Dinfonce.library.path=",
                "Nothing else was tried");
    }

    @Test
    void theSwitchHidesTheLibrary() throws Exception {
        assertRefused(ChildJvm.load(environment, "-Dinfonce.native=off"), "switched off by -Dinfonce.native=off");
    }

    @Test
    void anUnknownSwitchIsNamed() throws Exception {
        assertRefused(ChildJvm.load(environment, "-Dinfonce.native=of"), "-Dinfonce.native must be on or off", "'of'");
    }

    @Test
    void withoutPropertyAndResourceTheBuildFolderOfTheSourceTreeIsUsed() throws Exception {
        Path file = tree().resolve("build/native/libinfonce.so");
        Files.createDirectories(file.getParent());
        Files.copy(builtLibrary(), file);
        assertThat(ChildJvm.load(classPathWithoutResource(), environment)).contains("LOADED the build folder " + file);
    }

    @Test
    void everythingThatWasTriedIsTold() throws Exception {
        tree();
        assertRefused(
                ChildJvm.load(classPathWithoutResource(), environment),
                "no usable libinfonce.so",
                "the jar was built without " + RESOURCE,
                "there is no file " + temp.resolve("tree/build/native/libinfonce.so"),
                "Set -Dinfonce.library.path=FOLDER");
    }

    @Test
    void anotherAbiInTheJarDoesNotKeepTheBuildFolderFromBeingUsed() throws Exception {
        Path file = tree().resolve("build/native/libinfonce.so");
        Files.createDirectories(file.getParent());
        Files.copy(builtLibrary(), file);
        Path resource = temp.resolve("tree/bindings/target/classes").resolve(RESOURCE);
        Files.createDirectories(resource.getParent());
        Files.copy(compile("int nce_abi_version(void) { return 999; }"), resource);
        assertThat(ChildJvm.load(classPathWithoutResource(), environment)).contains("LOADED the build folder " + file);
    }

    @Test
    void aCacheThatCannotBeWrittenIsTold() throws Exception {
        builtLibrary();
        Path cache = Files.writeString(temp.resolve("cache"), "a file where a folder should be");
        tree();
        Path resource = temp.resolve("tree/bindings/target/classes").resolve(RESOURCE);
        Files.createDirectories(resource.getParent());
        Files.copy(builtLibrary(), resource);
        Path missing = temp.resolve("missing");
        assertRefused(
                ChildJvm.load(classPathWithoutResource(), environment, "-Djava.io.tmpdir=" + missing),
                "the jar's library could not be unpacked",
                cache.toString(),
                missing.toString());
    }

    private static void assertRefused(List<String> said, String... parts) {
        assertThat(said)
                .hasSize(2)
                .allSatisfy(line -> assertThat(line).startsWith("REFUSED ").contains(parts));
        assertThat(said.get(1)).as("what a second load says").isEqualTo(said.get(0));
    }

    /** The library of this build. A build that had to do without cannot run the test. */
    private static Path builtLibrary() {
        Path file = ROOT.resolve("bindings/target/test-classes").resolve(RESOURCE);
        Assumptions.assumeTrue(Files.exists(file), "this build was made without the native library");
        return file;
    }

    /** A source tree with the classes of this module, but without a library. */
    private Path tree() throws IOException {
        Path tree = temp.resolve("tree");
        Path header = tree.resolve("native/include/infonce.h");
        Files.createDirectories(header.getParent());
        Files.writeString(header, "");
        for (String folder : List.of("bindings/target/classes", "bindings/target/test-classes")) {
            Path classes = ROOT.resolve(folder).toRealPath();
            try (Stream<Path> files = Files.walk(classes.resolve("dev"))) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    Path copy = tree.resolve(folder)
                            .resolve(classes.relativize(file).toString());
                    Files.createDirectories(copy.getParent());
                    Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
                }
            }
        }
        return tree;
    }

    private String classPathWithoutResource() {
        return temp.resolve("tree/bindings/target/classes")
                + File.pathSeparator
                + temp.resolve("tree/bindings/target/test-classes");
    }

    private static void assumeWorks(List<String> prefix) throws InterruptedException {
        List<String> command = new ArrayList<>(prefix);
        command.add("true");
        try {
            Process process = new ProcessBuilder(command).start();
            Assumptions.assumeTrue(process.waitFor() == 0, "no namespace of mounts can be had here");
        } catch (IOException e) {
            Assumptions.abort("there is no unshare: " + e.getMessage());
        }
    }

    private Path compile(String source) throws IOException, InterruptedException {
        return compile("test", source);
    }

    private Path compile(String name, String source, String... more) throws IOException, InterruptedException {
        Path code = Files.writeString(temp.resolve(name + ".c"), source);
        Path file = temp.resolve("lib" + name + ".so");
        Process process;
        try {
            process = new ProcessBuilder(Stream.concat(
                                    Stream.of("cc", "-shared", "-fPIC", "-o", file.toString(), code.toString()),
                                    Stream.of(more))
                            .toList())
                    .inheritIO()
                    .start();
        } catch (IOException e) {
            Assumptions.abort("there is no C compiler: " + e.getMessage());
            throw e;
        }
        assertThat(process.waitFor()).as("exit status of cc").isZero();
        return file;
    }
}
