package dev.infonce.suite;

import dev.infonce.DType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Two-dimensional .npy resources of little-endian floats or doubles, as NumPy writes them. */
final class NpyArrays {
    private static final int MAGIC = 8;
    private static final Pattern HEADER =
            Pattern.compile("'descr': '<f([48])', 'fortran_order': False, 'shape': \\((\\d+), (\\d+)\\)");

    private NpyArrays() {}

    record Array(DType dtype, double[][] rows) {}

    static Array read(String resource) throws IOException {
        byte[] bytes;
        try (InputStream in = NpyArrays.class.getResourceAsStream(resource)) {
            bytes = in.readAllBytes();
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = buffer.getShort(MAGIC);
        Matcher header = HEADER.matcher(new String(bytes, MAGIC + 2, length, StandardCharsets.US_ASCII));
        if (!header.find()) {
            throw new IOException(resource + " has a header of another kind");
        }
        DType dtype = header.group(1).equals("4") ? DType.FLOAT32 : DType.FLOAT64;
        double[][] rows = new double[Integer.parseInt(header.group(2))][Integer.parseInt(header.group(3))];
        buffer.position(MAGIC + 2 + length);
        for (double[] row : rows) {
            for (int d = 0; d < row.length; d++) {
                row[d] = dtype == DType.FLOAT32 ? buffer.getFloat() : buffer.getDouble();
            }
        }
        return new Array(dtype, rows);
    }
}
