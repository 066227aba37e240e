package dev.infonce.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes .npy files, well-formed or not, byte by byte and without the code under test. */
public final class NpyTestFiles {
    private NpyTestFiles() {}

    public static Path floats(Path path, String shape, double... values) throws IOException {
        ByteBuffer data = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            data.putFloat((float) value);
        }
        return file(path, 1, header("<f4", "False", shape), data.array());
    }

    public static Path doubles(Path path, String shape, double... values) throws IOException {
        ByteBuffer data = ByteBuffer.allocate(values.length * 8).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            data.putDouble(value);
        }
        return file(path, 1, header("<f8", "False", shape), data.array());
    }

    public static Path bytes(Path path, String descriptor, String shape, int... values) throws IOException {
        byte[] data = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            data[i] = (byte) values[i];
        }
        return file(path, 1, header(descriptor, "False", shape), data);
    }

    public static String header(String descriptor, String fortran, String shape) {
        return "{'descr': '" + descriptor + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
    }

    /** A file of version {@code major}.0 with that header text, padded as NumPy pads it. */
    public static Path file(Path path, int major, String header, byte[] data) throws IOException {
        int lengthBytes = major == 1 ? 2 : 4;
        int unpadded = 8 + lengthBytes + header.length() + 1;
        String padded = header + " ".repeat((64 - unpadded % 64) % 64) + "\n";
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', (byte) major, 0});
        ByteBuffer length =
                ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(padded.length());
        bytes.write(length.array(), 0, lengthBytes);
        bytes.write(padded.getBytes(StandardCharsets.ISO_8859_1));
        bytes.write(data);
        return Files.write(path, bytes.toByteArray());
    }
}
