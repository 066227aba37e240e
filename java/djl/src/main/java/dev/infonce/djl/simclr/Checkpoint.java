package dev.infonce.djl.simclr;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import dev.infonce.djl.files.AtomicFile;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

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
    private static final byte[] MAGIC = "infonce".getBytes(StandardCharsets.US_ASCII);
    private static final char FORMAT = '3';
    private static final int HASH_BYTES = 32;
    private static final long MAX_BYTES = 1L << 30;
    // a metric that has no meaning for a loss is NaN
    private static final Gson GSON =
            new GsonBuilder().serializeSpecialFloatingPointValues().create();

    /** Checks that nothing is missing and that the parts fit together. */
    Checkpoint {
        require(recipe != null, "it has no recipe");
        require(isWhole(curve), "it has no whole curve");
        require(isWhole(snapshots), "it has no whole list of snapshots");
        require(isWhole(arrays), "it has no whole list of arrays");
        require(Double.isFinite(seconds) && seconds >= 0, "seconds is " + seconds);
        require(curve.size() <= recipe.steps(), "it has more steps than its recipe, " + curve.size());
        for (int i = 0; i < curve.size(); i++) {
            require(
                    curve.get(i).step() == i + 1,
                    "step " + (i + 1) + " of its curve is " + curve.get(i).step());
        }
    }

    private static boolean isWhole(List<?> list) {
        return list != null && list.stream().noneMatch(Objects::isNull);
    }

    private static void require(boolean holds, String problem) {
        if (!holds) {
            throw new IllegalArgumentException(problem);
        }
    }

    private record Header(
            Recipe recipe,
            long seed,
            long dataChecksum,
            double seconds,
            List<CurvePoint> curve,
            List<GeometryPoint> snapshots) {}

    /**
     * Writes a file whole or not at all: "infonce", the format's version as a digit, the header as JSON and the arrays, each
     * after its length, big-endian, and the SHA-256 of all that.
     *
     * @throws IOException with a message that names the file and the reason
     */
    void save(Path file) throws IOException {
        AtomicFile.write(file, target -> {
            DigestOutputStream hashed = new DigestOutputStream(target, sha256());
            DataOutputStream out = new DataOutputStream(hashed);
            out.write(MAGIC);
            out.writeByte(FORMAT);
            byte[] header = GSON.toJson(new Header(recipe, seed, dataChecksum, seconds, curve, snapshots))
                    .getBytes(StandardCharsets.UTF_8);
            out.writeInt(header.length);
            out.write(header);
            out.writeInt(arrays.size());
            for (float[] array : arrays) {
                out.writeInt(array.length);
                ByteBuffer bytes = ByteBuffer.allocate(4 * array.length);
                bytes.asFloatBuffer().put(array);
                out.write(bytes.array());
            }
            out.flush();
            target.write(hashed.getMessageDigest().digest());
        });
    }

    /**
     * Reads what {@link #save} wrote.
     *
     * @throws IOException with a message that names the file and the reason, if it is missing, no checkpoint, of another
     *     version of the format, or not as it was written
     */
    static Checkpoint load(Path file) throws IOException {
        try {
            if (!Files.isRegularFile(file)) {
                throw new IOException("no such file; --resume takes the folder of an earlier run");
            }
            if (Files.size(file) > MAX_BYTES) {
                throw new IOException("not a checkpoint of infonce, it has " + Files.size(file) + " bytes");
            }
            return parse(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new IOException(file + ": " + AtomicFile.reason(e), e);
        }
    }

    /** Reads bytes as {@link #save} writes them; messages of its IOException do not name a file. */
    static Checkpoint parse(byte[] bytes) throws IOException {
        if (bytes.length <= MAGIC.length || !Arrays.equals(MAGIC, Arrays.copyOf(bytes, MAGIC.length))) {
            throw new IOException("not a checkpoint of infonce");
        }
        if (bytes[MAGIC.length] != FORMAT) {
            throw new IOException("a checkpoint of format '" + printable(bytes[MAGIC.length]) + "', but this version of"
                    + " infonce reads format '" + FORMAT + "'");
        }
        int length = bytes.length - HASH_BYTES;
        if (length <= MAGIC.length) {
            throw new IOException("truncated checkpoint, it has " + bytes.length + " bytes");
        }
        MessageDigest hash = sha256();
        hash.update(bytes, 0, length);
        if (!Arrays.equals(hash.digest(), Arrays.copyOfRange(bytes, length, bytes.length))) {
            throw new IOException("damaged or truncated checkpoint, its checksum does not fit its content");
        }
        try {
            return content(ByteBuffer.wrap(bytes, MAGIC.length + 1, length - MAGIC.length - 1));
        } catch (BufferUnderflowException e) {
            throw new IOException("malformed checkpoint, it ends within an array", e);
        } catch (RuntimeException e) {
            // What the JSON reader, or the checks of a record, say of a header that some other program wrote.
            throw new IOException("malformed checkpoint: " + e.getMessage(), e);
        }
    }

    private static Checkpoint content(ByteBuffer in) {
        byte[] json = new byte[length("the header's length", in.getInt(), in.remaining())];
        in.get(json);
        Header header = GSON.fromJson(new String(json, StandardCharsets.UTF_8), Header.class);
        if (header == null) {
            throw new IllegalArgumentException("its header is empty");
        }
        int count = length("the number of arrays", in.getInt(), in.remaining() / 4);
        List<float[]> arrays = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            float[] array = new float[length("the length of array " + i, in.getInt(), in.remaining() / 4)];
            in.asFloatBuffer().get(array);
            in.position(in.position() + 4 * array.length);
            arrays.add(array);
        }
        if (in.hasRemaining()) {
            throw new IllegalArgumentException(in.remaining() + " bytes follow its last array");
        }
        return new Checkpoint(
                header.recipe(),
                header.seed(),
                header.dataChecksum(),
                header.seconds(),
                header.curve(),
                header.snapshots(),
                arrays);
    }

    private static int length(String what, int value, int most) {
        if (value < 0 || value > most) {
            throw new IllegalArgumentException(what + " is " + value + ", where at most " + most + " can follow");
        }
        return value;
    }

    private static String printable(byte character) {
        return character > ' ' && character < 127 ? Character.toString(character) : "\\" + (character & 0xff);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
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
}
