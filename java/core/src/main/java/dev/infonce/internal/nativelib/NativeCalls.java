package dev.infonce.internal.nativelib;

import dev.infonce.bindings.infonce_h;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/**
 * The calls that read and write matrices of the caller. Their structs hold bare addresses, which do not keep an arena open; a
 * segment that is an argument does. So the matrices are passed as arguments too, after those of the C function: both 64-bit
 * calling conventions of Linux let the caller pass, and clean up, more than the function looks at.
 */
final class NativeCalls {
    /** Matrices of a call: three inputs and three gradients. */
    static final int MATRICES = 6;

    private static final MethodHandle FORWARD =
            link(infonce_h.nce_forward$address(), infonce_h.nce_forward$descriptor());
    private static final MethodHandle FORWARD_BACKWARD =
            link(infonce_h.nce_forward_backward$address(), infonce_h.nce_forward_backward$descriptor());

    private NativeCalls() {}

    /** Calls nce_forward, or nce_forward_backward, and gives its status. Matrices on the heap are null in held. */
    static int run(
            boolean gradients,
            MemorySegment plan,
            MemorySegment inputs,
            MemorySegment outputs,
            MemorySegment workspace,
            MemorySegment[] held) {
        MethodHandle handle = gradients ? FORWARD_BACKWARD : FORWARD;
        try {
            return (int) handle.invokeExact(
                    plan,
                    inputs,
                    outputs,
                    workspace,
                    workspace.byteSize(),
                    MemorySegment.NULL,
                    orNull(held[0]),
                    orNull(held[1]),
                    orNull(held[2]),
                    orNull(held[3]),
                    orNull(held[4]),
                    orNull(held[5]));
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError("native calls throw nothing checked", e);
        }
    }

    private static MemorySegment orNull(MemorySegment segment) {
        return segment == null ? MemorySegment.NULL : segment;
    }

    @SuppressWarnings("restricted")
    private static MethodHandle link(MemorySegment function, FunctionDescriptor descriptor) {
        MemoryLayout[] held = Collections.nCopies(MATRICES, infonce_h.C_POINTER).toArray(MemoryLayout[]::new);
        return Linker.nativeLinker().downcallHandle(function, descriptor.appendArgumentLayouts(held));
    }
}
