import static org.junit.platform.engine.discovery.ClassNameFilter.includeClassNamePatterns;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs tests until one fails, which it names, then ends at once with exit code 1. Arguments: classes, or class#method, or folders
 * of classes, of which all tests are run.
 */
final class FirstFailure implements TestExecutionListener {
    private final AtomicLong passed = new AtomicLong();

    public static void main(String[] arguments) {
        FirstFailure tests = new FirstFailure();
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(Arrays.stream(arguments).flatMap(a -> selectors(a).stream()).collect(Collectors.toList()))
                .filters(includeClassNamePatterns(".*(Test|Properties)"))
                .build();
        LauncherFactory.create().execute(request, tests);
        System.out.println("passed: " + tests.passed);
        end(0);
    }

    private static List<? extends DiscoverySelector> selectors(String argument) {
        if (argument.contains("/")) {
            return DiscoverySelectors.selectClasspathRoots(Set.of(Path.of(argument)));
        }
        if (!argument.contains("#")) {
            return List.of(DiscoverySelectors.selectClass(argument));
        }
        // By its name alone, whatever its parameters are.
        String[] parts = argument.split("#");
        try {
            Class<?> type = Class.forName(parts[0]);
            return Arrays.stream(type.getDeclaredMethods())
                    .filter(method -> method.getName().equals(parts[1]))
                    .map(method -> DiscoverySelectors.selectMethod(type, method))
                    .toList();
        } catch (ClassNotFoundException e) {
            throw new IllegalArgumentException(argument, e);
        }
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        if (result.getStatus() == TestExecutionResult.Status.FAILED) {
            String message = result.getThrowable().map(Throwable::toString).orElse("failed");
            String name = test.getUniqueId().replaceAll("\\[engine:[a-z-]*]/", "");
            System.out.println("failed: " + name + ": " + message.replaceAll("\\s+", " "));
            end(1);
        }
        if (test.isTest()) {
            passed.incrementAndGet();
        }
    }

    // Threads of a test that failed may still be running.
    private static void end(int code) {
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }
}
