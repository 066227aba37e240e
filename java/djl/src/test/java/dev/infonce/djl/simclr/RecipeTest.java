package dev.infonce.djl.simclr;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class RecipeTest {
    private static final int ALL = 60_000;

    @Test
    void theLearningRateWarmsUpLinearlyAndFallsAlongACosineToZero() {
        Recipe recipe = Recipe.standard().withSteps(1000);
        assertThat(recipe.learningRate(0)).isCloseTo(5e-3 / 100, within(1e-12));
        assertThat(recipe.learningRate(49)).isCloseTo(2.5e-3, within(1e-12));
        assertThat(recipe.learningRate(99)).isCloseTo(5e-3, within(1e-12));
        assertThat(recipe.learningRate(550)).isCloseTo(2.5e-3, within(1e-12));
        assertThat(recipe.learningRate(999)).isBetween(0.0, 1e-7);
        for (int step = 101; step < 1000; step++) {
            assertThat(recipe.learningRate(step)).isLessThan(recipe.learningRate(step - 1));
        }
    }

    @Test
    void optionsChooseTheRecipe() {
        assertThat(TrainOptions.defaults().recipe(ALL)).isEqualTo(Recipe.standard());
        assertThat(options(11, null, false, null, null).recipe(ALL).steps()).isEqualTo(2574);
        assertThat(options(null, 7, true, 64, null).recipe(ALL))
                .isEqualTo(Recipe.quick().withBatch(64).withSteps(7));
        TrainOptions triplets = new TrainOptions(
                null, null, false, null, null, false, 0, TrainingLoss.TRIPLET, null, "best", null, null);
        assertThat(triplets.recipe(ALL)).isEqualTo(Recipe.standard().withLoss(TrainingLoss.TRIPLET));
        assertThat(Recipe.standard().probeImages()).isEqualTo(ALL);
        assertThat(Recipe.quick().probeImages()).isEqualTo(5000);
        assertThat(Recipe.quick().withImages(300).probeImages()).isEqualTo(300);
        assertThat(Recipe.standard().mapImages()).isEqualTo(2000);
        assertThat(Recipe.quick().mapImages()).isEqualTo(500);
        assertThat(options(2, null, false, 100, null).recipe(1000).steps()).isEqualTo(20);
    }

    @Test
    void optionsOutOfRangeOrAgainstEachOtherAreNamed() {
        assertThatThrownBy(() -> options(0, null, false, null, null)).hasMessageContaining("--epochs is 0");
        assertThatThrownBy(() -> options(null, -1, false, null, null)).hasMessageContaining("--steps is -1");
        assertThatThrownBy(() -> options(null, null, false, 1, null)).hasMessageContaining("--batch is 1");
        assertThatThrownBy(() -> options(1, 1, false, null, null)).hasMessageContaining("exclude each other");
        assertThatThrownBy(() -> options(null, 5, false, null, Path.of("run"))).hasMessageContaining("--resume");
        assertThatThrownBy(() -> options(null, null, true, null, Path.of("run")))
                .hasMessageContaining("--quick");
        assertThatThrownBy(
                        () -> new TrainOptions(null, null, false, null, null, false, 0, null, null, "tpu", null, null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--device is tpu");
        assertThatThrownBy(() ->
                        new TrainOptions(null, null, false, null, null, false, 0, null, null, "best", null, Double.NaN))
                .hasMessageContaining("--require-gain");
        assertThatThrownBy(
                        () -> new TrainOptions(null, null, true, null, null, false, 0, null, null, "best", null, null))
                .hasMessageContaining("--overwrite");
    }

    private static TrainOptions options(Integer epochs, Integer steps, boolean quick, Integer batch, Path resume) {
        return new TrainOptions(null, null, false, epochs, steps, quick, 0, null, batch, "best", resume, null);
    }
}
