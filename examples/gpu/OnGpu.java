import dev.infonce.*;

void main(String[] arguments) {
    int n = 64, dim = 32;
    var loss = InfoNce.withTemperature(0.07).symmetric();
    try (var device = arguments.length == 0 ? Device.cuda() : Device.named(arguments[0]);
            var plan = device.plan(loss, Shape.of(n, n, dim), DType.FLOAT32);
            var stream = device.stream()) {
        var queries = device.allocate(DType.FLOAT32, n, dim).copyFrom(random(1, n, dim));
        var keys = device.allocate(DType.FLOAT32, n, dim).copyFrom(random(2, n, dim));
        var out = plan.allocateOutputs();
        var workspace = plan.allocateWorkspace();
        var call = plan.enqueue(stream, DeviceInputs.of(queries, keys), out, workspace);
        // ... and whatever reads out.dQueries() and out.dKeys(), on the same stream ...
        IO.println("on " + device + ": loss " + call.await().readLoss()[0]);
    }
}

Matrix random(int seed, int n, int dim) {
    var random = new Random(seed);
    float[] x = new float[n * dim];
    for (int i = 0; i < x.length; i++) {
        x[i] = random.nextFloat(-1, 1);
    }
    return Matrix.of(x, n, dim);
}
