package dev.infonce.djl.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

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

    /** SHA-256 of the four files as they were published, unpacked, by name. */
    static final Map<String, String> PUBLISHED = Map.of(
            TRAIN_IMAGES, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            TRAIN_LABELS, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            TEST_IMAGES, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            TEST_LABELS, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34");

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

    /**
     * Checks that the files of a folder are the expected ones, plain or with .gz.
     *
     * @param expected SHA-256 of what is unpacked, in lower-case hexadecimal, by the name without .gz
     * @throws IOException with a message that names the file and the reason, if one is missing, unreadable or another
     */
    static void verify(Path folder, Map<String, String> expected) throws IOException {
        for (String name : FILES) {
            Path file = find(folder, name);
            String found = IdxFile.sha256(file);
            if (!found.equals(expected.get(name))) {
                throw new IdxException(file, "its content has SHA-256 " + found + ", not " + expected.get(name));
            }
        }
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
