package dev.infonce.djl.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Fashion-MNIST: 60 000 training and 10 000 test images of clothes, 28 x 28, ten classes.
 *
 * @param train training images
 * @param test test images
 */
public record FashionMnist(ImageSet train, ImageSet test) {
    /** Names of the ten classes by label. */
    public static final List<String> CLASSES = List.of(
            "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot");

    private static final String TRAIN_IMAGES = "train-images-idx3-ubyte";
    private static final String TRAIN_LABELS = "train-labels-idx1-ubyte";
    private static final String TEST_IMAGES = "t10k-images-idx3-ubyte";
    private static final String TEST_LABELS = "t10k-labels-idx1-ubyte";
    private static final List<String> FILES = List.of(TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS);

    /**
     * Reads the four files of a folder, each plain or with .gz.
     *
     * @throws IdxException if a file is missing or malformed, images are not 28 x 28 in both sets alike, or a label is
     *     above 9
     */
    public static FashionMnist read(Path folder) throws IOException {
        ImageSet train = ImageSet.read(find(folder, TRAIN_IMAGES), find(folder, TRAIN_LABELS));
        ImageSet test = ImageSet.read(find(folder, TEST_IMAGES), find(folder, TEST_LABELS));
        checkImages(folder, TRAIN_IMAGES, train);
        checkImages(folder, TEST_IMAGES, test);
        return new FashionMnist(train, test);
    }

    /** Whether a folder has all four files, plain or with .gz. */
    public static boolean isIn(Path folder) {
        return FILES.stream()
                .allMatch(name ->
                        Files.isRegularFile(folder.resolve(name)) || Files.isRegularFile(folder.resolve(name + ".gz")));
    }

    private static Path find(Path folder, String name) throws IOException {
        Path plain = folder.resolve(name);
        Path packed = folder.resolve(name + ".gz");
        if (Files.isRegularFile(plain)) {
            return plain;
        }
        if (Files.isRegularFile(packed)) {
            return packed;
        }
        throw new IdxException(plain, "neither this file nor " + packed.getFileName() + " exists; needed are " + FILES);
    }

    private static void checkImages(Path folder, String name, ImageSet set) throws IOException {
        Path file = folder.resolve(name);
        if (set.height() != 28 || set.width() != 28) {
            throw new IdxException(file, "images of " + set.height() + " x " + set.width() + ", expected 28 x 28");
        }
        for (int i = 0; i < set.count(); i++) {
            if (set.label(i) >= CLASSES.size()) {
                throw new IdxException(file, "image " + i + " has label " + set.label(i) + ", allowed are 0 to 9");
            }
        }
    }
}
