package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.DType;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SuiteTest {
    @ParameterizedTest
    @EnumSource(
            value = Loss.class,
            names = {"SYMMETRIC", "INFONCE"})
    void theCpuDeviceIsMeasuredInBothTypesOfEqualSize(Loss loss) {
        List<Suite.Point> points = Suite.points("cpu", false);
        for (DType dtype : new DType[] {DType.FLOAT32, DType.BFLOAT16}) {
            assertThat(points)
                    .contains(
                            new Suite.Point("cpu", loss, dtype, 4096, 128),
                            new Suite.Point("cpu", loss, dtype, 4096, 256),
                            new Suite.Point("cpu", loss, dtype, 8192, 256));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "java"})
    void noPointIsMeasuredTwice(String device) {
        assertThat(Suite.points(device, false)).doesNotHaveDuplicates();
        assertThat(Suite.points(device, true)).doesNotHaveDuplicates();
    }
}
