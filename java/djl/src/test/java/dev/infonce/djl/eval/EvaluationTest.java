package dev.infonce.djl.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.infonce.Device;
import dev.infonce.djl.simclr.TorchRuntime;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class EvaluationTest {
    private NDManager manager;

    @BeforeEach
    void open() {
        Engine engine = TorchRuntime.start();
        manager = engine.newBaseManager(ai.djl.Device.cpu());
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void neighboursAreThoseOfTheLargestCosineAcrossBlocks() {
        int queries = 1203;
        int references = 70;
        int dim = 6;
        float[] left = random(queries * dim, 1);
        float[] right = random(references * dim, 2);
        int[][] found = NearestNeighbours.search(
                manager.create(left, new Shape(queries, dim)), manager.create(right, new Shape(references, dim)), 3);
        assertThat(found).hasNumberOfRows(queries);
        for (int query = 0; query < queries; query++) {
            int row = query;
            Integer[] order = new Integer[references];
            Arrays.setAll(order, i -> i);
            Arrays.sort(
                    order,
                    (a, b) -> Double.compare(cosine(left, row, right, b, dim), cosine(left, row, right, a, dim)));
            assertThat(found[query]).containsExactly(order[0], order[1], order[2]);
        }
    }

    @Test
    void theCommonestClassWinsAndOfEqualOnesTheNearest() {
        byte[] references = {0, 0, 1, 1, 2};
        int[][] neighbours = {{4, 0, 1}, {2, 0, 4}, {0, 2, 3, 1, 4}};
        assertThat(NearestNeighbours.accuracy(neighbours, new byte[] {0, 1, 0}, references))
                .isEqualTo(1);
        assertThat(NearestNeighbours.accuracy(neighbours, new byte[] {2, 1, 1}, references))
                .isCloseTo(1 / 3.0, within(1e-12));
    }

    @Test
    void theLinearProbeSeparatesWhatAPlaneSeparatesAndIgnoresConstantFeatures() {
        SplittableRandom random = new SplittableRandom(3);
        int count = 300;
        float[] features = new float[count * 4];
        byte[] labels = new byte[count];
        for (int i = 0; i < count; i++) {
            double x = random.nextDouble(-1, 1);
            double y = random.nextDouble(-1, 1);
            labels[i] = (byte) (x + y > 0.3 ? 2 : x - y > 0 ? 1 : 0);
            features[4 * i] = (float) (1000 * x + 5000);
            features[4 * i + 1] = (float) (0.01 * y);
            features[4 * i + 2] = 7;
            features[4 * i + 3] = random.nextFloat();
        }
        NDArray array = manager.create(features, new Shape(count, 4));
        double accuracy = LinearProbe.accuracy(new Representation(array, array.duplicate()), labels, labels, 3);
        assertThat(accuracy).isGreaterThan(0.97);
        byte[] shuffled = new byte[count];
        for (int i = 0; i < count; i++) {
            shuffled[i] = (byte) random.nextInt(3);
        }
        assertThat(LinearProbe.accuracy(new Representation(array, array.duplicate()), shuffled, shuffled, 3))
                .isLessThan(0.5);
    }

    @Test
    void geometryOfViewsThatAgreeAndOfViewsOnOppositeSides() {
        byte[] labels = {0, 0, 1, 1};
        NDArray axes = manager.create(new float[] {1, 0, 0, 2, -3, 0, 0, -4}, new Shape(4, 2));
        try (Device device = Device.java()) {
            Geometry same = Geometry.of(axes, axes.mul(5), labels, device);
            assertThat(same.partnerRate()).isEqualTo(1);
            assertThat(same.alignment()).isCloseTo(0, within(1e-6));
            assertThat(same.meanPositive()).isCloseTo(1, within(1e-6));
            assertThat(same.meanSameClass()).isCloseTo(0, within(1e-6));
            assertThat(same.meanOther()).isCloseTo(-0.5, within(1e-6));
            assertThat(same.positives()[Geometry.BINS - 1]).isEqualTo(1);
            assertThat(Arrays.stream(same.others()).sum()).isCloseTo(1, within(1e-12));
            Geometry opposite = Geometry.of(axes, axes.neg(), labels, device);
            assertThat(opposite.partnerRate()).isZero();
            assertThat(opposite.alignment()).isCloseTo(4, within(1e-6));
        }
    }

    @Test
    void theMapKeepsTwoFarGroupsApartAndIsTheSameEachTime() {
        int count = 120;
        float[] features = random(count * 5, 4);
        for (int i = 0; i < count; i++) {
            features[5 * i] += i < count / 2 ? 10 : -10;
        }
        NDArray array = manager.create(features, new Shape(count, 5));
        double[][] map = PlaneMap.of(array);
        assertThat(PlaneMap.of(array)).isDeepEqualTo(map);
        int right = 0;
        for (int i = 0; i < count; i++) {
            int nearest = i == 0 ? 1 : 0;
            for (int j = 0; j < count; j++) {
                if (j != i && distance(map[i], map[j]) < distance(map[i], map[nearest])) {
                    nearest = j;
                }
            }
            right += (i < count / 2) == (nearest < count / 2) ? 1 : 0;
        }
        assertThat(right).isGreaterThan(count * 95 / 100);
    }

    private static double distance(double[] a, double[] b) {
        return Math.hypot(a[0] - b[0], a[1] - b[1]);
    }

    private static double cosine(float[] left, int row, float[] right, int column, int dim) {
        double product = 0;
        double norm = 0;
        for (int k = 0; k < dim; k++) {
            product += (double) left[row * dim + k] * right[column * dim + k];
            norm += (double) right[column * dim + k] * right[column * dim + k];
        }
        return product / Math.sqrt(norm);
    }

    private static float[] random(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat() - 0.5f;
        }
        return values;
    }
}
