package dev.infonce.internal.java;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/**
 * Runs the strips of a problem on up to a number of threads. How a problem is cut depends on its shape alone and every
 * strip writes places of its own, so the number of threads never changes a result.
 */
final class Strips {
    private final int threads;

    Strips(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads is " + threads + "; it must be at least 1");
        }
        this.threads = threads;
    }

    /** Strips of one thread, the caller's. */
    static Strips sequential() {
        return new Strips(1);
    }

    /** Calls body(0) ... body(count - 1), each once, and returns when all have ended; the caller's thread takes part. */
    void run(int count, IntConsumer body) {
        int helpers = Math.min(threads, count) - 1;
        if (helpers <= 0) {
            for (int strip = 0; strip < count; strip++) {
                body.accept(strip);
            }
            return;
        }
        Batch batch = new Batch(count, body);
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

    /** A late helper finds no strip left and ends at once, so that waiting for the strips is waiting for all. */
    private static final class Batch implements Runnable {
        private final int count;
        private final IntConsumer body;
        private final AtomicInteger next = new AtomicInteger();
        private final CountDownLatch left;
        private final AtomicReference<Throwable> failure = new AtomicReference<>();

        Batch(int count, IntConsumer body) {
            this.count = count;
            this.body = body;
            this.left = new CountDownLatch(count);
        }

        @Override
        public void run() {
            for (int strip = next.getAndIncrement(); strip < count; strip = next.getAndIncrement()) {
                try {
                    if (failure.get() == null) {
                        body.accept(strip);
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
                    interrupted = true; // strips of the caller's buffers are running: they must end first
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
