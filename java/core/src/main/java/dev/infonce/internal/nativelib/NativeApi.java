package dev.infonce.internal.nativelib;

import dev.infonce.InfoNceException;
import dev.infonce.Status;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.loader.LibraryKind;
import dev.infonce.bindings.loader.NativeLibrary;
import dev.infonce.bindings.loader.NativeLibraryException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The functions of infonce.h in one library. The generated class binds each name once, but every library exports them all, so
 * here their signatures are bound to each.
 *
 * <p>The calls that read and write matrices of the caller have structs with bare addresses, which do not keep an arena open; a
 * segment that is an argument does. So the matrices are passed as arguments too, after those of the C function: both 64-bit
 * calling conventions of Linux let the caller pass, and clean up, more than the function looks at.
 */
final class NativeApi {
    /** Matrices of a call: three inputs and three gradients. */
    static final int MATRICES = 7;

    private static final Map<LibraryKind, NativeApi> BOUND = new EnumMap<>(LibraryKind.class);

    private final MethodHandle lastError;
    private final MethodHandle deviceCount;
    private final MethodHandle contextCreate;
    private final MethodHandle contextInfo;
    private final MethodHandle contextDestroy;
    private final MethodHandle planCreate;
    private final MethodHandle planDestroy;
    private final MethodHandle planWorkspaceBytes;
    private final MethodHandle forward;
    private final MethodHandle forwardBackward;
    private final MethodHandle workspaceStatus;
    private final MethodHandle memoryAllocate;
    private final MethodHandle memoryFree;
    private final MethodHandle memoryCopy;
    private final MethodHandle streamCreate;
    private final MethodHandle streamSynchronize;
    private final MethodHandle streamDestroy;

    private NativeApi(SymbolLookup symbols) {
        lastError = link(symbols, "nce_last_error", infonce_h::nce_last_error$descriptor);
        deviceCount = link(symbols, "nce_device_count", infonce_h::nce_device_count$descriptor);
        contextCreate = link(symbols, "nce_context_create", infonce_h::nce_context_create$descriptor);
        contextInfo = link(symbols, "nce_context_info", infonce_h::nce_context_info$descriptor);
        contextDestroy = link(symbols, "nce_context_destroy", infonce_h::nce_context_destroy$descriptor);
        planCreate = link(symbols, "nce_plan_create", infonce_h::nce_plan_create$descriptor);
        planDestroy = link(symbols, "nce_plan_destroy", infonce_h::nce_plan_destroy$descriptor);
        planWorkspaceBytes = link(symbols, "nce_plan_workspace_bytes", infonce_h::nce_plan_workspace_bytes$descriptor);
        forward = link(symbols, "nce_forward", () -> holding(infonce_h.nce_forward$descriptor()));
        forwardBackward =
                link(symbols, "nce_forward_backward", () -> holding(infonce_h.nce_forward_backward$descriptor()));
        workspaceStatus = link(symbols, "nce_workspace_status", infonce_h::nce_workspace_status$descriptor);
        memoryAllocate = link(symbols, "nce_memory_allocate", infonce_h::nce_memory_allocate$descriptor);
        memoryFree = link(symbols, "nce_memory_free", infonce_h::nce_memory_free$descriptor);
        memoryCopy = link(symbols, "nce_memory_copy", infonce_h::nce_memory_copy$descriptor);
        streamCreate = link(symbols, "nce_stream_create", infonce_h::nce_stream_create$descriptor);
        streamSynchronize = link(symbols, "nce_stream_synchronize", infonce_h::nce_stream_synchronize$descriptor);
        streamDestroy = link(symbols, "nce_stream_destroy", infonce_h::nce_stream_destroy$descriptor);
    }

    /** Loads the library if that has not been done. Throws InfoNceException, NO_DEVICE with the reason if it cannot be used. */
    static NativeApi of(LibraryKind kind, String device) {
        synchronized (BOUND) {
            NativeApi api = BOUND.get(kind);
            if (api == null) {
                try {
                    api = new NativeApi(NativeLibrary.load(kind).symbols());
                } catch (NativeLibraryException e) {
                    throw new InfoNceException(Status.NO_DEVICE, "device " + device + ": " + e.getMessage(), e);
                } catch (RuntimeException | LinkageError e) {
                    throw new InfoNceException(
                            Status.NO_DEVICE,
                            "device " + device + ": the functions of " + kind.fileName() + " cannot be bound: " + e
                                    + ". " + NativeLibrary.remedy(kind),
                            e);
                }
                BOUND.put(kind, api);
            }
            return api;
        }
    }

    /** Throws what the library said, unless the call ended well. To be called by the thread that made the call. */
    void check(int status) {
        if (status != infonce_h.NCE_STATUS_OK()) {
            Status[] all = Status.values();
            throw new InfoNceException(status > 0 && status < all.length ? all[status] : Status.INTERNAL, lastError());
        }
    }

    @SuppressWarnings("restricted")
    String lastError() {
        try {
            return ((MemorySegment) lastError.invokeExact())
                    .reinterpret(Long.MAX_VALUE)
                    .getString(0);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int deviceCount(int backend, MemorySegment count) {
        try {
            return (int) deviceCount.invokeExact(backend, count);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int contextCreate(MemorySegment desc, MemorySegment pointer) {
        return two(contextCreate, desc, pointer);
    }

    int contextInfo(MemorySegment context, MemorySegment info) {
        return two(contextInfo, context, info);
    }

    void contextDestroy(MemorySegment context) {
        destroy(contextDestroy, context);
    }

    int planCreate(MemorySegment context, MemorySegment desc, MemorySegment pointer) {
        try {
            return (int) planCreate.invokeExact(context, desc, pointer);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    void planDestroy(MemorySegment plan) {
        destroy(planDestroy, plan);
    }

    int planWorkspaceBytes(MemorySegment plan, int pass, MemorySegment bytes) {
        try {
            return (int) planWorkspaceBytes.invokeExact(plan, pass, bytes);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** nce_forward, or nce_forward_backward. Segments that need no holding are null in held. */
    int run(
            boolean gradients,
            MemorySegment plan,
            MemorySegment inputs,
            MemorySegment outputs,
            MemorySegment workspace,
            long workspaceBytes,
            MemorySegment stream,
            MemorySegment[] held) {
        MethodHandle handle = gradients ? forwardBackward : forward;
        try {
            return (int) handle.invokeExact(
                    plan,
                    inputs,
                    outputs,
                    workspace,
                    workspaceBytes,
                    stream,
                    orNull(held[0]),
                    orNull(held[1]),
                    orNull(held[2]),
                    orNull(held[3]),
                    orNull(held[4]),
                    orNull(held[5]),
                    orNull(held[6]));
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int workspaceStatus(MemorySegment plan, MemorySegment workspace, MemorySegment stream) {
        try {
            return (int) workspaceStatus.invokeExact(plan, workspace, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int memoryAllocate(MemorySegment context, int kind, long bytes, MemorySegment pointer) {
        try {
            return (int) memoryAllocate.invokeExact(context, kind, bytes, pointer);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int memoryFree(MemorySegment context, int kind, MemorySegment memory) {
        try {
            return (int) memoryFree.invokeExact(context, kind, memory);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int memoryCopy(MemorySegment context, MemorySegment to, MemorySegment from, long bytes, MemorySegment stream) {
        try {
            return (int) memoryCopy.invokeExact(context, to, from, bytes, stream);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    int streamCreate(MemorySegment context, MemorySegment pointer) {
        return two(streamCreate, context, pointer);
    }

    int streamSynchronize(MemorySegment context, MemorySegment stream) {
        return two(streamSynchronize, context, stream);
    }

    int streamDestroy(MemorySegment context, MemorySegment stream) {
        return two(streamDestroy, context, stream);
    }

    private static int two(MethodHandle handle, MemorySegment first, MemorySegment second) {
        try {
            return (int) handle.invokeExact(first, second);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static void destroy(MethodHandle handle, MemorySegment what) {
        try {
            handle.invokeExact(what);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static RuntimeException unexpected(Throwable e) {
        if (e instanceof RuntimeException unchecked) {
            return unchecked;
        }
        if (e instanceof Error error) {
            throw error;
        }
        throw new AssertionError("native calls throw nothing checked", e);
    }

    private static MemorySegment orNull(MemorySegment segment) {
        return segment == null ? MemorySegment.NULL : segment;
    }

    private static FunctionDescriptor holding(FunctionDescriptor function) {
        MemoryLayout[] held = new MemoryLayout[MATRICES];
        Arrays.fill(held, infonce_h.C_POINTER);
        return function.appendArgumentLayouts(held);
    }

    @SuppressWarnings("restricted")
    private static MethodHandle link(SymbolLookup symbols, String name, Supplier<FunctionDescriptor> descriptor) {
        // Looked for first, since a descriptor is of a generated class, which fails for good where the function is
        // missing.
        MemorySegment function =
                symbols.find(name).orElseThrow(() -> new UnsatisfiedLinkError("the library has no " + name));
        return Linker.nativeLinker().downcallHandle(function, descriptor.get());
    }
}
