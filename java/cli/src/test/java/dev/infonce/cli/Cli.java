package dev.infonce.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/** Runs the command line inside the test's JVM. */
final class Cli {
    private Cli() {}

    record Result(int code, String out, String err) {}

    static Result run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code = CommandRunner.run(Main.create(), new PrintWriter(out), new PrintWriter(err), arguments);
        return new Result(code, out.toString(), err.toString());
    }
}
