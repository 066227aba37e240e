package dev.infonce.bindings.loader;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where the cache is in the environments that programs are really started in. */
class UserCacheTest {
    @TempDir
    private Path temp;

    private Path folder(Map<String, String> environment, String home) throws IOException {
        Path temporary = Files.createDirectories(temp.resolve("tmp"));
        return UserCache.folder("native", environment, home, temporary.toString());
    }

    @Test
    void theXdgFolderComesFirst() throws IOException {
        Path cache = temp.resolve("xdg");
        assertThat(folder(Map.of("XDG_CACHE_HOME", cache.toString()), temp.toString()))
                .isEqualTo(cache.resolve("infonce/native"));
    }

    @Test
    void aRelativeXdgFolderIsIgnored() throws IOException {
        assertThat(folder(Map.of("XDG_CACHE_HOME", "xdg"), temp.toString()))
                .isEqualTo(temp.resolve(".cache/infonce/native"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"?", "", "relative", "\u0000"})
    void withoutAHomeTheFolderOfTemporaryFilesIsUsed(String home) throws IOException {
        Path folder = folder(Map.of(), home);
        assertThat(folder.getParent().getParent()).isEqualTo(temp.resolve("tmp"));
        assertThat(folder.getParent().getFileName().toString())
                .isEqualTo("infonce-" + Files.getOwner(folder).getName());
        assertThat(Path.of("?")).doesNotExist();
    }

    @Test
    void aHomeThatCannotBeWrittenToLeadsToTheFolderOfTemporaryFiles() throws IOException {
        Path file = Files.writeString(temp.resolve("home"), "a file where a folder should be");
        assertThat(folder(Map.of(), file.toString())).startsWith(temp.resolve("tmp"));
    }

    @Test
    void nobodyElseMayEnterOrWrite() throws IOException {
        Path folder = folder(Map.of(), temp.toString());
        for (Path level : Set.of(folder, folder.getParent())) {
            assertThat(permissions(level)).as("permissions of %s", level).isEqualTo("rwx------");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"rwxrwxr-x", "rwxrwxrwx"})
    void aFolderOfTheUserThatOthersMayWriteToIsMadePrivate(String found) throws IOException {
        Path cache = Files.createDirectories(temp.resolve(".cache/infonce"));
        Files.setPosixFilePermissions(cache, PosixFilePermissions.fromString(found));
        folder(Map.of(), temp.toString());
        assertThat(permissions(cache)).isEqualTo("rwx------");
    }

    @Test
    void aLinkInPlaceOfAFolderIsNotFollowed() throws IOException {
        Path elsewhere = Files.createDirectories(temp.resolve("elsewhere"));
        Files.createDirectories(temp.resolve(".cache"));
        Files.createSymbolicLink(temp.resolve(".cache/infonce"), elsewhere);
        assertThat(folder(Map.of(), temp.toString())).startsWith(temp.resolve("tmp"));
        assertThat(elsewhere).isEmptyDirectory();
    }

    @Test
    void ifNoPlaceCanBeHadEachIsToldWithItsReason() {
        Path missing = temp.resolve("missing");
        assertThatThrownBy(() -> UserCache.folder("native", Map.of(), "?", missing.toString()))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("'?' is not an absolute path")
                .hasMessageContaining(missing.toString());
    }

    private static String permissions(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }
}
