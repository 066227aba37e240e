package dev.infonce.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The command line of this library, without training (module infonce-train). */
@Command(
        name = "infonce",
        description = "Contrastive losses and their gradients.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {DoctorCommand.class, LossCommand.class})
public final class Main {
    @Mixin
    private CommonOptions common;

    private Main() {}

    /** Runs the command line and exits with 0 (done), 1 (failure) or 2 (wrong usage). */
    public static void main(String[] arguments) {
        CommandRunner.runAndExit(create(), arguments);
    }

    static Main create() {
        return new Main();
    }
}
