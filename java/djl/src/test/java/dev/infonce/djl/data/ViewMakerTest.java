package dev.infonce.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ViewMakerTest {
    private static final int SIDE = 28;
    private static final double ROUNDING = 1e-5;

    @Test
    void withoutAnyChangeTheViewIsTheImage() {
        byte[] image = ramp();
        float[] view = make(ViewSettings.identity(), image, 1);
        for (int i = 0; i < view.length; i++) {
            assertThat((double) view[i]).isCloseTo((image[i] & 0xff) / 255.0, within(ROUNDING));
        }
    }

    @Test
    void aFlipMirrorsTheColumns() {
        byte[] image = ramp();
        float[] view = make(new ViewSettings(1, 0, 1, 0, 0), image, 1);
        for (int row = 0; row < SIDE; row++) {
            for (int column = 0; column < SIDE; column++) {
                double expected = (image[row * SIDE + SIDE - 1 - column] & 0xff) / 255.0;
                assertThat((double) view[row * SIDE + column]).isCloseTo(expected, within(ROUNDING));
            }
        }
    }

    /** A bilinear resample of a linear ramp is that ramp at the sampled places, so the crop can be read off the view. */
    @Test
    void aCropIsAnAffinePartOfTheImageOfTheRightArea() {
        byte[] horizontal = new byte[SIDE * SIDE];
        byte[] vertical = new byte[SIDE * SIDE];
        for (int i = 0; i < SIDE * SIDE; i++) {
            horizontal[i] = (byte) (9 * (i % SIDE));
            vertical[i] = (byte) (9 * (i / SIDE));
        }
        for (int seed = 0; seed < 200; seed++) {
            ViewSettings settings = new ViewSettings(0.45, 0, 0, 0, 0);
            float[] x = make(settings, horizontal, seed);
            float[] y = make(settings, vertical, seed);
            double width = (x[14 * SIDE + 20] - x[14 * SIDE + 7]) * 255 / 9 / 13;
            double height = (y[20 * SIDE + 14] - y[7 * SIDE + 14]) * 255 / 9 / 13;
            assertThat(width).isCloseTo(height, within(1e-4));
            assertThat(width * height).isBetween(0.45 - 1e-3, 1 + 1e-3);
            // within the image: nothing is cut off by the zeros outside
            assertThat(x[14 * SIDE]).isGreaterThanOrEqualTo(-1e-5f);
            assertThat((double) x[14 * SIDE + 14] - x[14 * SIDE + 13]).isCloseTo(width * 9 / 255, within(ROUNDING));
        }
    }

    @Test
    void lightChangesWithinItsRangesAndIsClamped() {
        byte[] grey = new byte[SIDE * SIDE];
        java.util.Arrays.fill(grey, (byte) 128);
        double least = 1;
        double most = 0;
        for (int seed = 0; seed < 500; seed++) {
            float value = make(new ViewSettings(1, 0, 0, 0.4, 0.2), grey, seed)[400];
            least = Math.min(least, value);
            most = Math.max(most, value);
        }
        double middle = 128 / 255.0;
        assertThat(least).isBetween(0.6 * middle - 0.2, 0.6 * middle - 0.1);
        assertThat(most).isBetween(1.4 * middle + 0.1, 1.4 * middle + 0.2);
        byte[] white = new byte[SIDE * SIDE];
        java.util.Arrays.fill(white, (byte) 255);
        for (int seed = 0; seed < 50; seed++) {
            assertThat(make(new ViewSettings(1, 0, 0, 0.4, 0.2), white, seed)[400])
                    .isBetween(0f, 1f);
        }
    }

    @Test
    void settingsOutOfRangeAreNamed() {
        assertThatThrownBy(() -> new ViewSettings(0, 0, 0, 0, 0)).hasMessageContaining("minArea is 0.0");
        assertThatThrownBy(() -> new ViewSettings(1, -1, 0, 0, 0)).hasMessageContaining("logAspect");
        assertThatThrownBy(() -> new ViewSettings(1, 0, 2, 0, 0)).hasMessageContaining("flip");
        assertThatThrownBy(() -> new ViewSettings(1, 0, 0, 1, 0)).hasMessageContaining("contrast");
        assertThatThrownBy(() -> new ViewSettings(1, 0, 0, 0, Double.NaN)).hasMessageContaining("brightness");
    }

    private static float[] make(ViewSettings settings, byte[] image, long seed) {
        float[] view = new float[SIDE * SIDE];
        new ViewMaker(settings, SIDE, SIDE).make(image, 0, view, 0, new SplittableRandom(seed));
        return view;
    }

    private static byte[] ramp() {
        byte[] image = new byte[SIDE * SIDE];
        for (int i = 0; i < image.length; i++) {
            image[i] = (byte) (i * 31 % 256);
        }
        return image;
    }
}
