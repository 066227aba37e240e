package dev.infonce.djl;

import dev.infonce.djl.data.ImageSet;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.zip.GZIPOutputStream;

/** Small made-up images and IDX files. */
public final class TestData {
    private TestData() {}

    /** Images of ten classes: a bright bar whose place and direction tell the class, with noise. */
    public static ImageSet bars(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] pixels = new byte[count * 28 * 28];
        byte[] labels = new byte[count];
        for (int image = 0; image < count; image++) {
            int label = image % 10;
            labels[image] = (byte) label;
            int middle = 4 + label % 5 * 5 + random.nextInt(2);
            for (int row = 0; row < 28; row++) {
                for (int column = 0; column < 28; column++) {
                    int across = label < 5 ? row : column;
                    int value = Math.abs(across - middle) < 2 ? 180 + random.nextInt(60) : random.nextInt(40);
                    pixels[(image * 28 + row) * 28 + column] = (byte) value;
                }
            }
        }
        return new ImageSet(count, 28, 28, pixels, labels);
    }

    /** Writes the four files of a data set, the training images gzipped. */
    public static Path write(Path folder, ImageSet train, ImageSet test) throws IOException {
        Files.createDirectories(folder);
        writeImages(folder.resolve("train-images-idx3-ubyte.gz"), train);
        writeLabels(folder.resolve("train-labels-idx1-ubyte"), train);
        writeImages(folder.resolve("t10k-images-idx3-ubyte"), test);
        writeLabels(folder.resolve("t10k-labels-idx1-ubyte"), test);
        return folder;
    }

    private static void writeImages(Path file, ImageSet set) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(16);
        header.putInt(0x803).putInt(set.count()).putInt(set.height()).putInt(set.width());
        write(file, header.array(), set.pixels());
    }

    private static void writeLabels(Path file, ImageSet set) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(8);
        header.putInt(0x801).putInt(set.count());
        write(file, header.array(), set.labels());
    }

    private static void write(Path file, byte[] header, byte[] data) throws IOException {
        try (OutputStream raw = Files.newOutputStream(file);
                OutputStream out = file.toString().endsWith(".gz") ? new GZIPOutputStream(raw) : raw) {
            out.write(header);
            out.write(data);
        }
    }
}
