package dev.infonce;

import dev.infonce.internal.Backend;
import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/** What has to be closed, apart from the device itself so that the garbage collector can tell that it was forgotten. */
final class DeviceResources implements Runnable {
    private final Lifetime lifetime;
    private final Set<Lifetime> resources = ConcurrentHashMap.newKeySet();
    private final OpenStreams streams = new OpenStreams();
    private Arena arena;

    DeviceResources(Backend backend) {
        this.lifetime = new Lifetime("device " + backend.name(), () -> {
            closeArena();
            backend.close();
        });
    }

    /** Keeps the backend open until release. IllegalStateException if the device is closed. */
    void acquire() {
        lifetime.acquire();
    }

    void release() {
        lifetime.release();
    }

    OpenStreams streams() {
        return streams;
    }

    /** The resource keeps the backend open until its last use has ended. */
    Lifetime adopt(String what, Runnable dispose) {
        lifetime.acquire();
        Lifetime[] self = new Lifetime[1];
        self[0] = new Lifetime(what, () -> {
            try {
                dispose.run();
            } finally {
                resources.remove(self[0]);
                lifetime.release();
            }
        });
        resources.add(self[0]);
        return self[0];
    }

    /** Zeros that live as long as the arena, which keeps the backend open; null stands for the device's own arena. */
    @SuppressWarnings("restricted")
    MemorySegment allocate(DeviceMemory memory, Arena arena, long bytes, boolean pinned) {
        MemorySegment allocated = memory.allocate(Math.max(1, bytes), pinned);
        boolean handedOver = false;
        try {
            if (pinned) {
                allocated.fill((byte) 0);
            } else {
                memory.clear(allocated, bytes);
            }
            MemorySegment owned = arena == null
                    ? allocated.reinterpret(pinned ? bytes : 0, arena(), _ -> memory.free(allocated, pinned))
                    : lent(memory, allocated, pinned ? bytes : 0, pinned, arena);
            handedOver = true;
            return owned;
        } finally {
            if (!handedOver) {
                memory.free(allocated, pinned);
            }
        }
    }

    @SuppressWarnings("restricted")
    private MemorySegment lent(
            DeviceMemory memory, MemorySegment allocated, long visible, boolean pinned, Arena arena) {
        lifetime.acquire();
        boolean handedOver = false;
        try {
            MemorySegment owned = allocated.reinterpret(visible, arena, _ -> {
                try {
                    memory.free(allocated, pinned);
                } finally {
                    lifetime.release();
                }
            });
            handedOver = true;
            return owned;
        } finally {
            if (!handedOver) {
                lifetime.release();
            }
        }
    }

    synchronized Arena arena() {
        if (arena == null) {
            arena = Arena.ofShared();
        }
        return arena;
    }

    /** Waits while a call of another device works on this memory. */
    private synchronized void closeArena() {
        while (arena != null) {
            try {
                arena.close();
                arena = null;
            } catch (IllegalStateException inUse) {
                LockSupport.parkNanos(100_000);
            }
        }
    }

    @Override
    public void run() {
        lifetime.close();
        resources.forEach(Lifetime::close);
    }
}
