package dev.infonce.djl.data;

import java.util.random.RandomGenerator;

/**
 * Makes random views: one bilinear affine resample (crop of random area, aspect and place, perhaps mirrored; zero
 * outside the image), then contrast, brightness and a clamp to [0, 1]. Stateless; safe for use by several threads.
 */
public final class ViewMaker {
    private final ViewSettings settings;
    private final int height;
    private final int width;

    /** For images of height x width pixels. */
    public ViewMaker(ViewSettings settings, int height, int width) {
        this.settings = settings;
        this.height = height;
        this.width = width;
    }

    /**
     * Writes one view.
     *
     * @param image unsigned bytes, the image starts at {@code imageOffset}
     * @param view height x width floats in [0, 1], from {@code viewOffset} on
     * @param random draws seven numbers, always, so that views depend on their own generator alone
     */
    public void make(byte[] image, int imageOffset, float[] view, int viewOffset, RandomGenerator random) {
        double area = settings.minArea() + (1 - settings.minArea()) * random.nextDouble();
        double aspect = Math.exp(settings.logAspect() * symmetric(random));
        // a crop that is wider or higher than the image shows zeros at its border
        double cropWidth = Math.sqrt(area * aspect);
        double cropHeight = Math.sqrt(area / aspect);
        double centreX = (1 - cropWidth) / 2 * symmetric(random);
        double centreY = (1 - cropHeight) / 2 * symmetric(random);
        boolean isFlipped = random.nextDouble() < settings.flip();
        float gain = (float) (1 + settings.contrast() * symmetric(random)) / 255f;
        float offset = (float) (settings.brightness() * symmetric(random));
        float stepX = (float) (isFlipped ? -cropWidth : cropWidth);
        float stepY = (float) cropHeight;
        // pixel centres: image coordinate of view column c is centre + step * (c - middle)
        float middleX = (width - 1) / 2f;
        float middleY = (height - 1) / 2f;
        float startX = middleX + (float) (centreX * width) - stepX * middleX;
        float startY = middleY + (float) (centreY * height) - stepY * middleY;
        resample(image, imageOffset, view, viewOffset, startX, stepX, startY, stepY, gain, offset);
    }

    private void resample(
            byte[] image,
            int imageOffset,
            float[] view,
            int viewOffset,
            float startX,
            float stepX,
            float startY,
            float stepY,
            float gain,
            float offset) {
        for (int row = 0; row < height; row++) {
            float y = startY + stepY * row;
            int top = (int) Math.floor(y);
            float below = y - top;
            for (int column = 0; column < width; column++) {
                float x = startX + stepX * column;
                int left = (int) Math.floor(x);
                float right = x - left;
                float upper =
                        mix(pixel(image, imageOffset, top, left), pixel(image, imageOffset, top, left + 1), right);
                float lower = mix(
                        pixel(image, imageOffset, top + 1, left), pixel(image, imageOffset, top + 1, left + 1), right);
                float value = mix(upper, lower, below) * gain + offset;
                view[viewOffset + row * width + column] = Math.clamp(value, 0f, 1f);
            }
        }
    }

    private int pixel(byte[] image, int imageOffset, int row, int column) {
        boolean isInside = row >= 0 && row < height && column >= 0 && column < width;
        return isInside ? image[imageOffset + row * width + column] & 0xff : 0;
    }

    private static float mix(float a, float b, float share) {
        return a + (b - a) * share;
    }

    private static double symmetric(RandomGenerator random) {
        return 2 * random.nextDouble() - 1;
    }
}
