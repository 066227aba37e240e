package dev.infonce.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DTypeTableTest {
    @ParameterizedTest
    @EnumSource(Call.class)
    void bothLossesAreComparedAtEverySize(Call call) {
        assertThat(DTypeTable.cases(false))
                .filteredOn(some -> some.call() == call)
                .extracting(some -> some.loss().word() + " " + some.n() + "x" + some.dim())
                .containsExactly(
                        "symmetric 4096x128",
                        "symmetric 4096x256",
                        "symmetric 8192x256",
                        "infonce 4096x128",
                        "infonce 4096x256",
                        "infonce 8192x256");
    }
}
