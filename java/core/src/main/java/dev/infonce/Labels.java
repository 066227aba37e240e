package dev.infonce;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Labels, or groups, of rows from ids and names of other types: equal ones get one number, from 0 on in the order in which they
 * appear. Those of two towers are numbered together, so that a query and a key of one id have one number.
 */
public final class Labels {
    private static final int LIKE_NO_OTHER = -1;

    private Labels() {}

    /**
     * Labels from 64-bit ids. Every number is an id, those below 0 too; for rows that are like no other use {@link
     * #of(Object[])}.
     *
     * @param ids one a row
     * @return as many labels, all >= 0
     * @throws NullPointerException if ids is null
     */
    public static int[] of(long[] ids) {
        Map<Long, Integer> numbers = new HashMap<>();
        int[] labels = new int[ids.length];
        for (int row = 0; row < ids.length; row++) {
            labels[row] = number(numbers, ids[row]);
        }
        return labels;
    }

    /**
     * Labels from names, or anything that has {@code equals} and {@code hashCode}.
     *
     * @param names one a row; null for a row that is like no other
     * @return as many labels, -1 where a name is null
     * @throws NullPointerException if the array itself is null
     */
    public static int[] of(Object[] names) {
        Map<Object, Integer> numbers = new HashMap<>();
        int[] labels = new int[names.length];
        for (int row = 0; row < names.length; row++) {
            labels[row] = names[row] == null ? LIKE_NO_OTHER : number(numbers, names[row]);
        }
        return labels;
    }

    /**
     * Labels of queries and keys from 64-bit ids, numbered together.
     *
     * @param queryIds one a query; every number is an id, those below 0 too
     * @param keyIds one a key
     * @return as many labels of queries and of keys, all >= 0
     * @throws NullPointerException if an array is null
     */
    public static OfTowers of(long[] queryIds, long[] keyIds) {
        return OfTowers.of(
                of(LongStream.concat(Arrays.stream(queryIds), Arrays.stream(keyIds))
                        .toArray()),
                queryIds.length);
    }

    /**
     * Labels of queries and keys from names, numbered together.
     *
     * @param queryNames one a query; null for one that is like no other
     * @param keyNames one a key, likewise
     * @return as many labels of queries and of keys, -1 where a name is null
     * @throws NullPointerException if an array itself is null
     */
    public static OfTowers of(Object[] queryNames, Object[] keyNames) {
        return OfTowers.of(
                of(Stream.concat(Arrays.stream(queryNames), Arrays.stream(keyNames))
                        .toArray()),
                queryNames.length);
    }

    /**
     * Labels of queries that have one positive each, which may be any key: a {@link SupCon} of two towers with them is {@link InfoNce}
     * whose positive of query i is key positives[i] in place of key i, of any number of queries and keys, and several queries may have
     * the same. A query without a positive has loss 0, no gradient, and no share in a mean; its keys have none by it.
     *
     * @param positives the index of each query's positive among the keys, and then the queue, or -1 for none
     * @param keys how many keys there are, with the queue
     * @return the positives as labels of the queries, and 0 ... keys - 1 as those of keys
     * @throws IllegalArgumentException if keys is below 0, or a positive is not in [-1, keys - 1]
     * @throws NullPointerException if positives is null
     */
    public static OfTowers ofPositives(int[] positives, int keys) {
        Checks.range("keys", keys, 0, Integer.MAX_VALUE);
        for (int row = 0; row < positives.length; row++) {
            if (positives[row] < LIKE_NO_OTHER || positives[row] >= keys) {
                throw Checks.invalid(
                        "positives: must be in [-1, %d], but number %d is %d", keys - 1, row, positives[row]);
            }
        }
        return new OfTowers(positives.clone(), IntStream.range(0, keys).toArray());
    }

    /**
     * The labels of two towers, for {@link Inputs#withLabels(int[], int[])} and {@link Inputs#withGroups(int[], int[])}.
     *
     * @param queries of queries
     * @param keys of keys
     */
    public record OfTowers(int[] queries, int[] keys) {
        private static OfTowers of(int[] both, int queries) {
            return new OfTowers(Arrays.copyOf(both, queries), Arrays.copyOfRange(both, queries, both.length));
        }
    }

    private static <T> int number(Map<T, Integer> numbers, T of) {
        Integer next = numbers.size();
        Integer known = numbers.putIfAbsent(of, next);
        return known == null ? next : known;
    }
}
