package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.DeviceReport;
import dev.infonce.InfoNce;
import dev.infonce.PairwiseContrastive;
import dev.infonce.cli.npy.NpyFile;
import dev.infonce.cli.npy.NpyType;
import dev.infonce.suite.Case;
import dev.infonce.suite.Cases;
import dev.infonce.suite.Compare;
import dev.infonce.suite.Oracle;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The same numbers in other files give the same result. */
class LossFormsTest {
    private static final long SEED = 20261128;
    private static final int N = 6;
    private static final int M = 9;
    private static final int DIM = 5;

    @TempDir
    private Path folder;

    @Test
    void byteOrderFortranOrderArchivesAndStandardInputGiveTheSameBits() throws IOException {
        double[][] rows = Cases.random(InfoNce.withTemperature(0.2), N, M, DIM, DType.FLOAT32, SEED)
                .queries();
        double[][] keys = Cases.random(InfoNce.withTemperature(0.2), N, M, DIM, DType.FLOAT32, SEED + 1)
                .queries();
        Path plain = matrix("q", "<f4", false, rows);
        String k = matrix("k", "<f4", false, keys).toString();
        String expected = run("--queries", plain.toString(), "--keys", k);
        assertThat(expected).contains("float32");
        for (Path other : List.of(
                matrix("big", ">f4", false, rows),
                matrix("fortran", "<f4", true, rows),
                matrix("both", ">f4", true, rows))) {
            assertThat(run("--queries", other.toString(), "--keys", k))
                    .as("%s", other)
                    .isEqualTo(expected);
        }
        Path archive = folder.resolve("both.npz");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(archive))) {
            for (String name : List.of("q", "k")) {
                out.putNextEntry(new ZipEntry(name + ".npy"));
                out.write(Files.readAllBytes(folder.resolve(name + ".npy")));
            }
        }
        assertThat(run("--queries", archive + ":q", "--keys", archive + ":k")).isEqualTo(expected);
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream(Files.readAllBytes(plain)));
            assertThat(run("--queries", "-", "--keys", k)).isEqualTo(expected);
        } finally {
            System.setIn(before);
        }
    }

    /** N x M x D, where the order of three indices matters. */
    @Test
    void ownNegativesMayBeInFortranOrder() throws IOException {
        int m = 3;
        double[][] q = Cases.random(InfoNce.withTemperature(0.2), N, M, DIM, DType.FLOAT32, SEED)
                .queries();
        double[][] negatives = Cases.random(InfoNce.withTemperature(0.2), N * m, M, DIM, DType.FLOAT32, SEED + 1)
                .queries();
        String queries = matrix("q", "<f4", false, q).toString();
        ByteBuffer rowsFirst = ByteBuffer.allocate(4 * N * m * DIM).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer columnsFirst = ByteBuffer.allocate(4 * N * m * DIM).order(ByteOrder.LITTLE_ENDIAN);
        for (double[] row : negatives) {
            for (double value : row) {
                rowsFirst.putFloat((float) value);
            }
        }
        for (int d = 0; d < DIM; d++) {
            for (int j = 0; j < m; j++) {
                for (int i = 0; i < N; i++) {
                    columnsFirst.putFloat((float) negatives[i * m + j][d]);
                }
            }
        }
        String shape = "(" + N + ", " + m + ", " + DIM + ")";
        Path c = NpyTestFiles.file(
                folder.resolve("c.npy"), 1, NpyTestFiles.header("<f4", "False", shape), rowsFirst.array());
        Path fortran = NpyTestFiles.file(
                folder.resolve("f.npy"), 1, NpyTestFiles.header("<f4", "True", shape), columnsFirst.array());
        String expected = run("--queries", queries, "--keys", queries, "--negatives", c.toString());
        assertThat(run("--queries", queries, "--keys", queries, "--negatives", fortran.toString()))
                .isEqualTo(expected);
    }

    static Stream<Arguments> sixteenBits() {
        return Device.report().stream()
                .filter(device -> device.available() && !device.name().equals("emulated"))
                .map(DeviceReport::name)
                .flatMap(device -> Stream.of("<f2", "<V2").map(type -> Arguments.of(device, type)));
    }

    /** Device java has no 16-bit types, and computes with the same numbers in float32. */
    @ParameterizedTest
    @MethodSource("sixteenBits")
    void sixteenBitMatricesAreComputedInTheirOwnTypeWhereTheDeviceCan(String device, String type) throws IOException {
        InfoNce loss = InfoNce.withTemperature(0.2);
        DType dtype = type.equals("<f2") ? DType.FLOAT16 : DType.BFLOAT16;
        Case c = Cases.random(loss, N, M, DIM, dtype, SEED);
        Path queries = matrix("q", type, false, c.queries());
        Path keys = matrix("k", type, true, c.keys());
        Cli.Result result = Cli.run(
                "loss",
                "--loss",
                "infonce",
                "--temperature",
                "0.2",
                "--device",
                device,
                "--queries",
                queries.toString(),
                "--keys",
                keys.toString(),
                "--gradients",
                folder.toString());
        assertThat(result.err()).isEmpty();
        assertThat(result.out())
                .contains(
                        device.equals("java") ? "float32" : ", " + dtype.name().toLowerCase(Locale.ROOT));
        Compare.relative(loss(result.out()), Oracle.evaluate(c).loss(), 1e-5, "loss of " + c);
        try (Arena arena = Arena.ofConfined()) {
            assertThat(NpyFile.read(folder.resolve("dKeys.npy"), arena).header().type())
                    .isEqualTo(NpyType.FLOAT32);
        }
    }

    /** One matrix alone in float64, negatives too, makes all of the computation float64; float16 beside bfloat16, float32. */
    @ParameterizedTest
    @ValueSource(strings = {"queries", "keys", "negatives"})
    void matricesOfMixedElementTypesAreComputedInTheWidest(String wide) throws IOException {
        InfoNce loss = InfoNce.withTemperature(0.2).withSharedNegatives();
        Case narrow = Cases.random(loss, N, M, DIM, DType.FLOAT32, SEED);
        Case exact = Cases.random(loss, N, M, DIM, DType.FLOAT64, SEED);
        Case mixed = exact.withMatrices(
                (wide.equals("queries") ? exact : narrow).queries(),
                (wide.equals("keys") ? exact : narrow).keys(),
                (wide.equals("negatives") ? exact : narrow).negatives());
        List<String> files = new ArrayList<>();
        for (String name : List.of("queries", "keys", "negatives")) {
            double[][] rows = switch (name) {
                case "queries" -> mixed.queries();
                case "keys" -> mixed.keys();
                default -> mixed.negatives();
            };
            files.addAll(List.of(
                    "--" + name,
                    matrix(name, name.equals(wide) ? "<f8" : "<f4", false, rows).toString()));
        }
        String out = run(files.toArray(String[]::new));
        assertThat(out).contains(", float64");
        Compare.relative(loss(out), Oracle.evaluate(mixed).loss(), 1e-12, "loss with " + wide + " in float64");
    }

    @Test
    void float16BesideBfloat16IsComputedInFloat32() throws IOException {
        double[][] rows = Cases.random(InfoNce.withTemperature(0.2), N, M, DIM, DType.BFLOAT16, SEED)
                .queries();
        String out = run(
                "--queries", matrix("q", "<V2", false, rows).toString(),
                "--keys", matrix("k", "<f2", false, rows).toString());
        assertThat(out).contains(", float32");
    }

    @ParameterizedTest
    @ValueSource(strings = {"|u1", "<i2", "<i4", ">i8", "<u8", "|b1"})
    void labelsMayBeAColumnOfAnyIntegerType(String type) throws IOException {
        Case c = Cases.random(PairwiseContrastive.withMargin(0.9), N, N, DIM, DType.FLOAT32, SEED);
        String[] arguments = CaseFiles.write(folder, c).toArray(String[]::new);
        String expected = Cli.run(arguments).out();
        int width = type.charAt(2) - '0';
        byte[] data = new byte[N * width];
        for (int i = 0; i < N; i++) {
            data[type.startsWith(">") ? (i + 1) * width - 1 : i * width] = (byte) c.labels()[i];
        }
        NpyTestFiles.file(folder.resolve("labels.npy"), 1, NpyTestFiles.header(type, "False", "(" + N + ", 1)"), data);
        assertThat(Cli.run(arguments).out()).isEqualTo(expected).isNotEmpty();
    }

    private static String run(String... files) {
        List<String> arguments =
                new ArrayList<>(List.of("loss", "--loss", "infonce", "--temperature", "0.2", "--device", "java"));
        arguments.addAll(List.of(files));
        Cli.Result result = Cli.run(arguments.toArray(String[]::new));
        assertThat(result.err()).isEmpty();
        return result.out();
    }

    private static double loss(String out) {
        return Double.parseDouble(out.lines().findFirst().orElseThrow().replaceFirst("^loss +", ""));
    }

    /** Rows as a file of that element type and order. */
    private Path matrix(String name, String descriptor, boolean fortran, double[][] rows) throws IOException {
        int dim = rows[0].length;
        ByteBuffer data = ByteBuffer.allocate(8 * rows.length * dim)
                .order(descriptor.startsWith(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < rows.length * dim; at++) {
            double value = fortran ? rows[at % rows.length][at / rows.length] : rows[at / dim][at % dim];
            switch (descriptor.substring(1)) {
                case "f2" -> data.putShort(Float.floatToFloat16((float) value));
                case "V2" -> data.putShort((short) (Float.floatToIntBits((float) value) >>> 16));
                case "f4" -> data.putFloat((float) value);
                default -> data.putDouble(value);
            }
        }
        byte[] bytes = Arrays.copyOf(data.array(), data.position());
        String shape = "(" + rows.length + ", " + dim + ")";
        return NpyTestFiles.file(
                folder.resolve(name + ".npy"),
                1,
                NpyTestFiles.header(descriptor, fortran ? "True" : "False", shape),
                bytes);
    }
}
