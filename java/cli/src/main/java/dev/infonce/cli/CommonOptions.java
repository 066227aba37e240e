package dev.infonce.cli;

import picocli.CommandLine.Option;

/** Options that every command has. */
public final class CommonOptions {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help and exits.")
    private boolean help;

    @Option(names = "--verbose", description = "Shows where in the program a failure arose.")
    private boolean verbose;
}
