package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/**
 * A training run between two steps.
 *
 * @param recipe of the run
 * @param seed of the run
 * @param dataChecksum of the training images
 * @param seconds spent training so far
 * @param curve one point a step done
 * @param snapshots geometry measured so far
 * @param arrays parameters, then first and second moments of those that are learned
 */
record Checkpoint(
        Recipe recipe,
        long seed,
        long dataChecksum,
        double seconds,
        List<CurvePoint> curve,
        List<GeometryPoint> snapshots,
        List<float[]> arrays) {
    private static final long MAGIC = 0x696e666f6e636531L;
    private static final int MAX_HEADER = 1 << 28;
    private static final int MAX_ARRAYS = 10_000;
    private static final int MAX_ARRAY = 1 << 26;
    private static final Gson GSON = new Gson();

    private record Header(
            Recipe recipe,
            long seed,
            long dataChecksum,
            double seconds,
            List<CurvePoint> curve,
            List<GeometryPoint> snapshots) {}

    /** Writes a file whole or not at all. */
    void save(Path file) throws IOException {
        Path partial = file.resolveSibling(file.getFileName() + ".partial");
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(partial)))) {
            byte[] header = GSON.toJson(new Header(recipe, seed, dataChecksum, seconds, curve, snapshots))
                    .getBytes(StandardCharsets.UTF_8);
            out.writeLong(MAGIC);
            out.writeInt(header.length);
            out.write(header);
            out.writeInt(arrays.size());
            for (float[] array : arrays) {
                out.writeInt(array.length);
                ByteBuffer bytes = ByteBuffer.allocate(4 * array.length);
                bytes.asFloatBuffer().put(array);
                out.write(bytes.array());
            }
        }
        Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @throws IOException with a message that names the file, if it is missing or not a whole checkpoint
     */
    static Checkpoint load(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + ": no such file; --resume takes the folder of an earlier run");
        }
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
            if (in.readLong() != MAGIC) {
                throw new IOException(file + ": not a checkpoint of infonce");
            }
            byte[] json = in.readNBytes(bounded(file, in.readInt(), MAX_HEADER));
            Header header = GSON.fromJson(new String(json, StandardCharsets.UTF_8), Header.class);
            int count = bounded(file, in.readInt(), MAX_ARRAYS);
            List<float[]> arrays = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int length = bounded(file, in.readInt(), MAX_ARRAY);
                byte[] bytes = in.readNBytes(4 * length);
                if (bytes.length < 4 * length) {
                    throw new EOFException();
                }
                float[] array = new float[length];
                ByteBuffer.wrap(bytes).asFloatBuffer().get(array);
                arrays.add(array);
            }
            if (header == null || header.recipe() == null || header.curve() == null || header.snapshots() == null) {
                throw new IOException(file + ": damaged checkpoint, its header is incomplete");
            }
            return new Checkpoint(
                    header.recipe(),
                    header.seed(),
                    header.dataChecksum(),
                    header.seconds(),
                    header.curve(),
                    header.snapshots(),
                    arrays);
        } catch (EOFException e) {
            throw new IOException(file + ": truncated checkpoint", e);
        } catch (JsonParseException e) {
            throw new IOException(file + ": damaged checkpoint, its header is not JSON", e);
        }
    }

    /**
     * Copies the arrays into those of a model and its optimiser, whatever their layout in memory.
     *
     * @throws IllegalArgumentException if their number or sizes differ
     */
    void fill(List<NDArray> targets) {
        if (targets.size() != arrays.size()) {
            throw new IllegalArgumentException(
                    "checkpoint has " + arrays.size() + " arrays, the model " + targets.size());
        }
        for (int i = 0; i < targets.size(); i++) {
            NDArray target = targets.get(i);
            if (target.size() != arrays.get(i).length) {
                throw new IllegalArgumentException("checkpoint's array " + i + " has " + arrays.get(i).length
                        + " numbers, the model's " + target.size());
            }
            try (NDArray source = target.getManager().create(arrays.get(i), target.getShape())) {
                target.set(new NDIndex("..."), source);
            }
        }
    }

    private static int bounded(Path file, int value, int most) throws IOException {
        if (value < 0 || value > most) {
            throw new IOException(file + ": damaged checkpoint, a length is " + value);
        }
        return value;
    }
}
