package dev.infonce;

import java.util.HashMap;
import java.util.Map;

/** Labels of rows from ids and names of other types: equal ones get one number, from 0 on in the order in which they appear. */
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

    private static <T> int number(Map<T, Integer> numbers, T of) {
        Integer next = numbers.size();
        Integer known = numbers.putIfAbsent(of, next);
        return known == null ? next : known;
    }
}
