package dev.infonce.suite;

import dev.infonce.ContrastiveLoss;
import dev.infonce.CpuOptions;
import dev.infonce.DType;
import dev.infonce.Device;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Inputs;
import dev.infonce.Isa;
import dev.infonce.Matrix;
import dev.infonce.Negatives;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Precision;
import dev.infonce.Shape;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.fuzz.FuzzInput;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * A fuzz target: what nobody should call. Sizes, components and options of any value, plans of any size, and calls with one thing
 * wrong about them. Each is refused by the exception that is documented, with a message, and nothing is written; what is taken
 * keeps its promises.
 */
public final class MisuseFuzz {
    private static final long MOST_ELEMENTS = 1 << 12;
    /** Rows beyond any count that a case has. */
    private static final int MORE = 100;

    private static final List<ContrastiveLoss> LOSSES = Stream.of(
                    Cases.all(0.5), Cases.withKeyOffsets(Similarity.COSINE, 0.5), Cases.ofQueues(Similarity.DOT, 0.5))
            .flatMap(List::stream)
            .toList();
    private static final Map<String, Device> DEVICES = new LinkedHashMap<>();
    private static final AtomicLong CALLS = new AtomicLong();

    static {
        for (String name : Devices.list()) {
            DEVICES.put(name, Devices.open(name, 2));
        }
    }

    private MisuseFuzz() {}

    /** Jazzer's entry. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        FuzzInput in = new FuzzInput(bytes);
        CALLS.incrementAndGet();
        switch (in.below(8)) {
            case 0 -> sizes(in);
            case 1 -> components(in);
            case 2 -> options(in);
            case 3 -> views(in);
            case 4 -> largePlan(in);
            default -> malformedCall(in);
        }
    }

    /** Jazzer's end. */
    public static void fuzzerTearDown() {
        System.out.println("calls of the API: " + CALLS.get());
    }

    private static void sizes(FuzzInput in) {
        long n = in.any();
        long m = in.any();
        long dim = in.any();
        long own = in.any();
        long queue = in.any();
        refusedOr("shape " + n + " x " + m + " x " + dim + ", own " + own + ", queue " + queue, () -> {
            Shape shape = Shape.of(n, m, dim);
            check(shape.n() == n && shape.m() == m && shape.dim() == dim, "another shape: " + shape);
            check(n > 0 && m >= 0 && dim > 0, "taken: " + shape);
            check(shape.withOwnNegatives(own).ownNegatives() == own && own >= 0, "taken: " + own + " own ones");
            check(shape.withQueue(queue).queue() == queue && queue >= 0, "taken: a queue of " + queue);
        });
    }

    /** Every component of a loss by another value, of a type that it may have. */
    private static void components(FuzzInput in) {
        ContrastiveLoss loss = LOSSES.get(in.below(LOSSES.size()));
        Map<String, Object> components = new HashMap<>();
        loss.components().forEach((name, value) -> {
            if (in.flag()) {
                components.put(
                        name,
                        switch (value) {
                            case Double _ -> Double.longBitsToDouble(in.any());
                            case Boolean _ -> in.flag();
                            case Enum<?> word ->
                                in.of((Object[]) word.getDeclaringClass().getEnumConstants());
                            case Set<?> _ -> in.of(Cases.blocks().toArray());
                            default -> value;
                        });
            }
        });
        refusedOr(loss + " with " + components, () -> {
            ContrastiveLoss other = loss.with(components);
            components.forEach((name, value) ->
                    check(value.equals(other.components().get(name)), name + " of " + other + " is not " + value));
        });
    }

    private static void options(FuzzInput in) {
        int topK = (int) in.any();
        long budget = in.any();
        int threads = (int) in.any();
        refusedOr("topK " + topK + ", budget " + budget, () -> {
            PlanOptions options = new PlanOptions(in.of(Precision.values()), in.flag(), topK, budget, null);
            check(options.topK() > 0 && options.workspaceBudgetBytes() >= -1, "taken: " + options);
        });
        refusedOr("threads " + threads, () -> {
            CpuOptions options = new CpuOptions(threads, Isa.BEST);
            check(options.threads() >= 0, "taken: " + options);
        });
    }

    private static void views(FuzzInput in) {
        DType dtype = in.of(DType.values());
        MemorySegment memory = MemorySegment.ofArray(new long[in.below(64)]);
        MemorySegment part = memory.asSlice(Math.min(memory.byteSize(), in.below(9)));
        long rows = in.any();
        long dim = in.any();
        long stride = in.flag() ? dim : in.any();
        refusedOr("a view of " + rows + " x " + dim + ", stride " + stride, () -> {
            Matrix matrix = Matrix.of(part, dtype, rows, dim, stride);
            check(rows >= 0 && dim > 0 && stride >= dim, "taken: " + matrix);
            if (rows > 0) {
                matrix.set(rows - 1, dim - 1, 3);
                check(matrix.get(rows - 1, dim - 1) == 3, "another element of " + matrix);
            }
            if (rows * dim <= MOST_ELEMENTS) {
                check(matrix.toFloatArray().length == rows * dim, "another length of " + matrix);
                check(matrix.toDoubleArray().length == rows * dim, "another length of " + matrix);
            }
        });
    }

    /** Nothing is allocated before a call, and sizes do not overflow. */
    private static void largePlan(FuzzInput in) {
        ContrastiveLoss loss = LOSSES.get(in.below(LOSSES.size()));
        DType dtype = in.of(DType.values());
        long n = Math.abs(in.any());
        long m = in.flag() ? n : Math.abs(in.any());
        long dim = 1 + in.below(1 << 10);
        long own = loss.negatives() == Negatives.IN_BATCH_AND_OWN ? Math.abs(in.any()) : in.oneIn(8) ? 1 : 0;
        long queue = loss.takesQueue() ? Math.abs(in.any()) : in.oneIn(8) ? 1 : 0;
        PlanOptions options = PlanOptions.defaults().withWorkspaceBudget(in.of(-1L, 0L, 1L << 62));
        for (Map.Entry<String, Device> device : DEVICES.entrySet()) {
            refusedOr(
                    device.getKey() + ", " + loss + " of " + n + " x " + m + " x " + dim + ", own " + own + ", queue "
                            + queue + " " + dtype,
                    () -> {
                        Shape shape = Shape.of(n, m, dim).withOwnNegatives(own).withQueue(queue);
                        try (Plan plan = device.getValue().plan(loss, shape, dtype, options)) {
                            check(
                                    plan.workspaceBytes() >= 0,
                                    "workspace of " + plan.workspaceBytes() + " bytes: " + plan);
                        }
                    });
        }
    }

    /** A call with one thing wrong about it. */
    private static void malformedCall(FuzzInput in) {
        ContrastiveLoss loss = LOSSES.get(in.below(LOSSES.size()));
        Case random = Cases.random(loss, 2 + in.below(3), 1 + in.below(4), 2 + in.below(5), DType.FLOAT32, in.next());
        Case c = loss.takesQueue() && in.flag() ? Cases.withQueue(random, 1 + in.below(4), in.next()) : random;
        int wrong = in.below(25);
        boolean hasKeys = c.keys() != null;
        for (Map.Entry<String, Device> device : DEVICES.entrySet()) {
            String what = device.getKey() + ", " + c + ", wrong " + wrong;
            FuzzMemory memory = new FuzzMemory(wrong, c, DType.FLOAT32);
            Arena arena = Arena.ofConfined();
            Plan plan = device.getValue().plan(c.loss(), c.shape(), c.dtype());
            Matrix closed = Matrix.of(
                    arena.allocate(c.queries().length * c.shape().dim() * Float.BYTES, Float.BYTES),
                    DType.FLOAT32,
                    c.queries().length,
                    c.shape().dim());
            arena.close();
            if (wrong == 15) {
                plan.close();
            }
            try (plan) {
                Call call = new Call(memory.inputs(), memory.gradients());
                plan.forwardBackward(
                        damaged(call, wrong, closed, hasKeys).in, damaged(call, wrong, closed, hasKeys).out);
                throw new AssertionError(what + ": was taken");
            } catch (IllegalArgumentException | IllegalStateException | NullPointerException e) {
                check(e.getMessage() != null && !e.getMessage().isBlank(), what + ": " + e);
                check(
                        !(e instanceof NullPointerException) || wrong == 13,
                        what + ": NullPointerException where something is there");
            }
            memory.checkUntouched(what);
        }
    }

    private record Call(Inputs in, Gradients out) {}

    private static Call damaged(Call call, int wrong, Matrix closed, boolean hasKeys) {
        Inputs in = call.in;
        Gradients out = call.out;
        Matrix q = in.queries();
        Matrix extraRows = Matrix.zeros(DType.FLOAT32, q.rows() + MORE, q.dim());
        Matrix extraColumn = Matrix.zeros(DType.FLOAT32, q.rows(), q.dim() + 1);
        return switch (wrong) {
            case 0 -> new Call(queries(in, extraRows), out);
            case 1 -> new Call(queries(in, extraColumn), out);
            case 2 -> new Call(queries(in, Matrix.zeros(DType.FLOAT64, q.rows(), q.dim())), out);
            case 3 -> new Call(queries(in, closed), out);
            case 4 -> new Call(keys(in, hasKeys ? extraColumn : extraRows), out);
            case 5 -> new Call(in.withNegatives(extraColumn), out);
            case 6 -> new Call(in.withWeights(new float[1000]), out);
            case 7 -> new Call(in.withUpstream(Float.NaN), out);
            case 8 -> new Call(in.withUpstream(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), out);
            case 9 -> new Call(in.withLabels(new int[] {2}), out);
            case 10 -> new Call(in, new Gradients(q, out.dKeys(), out.dNegatives()));
            case 11 -> new Call(in, new Gradients(out.dQueries(), out.dKeys(), extraRows));
            case 12 ->
                new Call(
                        in,
                        new Gradients(
                                Matrix.of(
                                        out.dQueries().segment().asReadOnly(),
                                        DType.FLOAT32,
                                        q.rows(),
                                        q.dim(),
                                        out.dQueries().rowStride()),
                                out.dKeys(),
                                out.dNegatives()));
            case 13 -> new Call(null, out);
            case 14 -> new Call(in.withTemperature(-1), out);
            case 16 -> new Call(in.withGroups(new int[1000]), out);
            case 17 -> new Call(in.withGroups(in.groups(), new int[1000]), out);
            case 18 -> new Call(in.withLabels(in.labels(), new int[1000]), out);
            case 19 -> new Call(in.withLabels(in.labels() == null ? new int[] {1, 0} : null), out);
            case 20 -> new Call(in.withQueue(extraRows), out);
            case 21 -> new Call(in.withKeyOffsets(new float[1000]), out);
            case 22 -> new Call(in.withKeyOffsets(in.keyOffsets() == null ? new float[] {1} : null), out);
            case 23 -> new Call(in.withTeacherScores(new float[1000]), out);
            case 24 -> new Call(in.withTeacherScores(in.teacherScores() == null ? new float[] {1} : null), out);
            default -> call;
        };
    }

    private static Inputs queries(Inputs in, Matrix queries) {
        return towers(in, queries, in.keys());
    }

    private static Inputs keys(Inputs in, Matrix keys) {
        return towers(in, in.queries(), keys);
    }

    private static Inputs towers(Inputs in, Matrix queries, Matrix keys) {
        return new Inputs(
                queries,
                keys,
                in.negatives(),
                in.queue(),
                in.labels(),
                in.keyLabels(),
                in.groups(),
                in.keyGroups(),
                in.keyOffsets(),
                in.teacherScores(),
                in.weights(),
                in.upstream(),
                in.temperature(),
                in.bias());
    }

    /** Runs it, or finds it refused with a reason. */
    private static void refusedOr(String what, Runnable call) {
        try {
            call.run();
        } catch (IllegalArgumentException e) {
            check(e.getMessage() != null && !e.getMessage().isBlank(), what + ": refused without a reason");
        } catch (InfoNceException e) {
            check(
                    Set.of(Status.UNSUPPORTED, Status.OUT_OF_MEMORY, Status.INVALID_ARGUMENT)
                            .contains(e.status()),
                    what + ": " + e);
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
