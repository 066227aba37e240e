package dev.infonce;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class LabelsTest {
    @Test
    void equalIdsHaveOneLabelWhateverTheirSign() {
        assertThat(Labels.of(new long[] {1L << 40, -1, 1L << 40, Long.MIN_VALUE, -1, 0}))
                .containsExactly(0, 1, 0, 2, 1, 3);
        assertThat(Labels.of(new long[0])).isEmpty();
    }

    /** Ids that are one int if they are cut off, and so must not be. */
    @Test
    void idsAreComparedInFull() {
        assertThat(Labels.of(new long[] {5, 5 + (1L << 32), 5 - (1L << 32)})).containsExactly(0, 1, 2);
    }

    @Test
    void equalNamesHaveOneLabelAndNullIsLikeNoOther() {
        Object[] names = {"cat", null, "dog", new String("cat"), null, List.of(1), List.of(1)};
        assertThat(Labels.of(names)).containsExactly(0, -1, 1, 0, -1, 2, 2);
        assertThat(Labels.of(new String[] {"one", "two", "one"})).containsExactly(0, 1, 0);
    }

    @Test
    void positivesAreLabelledByTheirKeys() {
        int[] positives = {2, 0, -1, 2};
        Labels.OfTowers labels = Labels.ofPositives(positives, 4);
        assertThat(labels.queries()).containsExactly(2, 0, -1, 2).isNotSameAs(positives);
        assertThat(labels.keys()).containsExactly(0, 1, 2, 3);
        assertThat(Labels.ofPositives(new int[] {-1}, 0).keys()).isEmpty();
    }

    @Test
    void twoTowersAreNumberedTogether() {
        Labels.OfTowers ids = Labels.of(new long[] {7, 1L << 40, 7}, new long[] {-1, 7, 1L << 40, 5});
        assertThat(ids.queries()).containsExactly(0, 1, 0);
        assertThat(ids.keys()).containsExactly(2, 0, 1, 3);
        Labels.OfTowers names = Labels.of(new String[] {null, "cat"}, new Object[] {"dog", "cat", null});
        assertThat(names.queries()).containsExactly(-1, 0);
        assertThat(names.keys()).containsExactly(1, 0, -1);
    }
}
