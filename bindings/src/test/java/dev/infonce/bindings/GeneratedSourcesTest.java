package dev.infonce.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The generated sources are what jextract made of the header as it is now. */
class GeneratedSourcesTest {
    private static final Path ROOT = Path.of(System.getProperty("infonce.root"));
    private static final String REMEDY = "run bindings/generate.sh and commit what it writes";

    @Test
    void headerIsTheOneThatTheBindingsWereGeneratedFrom() throws IOException {
        assertThat(sha256(ROOT.resolve("native/include/infonce.h")))
                .as("SHA-256 of infonce.h; if the header was changed, " + REMEDY)
                .isEqualTo(resource("infonce.h.sha256").strip());
    }

    @Test
    void generatedSourcesAreAsJextractWroteThem() throws IOException {
        Map<String, String> expected = resource("generated.sha256")
                .lines()
                .map(line -> line.split("  ", 2))
                .collect(Collectors.toMap(line -> line[1], line -> line[0], (a, b) -> a, TreeMap::new));
        Map<String, String> actual = new TreeMap<>();
        try (Stream<Path> files = Files.list(ROOT.resolve("bindings/src/main/java/dev/infonce/bindings"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                actual.put(file.getFileName().toString(), sha256(file));
            }
        }
        assertThat(actual)
                .as("SHA-256 of the generated sources; do not edit them, " + REMEDY)
                .isEqualTo(expected);
    }

    private static String resource(String name) throws IOException {
        try (InputStream in = GeneratedSourcesTest.class.getResourceAsStream(name)) {
            assertThat(in).as("resource " + name + "; " + REMEDY).isNotNull();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static String sha256(Path file) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
