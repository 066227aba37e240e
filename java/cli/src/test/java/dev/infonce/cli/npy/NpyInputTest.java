package dev.infonce.cli.npy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.cli.NpyTestFiles;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where an array may come from beside a plain file, and why it cannot. */
class NpyInputTest {
    private final Arena arena = Arena.ofConfined();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        arena.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {ZipOutputStream.STORED, ZipOutputStream.DEFLATED})
    void arraysOfAnArchiveAreNamed(int method) throws IOException {
        String archive = archive(method, "q.npy", "k.npy", "plain").toString();
        assertThat(NpyInput.of(archive + ":q").read(arena).get(0)).isEqualTo(0);
        assertThat(NpyInput.of(archive + ":k").read(arena).get(0)).isEqualTo(1);
        assertThat(NpyInput.of(archive + ":k.npy").read(arena).get(0)).isEqualTo(1);
        assertThat(NpyInput.of(archive + ":plain").read(arena).get(0)).isEqualTo(2);
        assertRefused(archive + ":v", "x.npz: has no array 'v'; it has q, k, plain");
        assertRefused(archive, "x.npz: is a zip archive; an array of a .npz archive is named as FILE.npz:NAME");
    }

    @Test
    void aColonBelongsToTheNameOfAFileThatIsThere() throws IOException {
        archive(ZipOutputStream.STORED, "q.npy");
        Path file = floats("x.npz:q", 9);
        assertThat(NpyInput.of(file.toString()).read(arena).get(0)).isEqualTo(9);
    }

    @Test
    void damagedArchivesAreSaidToBe() throws IOException {
        Path archive = archive(ZipOutputStream.DEFLATED, "q.npy");
        byte[] whole = Files.readAllBytes(archive);
        Files.write(archive, Arrays.copyOf(whole, whole.length - 30));
        assertRefused(archive + ":q", "x.npz: is no .npz archive, or a damaged one");
        Files.writeString(archive, "no archive at all, but some text");
        assertRefused(archive + ":q", "x.npz: is no .npz archive, or a damaged one");
        Files.delete(archive);
        assertThatThrownBy(() -> NpyInput.of(archive + ":q").read(arena))
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("x.npz");
    }

    /** What an archive's array claims costs no memory: only bytes that arrive do. */
    @Test
    void anArchiveMayNotPromiseMoreThanItHas() throws IOException {
        Path archive = folder.resolve("x.npz");
        Path liar = NpyTestFiles.file(
                folder.resolve("liar.npy"), 1, NpyTestFiles.header("<f4", "False", "(1000000, 200)"), new byte[64]);
        zip(archive, ZipOutputStream.DEFLATED, "q.npy", Files.readAllBytes(liar));
        assertRefused(archive + ":q", "x.npz:q: is truncated: shape 1000000 x 200 of '<f4' takes 800000000 bytes");
        NpyTestFiles.file(liar, 1, NpyTestFiles.header("<f8", "False", "(1000000000000, 2)"), new byte[64]);
        zip(archive, ZipOutputStream.DEFLATED, "q.npy", Files.readAllBytes(liar));
        assertRefused(archive + ":q", "takes 14901.2 GiB, more than the ");
    }

    @Test
    void standardInputIsAMinus() throws IOException {
        byte[] bytes = Files.readAllBytes(floats("x.npy", 3, 4));
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream(bytes));
            assertThat(NpyInput.of("-").read(arena).get(1)).isEqualTo(4);
            System.setIn(new ByteArrayInputStream(bytes, 0, bytes.length - 1));
            assertRefused("-", "standard input: is truncated: shape 2 of '<f4' takes 8 bytes, the file holds 7");
            System.setIn(new ByteArrayInputStream(Arrays.copyOf(bytes, bytes.length + 1)));
            assertRefused("-", "standard input: has trailing bytes");
            System.setIn(InputStream.nullInputStream());
            assertRefused("-", "standard input: is empty (0 bytes)");
        } finally {
            System.setIn(before);
        }
    }

    @Test
    @Timeout(60)
    void aPipeIsReadToItsEnd() throws IOException, InterruptedException {
        Path pipe = folder.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        byte[] bytes = Files.readAllBytes(floats("x.npy", 3, 4));
        Thread writer = Thread.ofVirtual().start(() -> {
            try {
                Files.write(pipe, bytes);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        assertThat(NpyInput.of(pipe.toString()).read(arena).get(1)).isEqualTo(4);
        writer.join();
    }

    @Test
    void everyReasonIsItsOwn() throws IOException {
        assertThatThrownBy(() -> NpyInput.of(""))
                .isInstanceOf(NpyException.class)
                .hasMessage("the path is empty");
        assertRefused(Files.createFile(folder.resolve("empty.npy")).toString(), "empty.npy: is empty (0 bytes)");
        assertRefused("/dev/null", "/dev/null: is empty (0 bytes)");
        assertRefused("/dev/zero", "/dev/zero: is no .npy file");
        assertRefused(folder.toString(), ": is a folder");
        Path gone = Files.createSymbolicLink(folder.resolve("gone.npy"), Path.of("nowhere.npy"));
        assertRefused(gone.toString(), "gone.npy: is a symbolic link to nowhere.npy, and there is no such file");
        Path loop = Files.createSymbolicLink(folder.resolve("loop.npy"), Path.of("loop.npy"));
        assertThatThrownBy(() -> NpyInput.of(loop.toString()).read(arena))
                .isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Too many levels of symbolic links");
        Path file = Files.writeString(folder.resolve("x.npy"), "PK\u0003\u0004");
        assertRefused(file.toString(), "is a zip archive");
        Files.write(file, new byte[] {0x1f, (byte) 0x8b, 8, 0});
        assertRefused(file.toString(), "is compressed with gzip");
    }

    private void assertRefused(String text, String reason) {
        assertThatThrownBy(() -> NpyInput.of(text).read(arena))
                .isInstanceOf(NpyException.class)
                .hasMessageContaining(reason);
    }

    private Path floats(String name, double... values) throws IOException {
        return NpyTestFiles.floats(folder.resolve(name), "(" + values.length + ",)", values);
    }

    /** Of arrays with one number each, its place among the names. */
    private Path archive(int method, String... names) throws IOException {
        Path archive = folder.resolve("x.npz");
        Object[] members = new Object[2 * names.length];
        for (int i = 0; i < names.length; i++) {
            members[2 * i] = names[i];
            members[2 * i + 1] = Files.readAllBytes(floats("member.npy", i));
        }
        zip(archive, method, members);
        return archive;
    }

    private static void zip(Path archive, int method, Object... members) throws IOException {
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(archive))) {
            for (int i = 0; i < members.length; i += 2) {
                byte[] bytes = (byte[]) members[i + 1];
                ZipEntry entry = new ZipEntry((String) members[i]);
                entry.setMethod(method);
                if (method == ZipOutputStream.STORED) {
                    CRC32 sum = new CRC32();
                    sum.update(bytes);
                    entry.setSize(bytes.length);
                    entry.setCrc(sum.getValue());
                }
                out.putNextEntry(entry);
                out.write(bytes);
            }
        }
    }
}
