package dev.infonce;

import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Records by the names of their components, so that a component added to a record is added nowhere else. By reflection: for what
 * is made before calls, not for calls.
 */
final class Components {
    private Components() {}

    /** The values by name, in the order of declaration. */
    static Map<String, Object> of(Record made) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (RecordComponent component : made.getClass().getRecordComponents()) {
            try {
                values.put(component.getName(), component.getAccessor().invoke(made));
            } catch (ReflectiveOperationException e) {
                throw new LinkageError(component + " cannot be read", e);
            }
        }
        return Collections.unmodifiableMap(values);
    }

    /** The same record but for one component; null passes to the record's own checks. */
    static <R extends Record> R with(R made, String name, Object value) {
        Map<String, Object> values = new LinkedHashMap<>(of(made));
        values.put(name, value);
        return made(made, values);
    }

    /** The same record but for some components. IllegalArgumentException, naming it, for a name or a type that it has not. */
    static <R extends Record> R with(R made, Map<String, ?> changes) {
        Map<String, Object> values = new LinkedHashMap<>(of(made));
        Map<String, Class<?>> types = Arrays.stream(made.getClass().getRecordComponents())
                .collect(Collectors.toMap(RecordComponent::getName, component -> boxed(component.getType())));
        changes.forEach((name, value) -> {
            Checks.argument(
                    values.containsKey(name),
                    "%s: %s has none, only %s",
                    name,
                    made.getClass().getSimpleName(),
                    String.join(", ", values.keySet()));
            Objects.requireNonNull(value, name);
            Class<?> type = types.get(name);
            Checks.argument(type.isInstance(value), "%s: must be a %s, but got %s", name, type.getSimpleName(), value);
            values.put(name, value);
        });
        return made(made, values);
    }

    /**
     * A record of 1 or its {@link DefaultNumber} for every double, false for every boolean, the first or its {@link DefaultSimilarity}
     * for every enum, an empty set for every set, and the same for records.
     */
    static <R extends Record> R defaults(Class<R> type) {
        return make(
                type,
                Arrays.stream(type.getRecordComponents())
                        .map(Components::defaultOf)
                        .toArray());
    }

    private static Object defaultOf(RecordComponent component) {
        DefaultNumber number = component.getAnnotation(DefaultNumber.class);
        if (number != null) {
            return number.value();
        }
        DefaultSimilarity similarity = component.getAnnotation(DefaultSimilarity.class);
        if (similarity != null) {
            return similarity.value();
        }
        Class<?> type = component.getType();
        if (type.isRecord()) {
            return defaults(type.asSubclass(Record.class));
        }
        if (type.isEnum()) {
            return type.getEnumConstants()[0];
        }
        return switch (boxed(type).getSimpleName()) {
            case "Double" -> 1.0;
            case "Boolean" -> false;
            case "Set" -> Set.of();
            default -> throw new LinkageError("no default for a component of " + type);
        };
    }

    private static Class<?> boxed(Class<?> type) {
        return MethodType.methodType(type).wrap().returnType();
    }

    @SuppressWarnings("unchecked")
    private static <R extends Record> R made(R like, Map<String, Object> values) {
        return (R) make(like.getClass(), values.values().toArray());
    }

    private static <R extends Record> R make(Class<R> type, Object[] values) {
        Class<?>[] types = Arrays.stream(type.getRecordComponents())
                .map(RecordComponent::getType)
                .toArray(Class<?>[]::new);
        try {
            Constructor<R> constructor = type.getConstructor(types);
            return constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            switch (e.getCause()) {
                case RuntimeException refused -> throw refused;
                case Error failed -> throw failed;
                case Throwable checked -> throw new LinkageError("records throw nothing checked", checked);
            }
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(type + " cannot be made", e);
        }
    }
}
