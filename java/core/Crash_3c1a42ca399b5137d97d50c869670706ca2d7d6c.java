import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

public class Crash_3c1a42ca399b5137d97d50c869670706ca2d7d6c {
    static final String base64Bytes = String.join("", "zCAgounBKLWoVHKShJ1ldMedFadfopt9qzMvfXAKfM0=");

    public static void main(String[] args) throws Throwable {
        Crash_3c1a42ca399b5137d97d50c869670706ca2d7d6c.class.getClassLoader().setDefaultAssertionStatus(true);
        try {
            Method fuzzerInitialize = dev.infonce.suite.PlanFuzz.class.getMethod("fuzzerInitialize");
            fuzzerInitialize.invoke(null);
        } catch (NoSuchMethodException ignored) {
            try {
                Method fuzzerInitialize = dev.infonce.suite.PlanFuzz.class.getMethod("fuzzerInitialize", String[].class);
                fuzzerInitialize.invoke(null, (Object) args);
            } catch (NoSuchMethodException ignored1) {
            } catch (IllegalAccessException | InvocationTargetException e) {
                e.printStackTrace();
                System.exit(1);
            }
        } catch (IllegalAccessException | InvocationTargetException e) {
            e.printStackTrace();
            System.exit(1);
        }
        byte[] input = java.util.Base64.getDecoder().decode(base64Bytes);
        dev.infonce.suite.PlanFuzz.fuzzerTestOneInput(input);
    }
}