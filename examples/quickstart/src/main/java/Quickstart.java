import dev.infonce.*;

void main() {
    int n = 256, dim = 64;
    double[] queries = new Random(1).doubles(n * dim, -1, 1).toArray();
    double[] keys = new Random(2).doubles(n * dim, -1, 1).toArray();
    var loss = InfoNce.withTemperature(0.07).symmetric();
    try (var device = Device.best();
            var plan = device.plan(loss, Shape.of(n, n, dim), DType.FLOAT64)) {
        IO.println("on " + device);
        for (int step = 0; step <= 50; step++) {
            var result = plan.forwardBackward(Matrix.of(queries, n, dim), Matrix.of(keys, n, dim));
            descend(queries, result.dQueries().toDoubleArray());
            descend(keys, result.dKeys().toDoubleArray());
            if (step % 10 == 0) {
                IO.println("step " + step + ": loss " + result.loss() + ", top-1 " + result.metrics().top1Accuracy());
            }
        }
    }
}

void descend(double[] x, double[] gradient) {
    for (int i = 0; i < x.length; i++) {
        x[i] -= 30 * gradient[i];
    }
}
