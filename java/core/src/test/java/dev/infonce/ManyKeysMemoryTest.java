package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a call takes beside its inputs and outputs does not grow with the keys where they are many more than the queries. */
class ManyKeysMemoryTest {
    private static final int DIM = 128;
    private static final long MIB = 1L << 20;
    private static final long BOUND = 64 * MIB;

    /** The JVM, the classes and the test itself. */
    private static final long BASE = 24 * MIB;

    /** Runs in a heap that holds no more than the bound; inputs and outputs lie outside of it. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) {
            long n = Long.parseLong(args[1]);
            long m = Long.parseLong(args[2]);
            InfoNce loss =
                    InfoNce.withTemperature(Double.parseDouble(args[3])).withSimilarity(Similarity.valueOf(args[4]));
            try (Device device = Device.named(args[0]);
                    Arena arena = Arena.ofShared();
                    Plan plan = device.plan(
                            args[5].equals("SHARED") ? loss.withSharedNegatives() : loss,
                            Shape.of(n, m, DIM),
                            DType.FLOAT32)) {
                boolean shared = args[5].equals("SHARED");
                Matrix queries = filled(arena, n, 1);
                Matrix keys = filled(arena, shared ? n : m, 2);
                Matrix negatives = shared ? filled(arena, m, 3) : null;
                Gradients out =
                        new Gradients(zeros(arena, n), zeros(arena, keys.rows()), shared ? zeros(arena, m) : null);
                Inputs in = Inputs.of(queries, keys).withNegatives(negatives);
                GradientResult result = plan.forwardBackward(in, out);
                assertThat(result.loss()).isFinite().isPositive();
                assertThat(result.metrics().rows()).isEqualTo(n);
                System.out.println("workspace " + plan.workspaceBytes());
            }
        }

        private static Matrix zeros(Arena arena, long rows) {
            return Matrix.of(arena.allocate(rows * DIM * Float.BYTES, 64), DType.FLOAT32, rows, DIM);
        }

        private static Matrix filled(Arena arena, long rows, int seed) {
            MemorySegment memory = arena.allocate(rows * DIM * Float.BYTES, 64);
            long state = seed;
            for (long i = 0; i < rows * DIM; i++) {
                state = state * 6364136223846793005L + 1442695040888963407L;
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (state >> 40) * 0x1p-24f);
            }
            return Matrix.of(memory, DType.FLOAT32, rows, DIM);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // by vectors where there are any; a logit of 100 is too large for them
        "64, 131072, 0.1, COSINE, IN_BATCH",
        "64, 131072, 0.01, COSINE, IN_BATCH",
        "64, 131072, 1, NEGATIVE_EUCLIDEAN, SHARED",
        "64, 131072, 10, DOT, SHARED",
        "1024, 65536, 0.1, COSINE, SHARED"
    })
    void heapStaysInTheBound(long n, long m, double tau, Similarity similarity, String negatives) throws Exception {
        long rows = 40L * n * DIM * Double.BYTES;
        List<String> options = Stream.of(
                        "-Xmx" + (BOUND + BASE + rows) / MIB + "m",
                        "-XX:MaxDirectMemorySize=1g",
                        "-XX:+UseSerialGC",
                        "--add-modules=jdk.incubator.vector",
                        "-Dinfonce.native=off")
                .toList();
        String said = ChildJvm.run(
                options,
                Child.class,
                "java",
                Long.toString(n),
                Long.toString(m),
                Double.toString(tau),
                similarity.name(),
                negatives);
        long workspace = Long.parseLong(said.strip().replaceFirst("(?s).*workspace ", ""));
        assertThat(workspace).as("bytes that the plan says").isLessThanOrEqualTo(BOUND + rows);
    }
}
