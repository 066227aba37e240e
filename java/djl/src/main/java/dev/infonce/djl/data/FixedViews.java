package dev.infonce.djl.data;

import java.util.SplittableRandom;

/** One view of each image, the same whenever it is asked for: for measuring, not for learning. */
public final class FixedViews {
    private FixedViews() {}

    /**
     * Makes the views.
     *
     * @param seed decides them, together with the settings
     * @param mean subtracted from every pixel of a view
     * @param deviation divides it then
     * @return count x height x width
     */
    public static float[] of(ImageSet images, ViewSettings settings, long seed, float mean, float deviation) {
        int size = images.pixelsPerImage();
        ViewMaker maker = new ViewMaker(settings, images.height(), images.width());
        SplittableRandom random = new SplittableRandom(seed);
        float[] views = new float[images.count() * size];
        for (int image = 0; image < images.count(); image++) {
            maker.make(images.pixels(), image * size, views, image * size, random.split());
        }
        for (int i = 0; i < views.length; i++) {
            views[i] = (views[i] - mean) / deviation;
        }
        return views;
    }
}
