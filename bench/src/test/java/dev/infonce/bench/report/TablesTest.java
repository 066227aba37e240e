package dev.infonce.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class TablesTest {
    @Test
    void aMissedTargetIsSaidAboveTheTableAndInItsRow() {
        Table ratios = Tables.ratios(ResultsSample.results());
        assertThat(ratios.note()).startsWith("1 target is MISSED.");
        assertThat(ratios.rows()).extracting(row -> row.get(4)).containsExactly("reached", "MISSED", "");
        assertThat(ratios.rows().get(1)).containsSequence("50.00", "100.0", "2.00", "3.00");
    }

    @Test
    void aComparisonShowsTheVariantAndWhatItsTargetNeeds() {
        Table ratios = Tables.ratios(ResultsSample.results());
        assertThat(ratios.rows())
                .extracting(row -> row.get(3) + " " + row.getLast())
                .containsExactly("log-softmax 40 %", "exponentials 104 %", "softmax ");
    }

    @Test
    void aRatioThatIsNotANumberIsMissed() {
        var some = ResultsSample.results().comparisons().getFirst();
        var unknown =
                new Results.Comparison("symmetric", 1, 1, "softmax", some.ours(), some.peer(), Double.NaN, 1.0, 1.0);
        assertThat(unknown.isMissed()).isTrue();
    }

    @Test
    void partsThatWereNotMeasuredHaveNoTable() {
        Results all = ResultsSample.results();
        Results none = new Results(
                all.machine(),
                all.command(),
                all.started(),
                1,
                1,
                List.of(),
                List.of(),
                List.of(),
                List.of(),
                List.of(),
                List.of());
        assertThat(Tables.of(none)).isEmpty();
        assertThat(Tables.of(all)).hasSize(7);
    }

    @Test
    void theGainOfAllThreadsIsBesideThatOfTheMachine() {
        Table scaling = Tables.scaling(ResultsSample.results());
        assertThat(scaling.rows().getFirst()).containsSequence("2", "100.0", "62.50", "1.60", "1.90", "1.70", "100 %");
        assertThat(scaling.rows()).extracting(List::getLast).containsExactly("100 %", "40 %", "");
        assertThat(scaling.rows()).allSatisfy(row -> assertThat(row).hasSameSizeAs(scaling.headers()));
    }

    @Test
    void bothTypesAreBesideTheirRatio() {
        Table dtypes = Tables.dtypes(ResultsSample.results());
        assertThat(dtypes.rows())
                .containsExactly(List.of("cpu", "infonce", "forward", "4096", "128", "2", "30.00", "20.00", "1.50"));
        assertThat(dtypes.headers()).endsWith("float32 ms", "bfloat16 ms", "ratio");
    }

    @Test
    void wordsAreSetToTheLeftAndNumbersToTheRight() {
        String text = new Table("t", "", List.of("name", "number"), 1, List.of(List.of("a", "1"))).text();
        assertThat(text).contains("| a    |      1 |");
    }
}
