package dev.infonce.internal.java;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * Runs the tasks that a problem is cut into on up to a number of threads. How it is cut depends on its shape alone and every task
 * writes places of its own, so the number of threads never changes a result.
 */
public final class Workers {
    private final int threads;

    Workers(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + "; it must be at least 1");
        }
        this.threads = threads;
    }

    /** The caller's thread alone. */
    public static Workers sequential() {
        return new Workers(1);
    }

    /**
     * Calls body(0) ... body(count - 1), each once, and returns when all have ended; the caller's thread takes part. Each
     * thread has a share of neighbouring tasks, the same one in runs of as many, so that what it wrote is still in its
     * cache; who has ended takes from the ends of the others' shares.
     */
    public void run(int count, IntConsumer body) {
        int helpers = Math.min(threads, count) - 1;
        if (helpers <= 0) {
            for (int task = 0; task < count; task++) {
                body.accept(task);
            }
            return;
        }
        Batch batch = new Batch(count, helpers + 1, body);
        for (int helper = 0; helper < helpers; helper++) {
            try {
                ForkJoinPool.commonPool().execute(batch);
            } catch (RejectedExecutionException _) {
                break; // the pool is shutting down or full: the caller does the work
            }
        }
        batch.run();
        batch.await();
    }

    /** A late helper finds no task left and ends at once, so that waiting for the tasks is waiting for all. */
    private static final class Batch implements Runnable {
        private static final int SPACING = 8; // longs from share to share, as each thread writes to its own

        private final int threads;
        private final IntConsumer body;
        private final AtomicInteger joined = new AtomicInteger();
        private final AtomicLongArray shares; // what is left: first task in the high half, end in the low one
        private final CountDownLatch left;
        private final AtomicReference<Throwable> failure = new AtomicReference<>();

        Batch(int count, int threads, IntConsumer body) {
            this.threads = threads;
            this.body = body;
            this.left = new CountDownLatch(count);
            this.shares = new AtomicLongArray(threads * SPACING);
            for (int thread = 0; thread < threads; thread++) {
                long begin = (long) count * thread / threads;
                long end = (long) count * (thread + 1) / threads;
                shares.set(thread * SPACING, begin << 32 | end);
            }
        }

        private int take(int thread) {
            int task = takeFrom(thread, true);
            for (int k = 1; k < threads && task < 0; k++) {
                task = takeFrom((thread + k) % threads, false);
            }
            return task;
        }

        /** The first or the last task that is left of a share, or -1. */
        private int takeFrom(int thread, boolean first) {
            int at = thread * SPACING;
            while (true) {
                long share = shares.get(at);
                int begin = (int) (share >>> 32);
                int end = (int) share;
                if (begin >= end) {
                    return -1;
                }
                long rest = first ? (long) (begin + 1) << 32 | end : (long) begin << 32 | end - 1;
                if (shares.compareAndSet(at, share, rest)) {
                    return first ? begin : end - 1;
                }
            }
        }

        @Override
        public void run() {
            int thread = joined.getAndIncrement();
            for (int task = take(thread); task >= 0; task = take(thread)) {
                try {
                    if (failure.get() == null) {
                        body.accept(task);
                    }
                } catch (RuntimeException | Error thrown) {
                    failure.compareAndSet(null, thrown);
                } finally {
                    left.countDown();
                }
            }
        }

        void await() {
            boolean interrupted = false;
            while (true) {
                try {
                    left.await();
                    break;
                } catch (InterruptedException _) {
                    interrupted = true; // tasks on the caller's buffers are running: they must end first
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            switch (failure.get()) {
                case null -> {}
                case RuntimeException thrown -> throw thrown;
                case Error thrown -> throw thrown;
                case Throwable thrown -> throw new IllegalStateException(thrown);
            }
        }
    }
}
