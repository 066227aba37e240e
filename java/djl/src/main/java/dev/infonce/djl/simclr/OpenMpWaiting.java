package dev.infonce.djl.simclr;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Makes PyTorch's OpenMP threads sleep while they wait for each other. By default they spin, which on a machine that also
 * does something else (the loss, the views, another process) costs far more than it saves: on two busy cores training was
 * seven times slower. OpenMP reads the setting from the process environment once, when its library is loaded.
 */
final class OpenMpWaiting {
    private static final String VARIABLE = "OMP_WAIT_POLICY";
    private static final String PASSIVE = "PASSIVE";
    private static final int KEEP_EXISTING = 0;

    private OpenMpWaiting() {}

    /** Asks for sleeping unless the user's environment says otherwise; does nothing where there is no setenv. */
    @SuppressWarnings("restricted")
    static void passive() {
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> setenv = linker.defaultLookup().find("setenv");
        if (setenv.isEmpty()) {
            return;
        }
        MethodHandle call = linker.downcallHandle(
                setenv.get(),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            int status =
                    (int) call.invokeExact(arena.allocateFrom(VARIABLE), arena.allocateFrom(PASSIVE), KEEP_EXISTING);
            if (status != 0) {
                throw new IllegalStateException("setenv(" + VARIABLE + ") failed");
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("setenv could not be called", e);
        }
    }
}
