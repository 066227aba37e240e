package dev.infonce.bench.contest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.infonce.DType;
import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AgreementTest {
    private static final Problem PROBLEM = new Problem(Loss.SYMMETRIC, DType.FLOAT32, 2, 1, Call.FORWARD_BACKWARD, 1);

    @TempDir
    private Path folder;

    @Test
    void equalResultsAgree() throws IOException {
        Path ours = gradients("ours", 1, 2, 3, 4);
        Agreement.check(PROBLEM, "peer", 1, ours, 1.00001, gradients("theirs", 1, 2, 3, 4));
        assertThat(ours).exists();
    }

    @Test
    void aFactorInOneGradientIsNamed() throws IOException {
        Path ours = gradients("ours", 1, 2, 3, 4);
        Path theirs = gradients("theirs", 1, 2, 6, 8);
        assertThatThrownBy(() -> Agreement.check(PROBLEM, "peer", 1, ours, 1, theirs))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("gradient by the keys differs from ours by 1.0");
    }

    @Test
    void aLossThatIsNotANumberDisagrees() throws IOException {
        Path same = gradients("same", 1, 2, 3, 4);
        assertThatThrownBy(() -> Agreement.check(PROBLEM, "peer", 1, same, Double.NaN, same))
                .hasMessageContaining("its loss differs");
    }

    private Path gradients(String name, float... numbers) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(numbers.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(numbers);
        return Files.write(folder.resolve(name), bytes.array());
    }
}
