package dev.infonce.bench.contest;

import dev.infonce.Matrix;
import dev.infonce.PlanOptions;
import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.LossCase;
import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** This library; the variant is the device's name, with a comma and the MiB of its workspace budget if it has its own. */
public final class InfoNceContender implements Contender {
    private static final int SMALL = 64;

    private final LossCase open;
    private final String device;
    private final PlanOptions options;

    private InfoNceContender(Problem problem, String device, PlanOptions options) {
        this.device = device;
        this.options = options;
        this.open = new LossCase(device, problem, options);
    }

    /** The process; see {@link ContenderServer#serve}. */
    public static void main(String[] arguments) throws IOException {
        ContenderServer.serve(arguments, (problem, variant) -> {
            String[] parts = variant.split(",");
            PlanOptions options = PlanOptions.defaults();
            if (parts.length > 1) {
                options = options.withWorkspaceBudget(Long.parseLong(parts[1]) << 20);
            }
            loadClasses(problem, parts[0]);
            return new InfoNceContender(problem, parts[0], options);
        });
    }

    /** So that the memory of the first call is the call's, not that of classes and code. */
    private static void loadClasses(Problem problem, String device) {
        Loss loss = problem.loss();
        Problem small =
                new Problem(loss, problem.dtype(), SMALL, problem.dim(), Call.FORWARD_BACKWARD, problem.threads());
        try (LossCase warm = new LossCase(device, small)) {
            warm.forward();
            warm.forwardBackward();
        }
    }

    @Override
    public String description() {
        long budget = options.workspaceBudgetBytes();
        return "infonce on " + device + ": " + open.description()
                + (budget < 0 ? "" : ", workspace budget " + (budget >> 20) + " MiB");
    }

    @Override
    public double step() {
        return open.step();
    }

    @Override
    public FloatBuffer dQueries() {
        return floats(open.dQueries());
    }

    @Override
    public FloatBuffer dKeys() {
        return open.dKeys() == null ? null : floats(open.dKeys());
    }

    private static FloatBuffer floats(Matrix matrix) {
        return matrix.segment().asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    @Override
    public void close() {
        open.close();
    }
}
