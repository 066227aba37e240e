package dev.infonce.bindings.loader;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LibraryCacheTest {
    private static final byte[] CONTENT = "a library".getBytes(StandardCharsets.UTF_8);
    /** sha256sum of CONTENT. */
    private static final String HASH = "31f109ab38348582abdc9e1c9942f74505c719e98c6d0ab6fbcfdccfd8c9935b";

    @TempDir
    private Path temp;

    private Path folder;
    private LibraryCache cache;

    @BeforeEach
    void makeCache() throws IOException {
        folder = UserCache.folder(
                "native", Map.of("XDG_CACHE_HOME", temp.resolve("cache").toString()), null, null);
        cache = new LibraryCache(folder);
    }

    @Test
    void contentLiesInAFolderNamedByItsHash() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        assertThat(file).isEqualTo(folder.resolve(HASH).resolve("lib.so")).hasBinaryContent(CONTENT);
    }

    @Test
    void onlyTheUserMayEnterTheFolders() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        for (Path level = file.getParent(); !level.endsWith("cache"); level = level.getParent()) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(level)))
                    .as("permissions of %s", level)
                    .isEqualTo("rwx------");
        }
    }

    @Test
    void nothingElseIsLeftBehind() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        cache.unpack(CONTENT, "lib.so");
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aFileThatIsThereIsUsedAgain() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        FileTime old = FileTime.fromMillis(1_000_000_000_000L);
        Files.setLastModifiedTime(file, old);
        cache.unpack(CONTENT, "lib.so");
        assertThat(Files.getLastModifiedTime(file)).isEqualTo(old);
    }

    @Test
    void aFileOfOtherContentIsReplaced() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        Files.writeString(file, "a library?");
        cache.unpack(CONTENT, "lib.so");
        assertThat(file).hasBinaryContent(CONTENT);
    }

    @Test
    void aLinkInPlaceOfTheFileIsReplacedAndItsTargetLeftAlone() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        Path elsewhere = Files.write(temp.resolve("elsewhere"), CONTENT);
        Files.delete(file);
        Files.createSymbolicLink(file, elsewhere);
        cache.unpack(CONTENT, "lib.so");
        assertThat(Files.isSymbolicLink(file)).isFalse();
        assertThat(elsewhere).hasBinaryContent(CONTENT);
    }

    @Test
    void aFileThatOthersMayWriteIsReplaced() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw-rw-"));
        cache.unpack(CONTENT, "lib.so");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void aFileThatTheGroupAloneMayWriteIsReplaced() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----"));
        cache.unpack(CONTENT, "lib.so");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
    }

    @Test
    void aFileOfTheRightSizeAndOtherContentIsReplaced() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        Files.writeString(file, "A LIBRARY");
        cache.unpack(CONTENT, "lib.so");
        assertThat(file).hasBinaryContent(CONTENT);
    }

    @Test
    void whatAnEarlierRunLeftIsFoundWithoutWriting() throws IOException {
        assertThat(cache.find(CONTENT, "lib.so")).isNull();
        assertThat(folder.resolve(HASH)).doesNotExist();
        Path file = cache.unpack(CONTENT, "lib.so");
        Path home = file.getParent();
        FileTime old = FileTime.fromMillis(1_000_000_000_000L);
        Files.setLastModifiedTime(home, old);
        assertThat(cache.find(CONTENT, "lib.so")).isEqualTo(file);
        assertThat(Files.getLastModifiedTime(home)).isEqualTo(old);
    }

    @Test
    void whatOthersCouldHaveWrittenIsNotFound() throws IOException {
        Path file = cache.unpack(CONTENT, "lib.so");
        for (Path level : List.of(file.getParent(), folder, folder.getParent(), file)) {
            Set<PosixFilePermission> right = Files.getPosixFilePermissions(level);
            Files.setPosixFilePermissions(level, PosixFilePermissions.fromString("rwxrwx---"));
            assertThat(cache.find(CONTENT, "lib.so")).as("%s", level).isNull();
            Files.setPosixFilePermissions(level, right);
            assertThat(cache.find(CONTENT, "lib.so")).isEqualTo(file);
        }
        Files.writeString(file, "A LIBRARY");
        assertThat(cache.find(CONTENT, "lib.so")).isNull();
    }

    @Test
    void severalMayUnpackAtOnce() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            Callable<Path> unpack = () -> cache.unpack(CONTENT, "lib.so");
            for (Future<Path> file : threads.invokeAll(
                    IntStream.range(0, 64).mapToObj(_ -> unpack).toList())) {
                assertThat(file.get()).hasBinaryContent(CONTENT);
            }
        }
    }
}
