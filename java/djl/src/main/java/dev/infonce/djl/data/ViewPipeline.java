package dev.infonce.djl.data;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Prepares batches of two views beside the training step: while one batch is used the next is made in the other of two
 * buffers. What a step gets depends on the seed and the step's number alone, never on threads or on where a run began:
 * every epoch has its own shuffle and every view its own generator. For use by one thread.
 */
public final class ViewPipeline implements AutoCloseable {
    private final ImageSet images;
    private final ViewMaker maker;
    private final int batch;
    private final long seed;
    private final float mean;
    private final float deviation;
    private final int threads;
    private final ExecutorService workers;
    private final float[][] buffers;
    private final int[][] drawn;
    private final List<Future<?>> pending = new ArrayList<>();
    private long pendingStep = -1;
    private int[] order;
    private long orderEpoch = -1;

    /**
     * Starts the threads.
     *
     * @param batch images a step, at most the number of images; the last, incomplete batch of an epoch is left out
     * @param mean subtracted from every pixel of a view
     * @param deviation divides it then
     */
    public ViewPipeline(
            ImageSet images, ViewSettings settings, int batch, long seed, float mean, float deviation, int threads) {
        if (batch < 1 || batch > images.count()) {
            throw new IllegalArgumentException(
                    "batch is " + batch + ", allowed is 1 to the " + images.count() + " images");
        }
        this.images = images;
        this.maker = new ViewMaker(settings, images.height(), images.width());
        this.batch = batch;
        this.seed = seed;
        this.mean = mean;
        this.deviation = deviation;
        this.threads = threads;
        this.workers = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name("views-", 0).factory());
        this.buffers = new float[2][2 * batch * images.pixelsPerImage()];
        this.drawn = new int[2][batch];
    }

    /** Steps of an epoch. */
    public int stepsPerEpoch() {
        return images.count() / batch;
    }

    /**
     * The batch of a step and the start of making the next one: 2 x batch images, view i and view i + batch being of one
     * image, normalised. The array is reused by the step after the next.
     *
     * @throws IllegalStateException if a view could not be made
     */
    public float[] take(long step) {
        if (pendingStep != step) {
            await();
            start(step);
        }
        await();
        start(step + 1);
        return buffers[(int) (step & 1)];
    }

    /**
     * The images that the step's batch shows, in its order.
     *
     * @param step the one last taken
     * @return batch indices; the array is reused by the step after the next
     */
    public int[] images(long step) {
        return drawn[(int) (step & 1)];
    }

    private void start(long step) {
        long epoch = step / stepsPerEpoch();
        if (epoch != orderEpoch) {
            order = shuffled(epoch);
            orderEpoch = epoch;
        }
        int[] current = drawn[(int) (step & 1)];
        System.arraycopy(order, (int) (step % stepsPerEpoch()) * batch, current, 0, batch);
        float[] target = buffers[(int) (step & 1)];
        int views = 2 * batch;
        for (int t = 0; t < threads; t++) {
            int from = (int) ((long) views * t / threads);
            int to = (int) ((long) views * (t + 1) / threads);
            pending.add(workers.submit(() -> fill(current, target, step, from, to)));
        }
        pendingStep = step;
    }

    private void fill(int[] current, float[] target, long step, int from, int to) {
        int size = images.pixelsPerImage();
        for (int view = from; view < to; view++) {
            int image = current[view % batch];
            SplittableRandom random = new SplittableRandom(mix(mix(seed, step), view));
            maker.make(images.pixels(), image * size, target, view * size, random);
            for (int p = view * size; p < (view + 1) * size; p++) {
                target[p] = (target[p] - mean) / deviation;
            }
        }
    }

    private int[] shuffled(long epoch) {
        SplittableRandom random = new SplittableRandom(mix(mix(seed, 0x5eedL), epoch));
        int[] permutation = new int[images.count()];
        for (int i = 0; i < permutation.length; i++) {
            int j = random.nextInt(i + 1);
            permutation[i] = permutation[j];
            permutation[j] = i;
        }
        return permutation;
    }

    // SplittableRandom's own mixing spreads neighbouring seeds
    private static long mix(long seed, long salt) {
        return new SplittableRandom(seed ^ salt * 0x9e3779b97f4a7c15L).nextLong();
    }

    private void await() {
        try {
            for (Future<?> future : pending) {
                future.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while views were made", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("a view could not be made: " + e.getCause(), e.getCause());
        } finally {
            pending.clear();
        }
    }

    /** Ends the threads. */
    @Override
    public void close() {
        workers.shutdownNow();
    }
}
