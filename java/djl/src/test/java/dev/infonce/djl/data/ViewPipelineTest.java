package dev.infonce.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.infonce.djl.TestData;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ViewPipelineTest {
    private static final ViewSettings SETTINGS = new ViewSettings(0.45, 0.2, 0.5, 0.4, 0.2);
    private static final int SIZE = 28 * 28;

    @Test
    void aStepGetsTheSameViewsWhateverTheThreadsAndWhereTheRunBegan() {
        ImageSet images = TestData.bars(40, 1);
        try (ViewPipeline one = pipeline(images, SETTINGS, 7, 1);
                ViewPipeline three = pipeline(images, SETTINGS, 7, 3)) {
            float[][] expected = new float[9][];
            for (int step = 0; step < 9; step++) {
                expected[step] = one.take(step).clone();
                assertThat(three.take(step)).isEqualTo(expected[step]);
            }
            try (ViewPipeline resumed = pipeline(images, SETTINGS, 7, 2)) {
                assertThat(resumed.take(6)).isEqualTo(expected[6]);
                assertThat(resumed.take(7)).isEqualTo(expected[7]);
            }
        }
    }

    @Test
    void anotherSeedAndAnotherStepGiveOtherViews() {
        ImageSet images = TestData.bars(40, 1);
        try (ViewPipeline one = pipeline(images, SETTINGS, 7, 2);
                ViewPipeline other = pipeline(images, SETTINGS, 8, 2)) {
            float[] first = one.take(0).clone();
            assertThat(other.take(0)).isNotEqualTo(first);
            assertThat(one.take(1)).isNotEqualTo(first);
        }
    }

    @Test
    void viewsOfOneImageAreHalfABatchApartAndAnEpochShowsEveryImageOnce() {
        ImageSet images = TestData.bars(40, 1);
        try (ViewPipeline pipeline = pipeline(images, ViewSettings.identity(), 3, 2)) {
            assertThat(pipeline.stepsPerEpoch()).isEqualTo(5);
            Set<String> first = epoch(pipeline, 0);
            Set<String> second = epoch(pipeline, 5);
            assertThat(first).hasSize(40).isEqualTo(second);
        }
    }

    @Test
    void theImagesOfABatchAreThoseItsViewsShow() {
        ImageSet images = TestData.bars(40, 1);
        try (ViewPipeline pipeline = pipeline(images, ViewSettings.identity(), 3, 2)) {
            for (int step = 0; step < 7; step++) {
                float[] views = pipeline.take(step);
                int[] drawn = pipeline.images(step);
                assertThat(drawn).hasSize(views.length / SIZE / 2).doesNotHaveDuplicates();
                for (int view = 0; view < 2 * drawn.length; view++) {
                    int image = drawn[view % drawn.length];
                    for (int pixel = 0; pixel < SIZE; pixel++) {
                        double expected = ((images.pixels()[image * SIZE + pixel] & 0xff) / 255.0 - 0.286) / 0.353;
                        assertThat((double) views[view * SIZE + pixel]).isCloseTo(expected, within(1e-5));
                    }
                }
            }
        }
    }

    @Test
    void aBatchLargerThanTheSetIsRefused() {
        assertThatThrownBy(() -> pipeline(TestData.bars(7, 1), SETTINGS, 0, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("batch is 8");
    }

    private static Set<String> epoch(ViewPipeline pipeline, int firstStep) {
        Set<String> seen = new HashSet<>();
        for (int step = firstStep; step < firstStep + 5; step++) {
            float[] batch = pipeline.take(step);
            for (int i = 0; i < 8; i++) {
                float[] view = Arrays.copyOfRange(batch, i * SIZE, (i + 1) * SIZE);
                float[] partner = Arrays.copyOfRange(batch, (i + 8) * SIZE, (i + 9) * SIZE);
                assertThat(partner).isEqualTo(view);
                seen.add(Arrays.toString(view));
            }
        }
        return seen;
    }

    private static ViewPipeline pipeline(ImageSet images, ViewSettings settings, long seed, int threads) {
        return new ViewPipeline(images, settings, 8, seed, 0.286f, 0.353f, threads);
    }
}
