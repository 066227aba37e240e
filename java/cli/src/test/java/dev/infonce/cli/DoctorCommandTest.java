package dev.infonce.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.Device;
import dev.infonce.DeviceReport;
import org.junit.jupiter.api.Test;

class DoctorCommandTest {
    @Test
    void everyDeviceIsListedWithWhatItIsOrWhyItIsNotUsed() {
        Cli.Result result = Cli.run("doctor");
        assertThat(result.code()).isZero();
        assertThat(result.err()).isEmpty();
        for (DeviceReport device : Device.report()) {
            assertThat(result.out().lines())
                    .anyMatch(line -> line.strip().startsWith(device.name())
                            && line.contains(device.available() ? "yes: " : "no: "));
        }
        assertThat(result.out()).contains("default", "computes a small loss correctly");
    }

    @Test
    void whatCannotBeFoundOutKeepsNothingElseFromBeingShown() {
        String home = System.getProperty("user.home");
        // No path in any locale, as one outside ASCII is in the locale C.
        System.setProperty("user.home", "\0");
        try {
            Cli.Result result = Cli.run("doctor");
            assertThat(result.code()).isZero();
            assertThat(result.out()).contains("Caches\n", "not known", "Devices\n", "computes a small loss correctly");
        } finally {
            System.setProperty("user.home", home);
        }
    }

    @Test
    void whereVectorsAreNotEnabledItSaysHowToEnableThem() {
        boolean enabled = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        assertThat(Cli.run("doctor").out().contains("--add-modules jdk.incubator.vector"))
                .isNotEqualTo(enabled);
    }

    @Test
    void whatTheMachineHasIsListedBySection() {
        assertThat(Cli.run("doctor").out())
                .contains(
                        "Java\n",
                        "Build tools\n",
                        "Processor\n",
                        "GPU\n",
                        "Native libraries\n",
                        "Caches\n",
                        "Devices\n");
    }
}
