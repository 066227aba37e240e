package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The device java takes vectors where the application enables their module, and needs no class of it elsewhere. */
class VectorModuleTest {
    private static final String ENABLE = "--add-modules=jdk.incubator.vector";

    /** Runs in the child: what the device says of itself, and a loss. */
    static final class Child {
        private Child() {}

        public static void main(String[] args) {
            try (Device java = Device.java(1)) {
                System.out.println("device " + java);
                Plan plan = java.plan(InfoNce.withTemperature(1).symmetric(), Shape.of(2, 2, 2), DType.FLOAT32);
                Matrix identity = Matrix.of(new float[] {1, 0, 0, 1}, 2, 2);
                System.out.printf(
                        "loss %.6f%n", plan.forwardBackward(identity, identity).loss());
            }
            System.out.println("report " + Device.report().get(2).description());
        }
    }

    @Test
    void withoutTheModuleItWorksOnPlainLoopsAndSaysWhatWouldBeFaster() throws Exception {
        assertThat(run())
                .contains("device java (pure Java, 1 thread)\n", "loss 0.313262\n")
                .containsPattern("report pure Java, .*--add-modules jdk.incubator.vector");
    }

    @Test
    void withTheModuleItHasVectorsAndNothingToSay() throws Exception {
        assertThat(run(ENABLE))
                .containsPattern("device java \\(pure Java, \\d+-bit vectors, 1 thread\\)\n")
                .contains("loss 0.313262\n")
                .doesNotContain("--add-modules");
    }

    private static String run(String... options) throws Exception {
        List<String> all = new ArrayList<>(List.of(options));
        all.add("-Dinfonce.native=off");
        return ChildJvm.run(all, Child.class);
    }
}
