package dev.infonce.cli;

import dev.infonce.InfoNceException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Runs a picocli command with the exit codes and one-line messages that every command of this program has. */
public final class CommandRunner {
    /** Exit code: the command did what it was asked. */
    public static final int OK = 0;
    /** Exit code: a file, a device or a computation failed. */
    public static final int FAILURE = 1;
    /** Exit code: the command line is wrong. */
    public static final int USAGE = 2;

    private static final String LOG_FORMAT = "java.util.logging.SimpleFormatter.format";

    private CommandRunner() {}

    /**
     * Parses and executes.
     *
     * @param command an object with picocli's annotations
     * @param out takes results and help
     * @param err takes messages
     * @return {@link #OK}, {@link #FAILURE} or {@link #USAGE}, or what the command returned
     */
    public static int run(Object command, PrintWriter out, PrintWriter err, String... arguments) {
        CommandLine line = new CommandLine(command)
                .setOut(out)
                .setErr(err)
                .setUsageHelpAutoWidth(true)
                .setParameterExceptionHandler((failure, args) -> usage(failure))
                .setExecutionExceptionHandler((failure, failing, parsed) -> failure(failure, failing));
        int code;
        try {
            code = line.execute(arguments);
        } catch (Error e) {
            // Memory that ends, for one; picocli hands on exceptions alone.
            code = failure(e, running(line));
        }
        out.flush();
        err.flush();
        if (out.checkError() && code == OK) {
            err.println("infonce: the output could not be written");
            err.flush();
            return FAILURE;
        }
        return code;
    }

    /** Runs with standard output and error, and ends the process. */
    public static void runAndExit(Object command, String... arguments) {
        // The library's log is a few warnings; its default format takes two lines for each.
        if (System.getProperty(LOG_FORMAT) == null) {
            System.setProperty(LOG_FORMAT, "infonce: %5$s%n");
        }
        System.exit(run(command, new PrintWriter(System.out), new PrintWriter(System.err, true), arguments));
    }

    private static int usage(ParameterException failure) {
        CommandLine command = failure.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        print(command, name + ": " + failure.getMessage() + " (see " + name + " --help)");
        return USAGE;
    }

    /** The subcommand that was asked for. */
    private static CommandLine running(CommandLine line) {
        ParseResult parsed = line.getParseResult();
        while (parsed != null && parsed.hasSubcommand()) {
            parsed = parsed.subcommand();
        }
        return parsed == null ? line : parsed.commandSpec().commandLine();
    }

    private static int failure(Throwable failure, CommandLine command) {
        print(command, command.getCommandSpec().qualifiedName() + ": " + message(failure));
        ParseResult parsed = command.getParseResult();
        if (parsed != null && parsed.expandedArgs().contains("--verbose")) {
            StringWriter trace = new StringWriter();
            failure.printStackTrace(new PrintWriter(trace, true));
            trace.toString().lines().map(Printable::indented).forEach(command.getErr()::println);
        }
        return FAILURE;
    }

    private static void print(CommandLine command, String message) {
        command.getErr().println(Printable.line(message));
    }

    /** A failure in one line: what, and why. */
    static String message(Throwable failure) {
        return switch (failure) {
            case NoSuchFileException e -> e.getFile() + ": no such file or folder";
            case AccessDeniedException e -> e.getFile() + ": permission denied";
            case FileAlreadyExistsException e -> e.getFile() + ": is there already and is no folder";
            case FileSystemException e -> e.getFile() + ": " + (e.getReason() == null ? "failed" : e.getReason());
            case CliException e -> e.getMessage();
            case InfoNceException e -> e.getMessage();
            case IllegalArgumentException e when e.getMessage() != null -> e.getMessage();
            case IOException e when e.getMessage() != null -> e.getMessage();
            // Another thread's failure, as those who wait for it get it.
            case CompletionException e when e.getCause() != null -> message(e.getCause());
            case ExecutionException e when e.getCause() != null -> message(e.getCause());
            case OutOfMemoryError e -> "there is not enough memory (" + e.getMessage() + ")" + remedy(e);
            default -> "unexpected " + failure + " (--verbose shows where)";
        };
    }

    private static String remedy(OutOfMemoryError failure) {
        return String.valueOf(failure.getMessage()).contains("heap")
                ? "; JDK_JAVA_OPTIONS=-Xmx8g would give Java's heap 8 GiB"
                : "";
    }
}
