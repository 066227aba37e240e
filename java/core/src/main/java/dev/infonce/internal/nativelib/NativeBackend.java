package dev.infonce.internal.nativelib;

import dev.infonce.ContrastiveLoss;
import dev.infonce.CpuOptions;
import dev.infonce.DType;
import dev.infonce.InfoNceException;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.loader.NativeLibrary;
import dev.infonce.bindings.loader.NativeLibraryException;
import dev.infonce.bindings.nce_context_desc;
import dev.infonce.bindings.nce_device_info;
import dev.infonce.internal.Backend;
import dev.infonce.internal.PlanExecutor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A context of libinfonce.so. */
public final class NativeBackend implements Backend {
    private final MemorySegment context;
    private final String description;

    private NativeBackend(MemorySegment context, String description) {
        this.context = context;
        this.description = description;
    }

    /** Opens the native CPU device. Throws InfoNceException, NO_DEVICE if the library cannot be used. */
    public static NativeBackend cpu(CpuOptions options) {
        load("cpu");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment desc = nce_context_desc.allocate(arena);
            nce_context_desc.struct_size(desc, (int) nce_context_desc.sizeof());
            nce_context_desc.backend(desc, infonce_h.NCE_BACKEND_CPU());
            nce_context_desc.threads(desc, options.threads());
            nce_context_desc.max_isa(desc, NativeLoss.isa(options.maxIsa()));
            MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
            NativeStatus.check(infonce_h.nce_context_create(desc, pointer));
            MemorySegment context = pointer.get(infonce_h.C_POINTER, 0);
            try {
                MemorySegment info = nce_device_info.allocate(arena);
                nce_device_info.struct_size(info, (int) nce_device_info.sizeof());
                NativeStatus.check(infonce_h.nce_context_info(context, info));
                return new NativeBackend(
                        context, nce_device_info.device_name(info).getString(0));
            } catch (RuntimeException | Error e) {
                infonce_h.nce_context_destroy(context);
                throw e;
            }
        }
    }

    /** Whether the user hides the library. */
    public static boolean isSwitchedOff() {
        return NativeLibrary.isSwitchedOff();
    }

    /** Why cuda, or emulated, cannot be used. */
    public static String whyNot(String name) {
        try {
            load(name);
        } catch (InfoNceException e) {
            return e.getMessage();
        }
        int backend = name.equals("cuda") ? infonce_h.NCE_BACKEND_CUDA() : infonce_h.NCE_BACKEND_EMULATED();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            NativeStatus.check(infonce_h.nce_device_count(backend, count));
            int devices = count.get(ValueLayout.JAVA_INT, 0);
            return "device " + name + ": "
                    + (devices == 0
                            ? NativeStatus.lastError()
                            : "the native library has " + devices
                                    + ", but this version of the Java API cannot use them");
        } catch (InfoNceException e) {
            return e.getMessage();
        }
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public PlanExecutor plan(ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options) {
        return new NativePlanExecutor(context, loss, shape, dtype, options);
    }

    @Override
    public void close() {
        infonce_h.nce_context_destroy(context);
    }

    private static void load(String device) {
        try {
            NativeLibrary.load();
        } catch (NativeLibraryException | LinkageError e) {
            throw new InfoNceException(Status.NO_DEVICE, "device " + device + ": " + e.getMessage(), e);
        }
    }
}
