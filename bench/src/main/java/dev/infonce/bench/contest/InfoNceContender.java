package dev.infonce.bench.contest;

import dev.infonce.Matrix;
import dev.infonce.bench.Call;
import dev.infonce.bench.Loss;
import dev.infonce.bench.LossCase;
import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** This library; the variant is the device's name. */
public final class InfoNceContender implements Contender {
    private static final int SMALL = 64;

    private final LossCase open;
    private final String device;

    private InfoNceContender(Problem problem, String device) {
        this.device = device;
        this.open = new LossCase(device, problem);
    }

    /** The process; see {@link ContenderServer#serve}. */
    public static void main(String[] arguments) throws IOException {
        ContenderServer.serve(arguments, (problem, device) -> {
            loadClasses(problem, device);
            return new InfoNceContender(problem, device);
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
        return "infonce on " + device + ": " + open.description();
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
        return floats(open.dKeys());
    }

    private static FloatBuffer floats(Matrix matrix) {
        return matrix.segment().asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    @Override
    public void close() {
        open.close();
    }
}
