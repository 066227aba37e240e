package dev.infonce.djl.data;

/**
 * How strongly a random view differs from its image.
 *
 * @param minArea smallest share of the image's area that a crop keeps, in (0, 1]; the largest is 1
 * @param logAspect the crop's aspect ratio is e^u with u uniform in [-logAspect, logAspect]
 * @param flip probability of a horizontal flip
 * @param contrast pixels are multiplied by 1 + u, u uniform in [-contrast, contrast]
 * @param brightness then u, uniform in [-brightness, brightness], is added
 */
public record ViewSettings(double minArea, double logAspect, double flip, double contrast, double brightness) {

    /** Checks the ranges. */
    public ViewSettings {
        require(minArea > 0 && minArea <= 1, "minArea", minArea, "(0, 1]");
        require(logAspect >= 0 && logAspect <= 2, "logAspect", logAspect, "[0, 2]");
        require(flip >= 0 && flip <= 1, "flip", flip, "[0, 1]");
        require(contrast >= 0 && contrast < 1, "contrast", contrast, "[0, 1)");
        require(brightness >= 0 && brightness <= 1, "brightness", brightness, "[0, 1]");
    }

    /** Neither crop nor flip nor change of light: the view is the image. */
    public static ViewSettings identity() {
        return new ViewSettings(1, 0, 0, 0, 0);
    }

    private static void require(boolean holds, String name, double value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", allowed is " + allowed);
        }
    }
}
