package dev.infonce.bench.contest;

import dev.infonce.bench.Problem;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;

/** Whether two engines computed the same: times of different results say nothing. */
final class Agreement {
    /**
     * Relative, of the loss, and of each gradient in the Frobenius norm. Peers sum up to 2^14 terms in float32, whose roundings
     * of 2^-24 add up to 1e-3 at the very worst and to some 1e-5 as a rule; a wrong factor or a missing term is far larger.
     */
    static final double TOLERANCE = 1e-4;

    private Agreement() {}

    /** Files hold the gradients of queries, then of keys if there are any. */
    static void check(Problem problem, String who, double ourLoss, Path ours, double loss, Path theirs)
            throws IOException {
        double lossError = Math.abs(loss - ourLoss) / Math.abs(ourLoss);
        require(lossError <= TOLERANCE, who, "loss", lossError);
        int half = problem.n() * problem.dim();
        FloatBuffer a = map(ours);
        FloatBuffer b = map(theirs);
        double queries = relativeError(a.slice(0, half), b.slice(0, half));
        require(queries <= TOLERANCE, who, "gradient by the queries", queries);
        if (problem.loss().isOneTower()) {
            return;
        }
        double keys = relativeError(a.slice(half, half), b.slice(half, half));
        require(keys <= TOLERANCE, who, "gradient by the keys", keys);
    }

    static double relativeError(FloatBuffer expected, FloatBuffer actual) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.capacity(); i++) {
            double error = (double) actual.get(i) - expected.get(i);
            difference += error * error;
            size += (double) expected.get(i) * expected.get(i);
        }
        return Math.sqrt(difference / size);
    }

    private static FloatBuffer map(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            return channel.map(MapMode.READ_ONLY, 0, channel.size())
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asFloatBuffer();
        }
    }

    // Written so that a NaN does not pass.
    private static void require(boolean agrees, String who, String what, double error) throws IOException {
        if (!agrees) {
            throw new IOException(who + ": its " + what + " differs from ours by " + error + ", relative; at most "
                    + TOLERANCE + " is allowed");
        }
    }
}
