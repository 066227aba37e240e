package dev.infonce.djl.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Grey images with class labels.
 *
 * @param count number of images
 * @param height rows of an image
 * @param width columns of an image
 * @param pixels count x height x width, unsigned bytes
 * @param labels one class an image, 0..255
 */
public record ImageSet(int count, int height, int width, byte[] pixels, byte[] labels) {

    /** Checks that the arrays have the sizes that the counts say. */
    public ImageSet {
        if ((long) count * height * width != pixels.length) {
            throw new IllegalArgumentException(
                    "pixels: " + pixels.length + " bytes for " + count + " x " + height + " x " + width + " images");
        }
        if (labels.length != count) {
            throw new IllegalArgumentException("labels: " + labels.length + " for " + count + " images");
        }
    }

    /**
     * Reads the IDX files of a set.
     *
     * @throws IdxException if either is malformed or their counts differ
     */
    public static ImageSet read(Path imageFile, Path labelFile) throws IOException {
        IdxFile images = IdxFile.read(imageFile, 3);
        IdxFile labels = IdxFile.read(labelFile, 1);
        int[] size = images.dimensions();
        if (labels.dimensions()[0] != size[0]) {
            throw new IdxException(
                    labelFile,
                    labels.dimensions()[0] + " labels, but " + imageFile.getFileName() + " has " + size[0] + " images");
        }
        return new ImageSet(size[0], size[1], size[2], images.data(), labels.data());
    }

    /** The first {@code n} images (all, if there are fewer). */
    public ImageSet first(int n) {
        if (n >= count) {
            return this;
        }
        return new ImageSet(n, height, width, Arrays.copyOf(pixels, n * pixelsPerImage()), Arrays.copyOf(labels, n));
    }

    /** height x width. */
    public int pixelsPerImage() {
        return height * width;
    }

    /** The class of an image, 0..255. */
    public int label(int image) {
        return labels[image] & 0xff;
    }
}
