package dev.infonce.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import dev.infonce.bindings.loader.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.PaddingLayout;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Java and the native library agree where every field of every struct lies. */
class LayoutTest {
    private static final GroupLayout[] STRUCTS = {
        nce_context_desc.layout(),
        nce_device_info.layout(),
        nce_inputs.layout(),
        nce_layout.layout(),
        nce_metrics.layout(),
        nce_outputs.layout(),
        nce_plan_desc.layout()
    };

    /** Offset and size of a field, or of a whole struct. */
    private record Place(long offset, long size) {}

    @BeforeEach
    void loadLibrary() {
        boolean built = LayoutTest.class.getResource("/META-INF/native/linux-x86_64/libinfonce.so") != null;
        Assumptions.assumeTrue(built, "this build was made without the native library");
        Assumptions.assumeFalse(NativeLibrary.isSwitchedOff(), "the native library is switched off");
        NativeLibrary.load();
    }

    @Test
    void everyOffsetAndSizeIsWhatTheLibraryReports() {
        assertThat(generatedPlaces())
                .as("places of fields; if the header was changed, run bindings/generate.sh")
                .isEqualTo(reportedPlaces());
    }

    @Test
    void linesBeyondTheReportAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment line = nce_layout.allocate(arena);
            nce_layout.struct_size(line, (int) nce_layout.sizeof());
            for (long index : new long[] {-1, infonce_h.nce_layout_count(), Long.MAX_VALUE}) {
                assertThat(infonce_h.nce_layout_at(index, line))
                        .as("status of line %d", index)
                        .isEqualTo(infonce_h.NCE_STATUS_INVALID_ARGUMENT());
            }
            assertThat(infonce_h.nce_last_error().getString(0)).contains("index");
        }
    }

    private static Map<String, Place> generatedPlaces() {
        Map<String, Place> places = new TreeMap<>();
        for (GroupLayout struct : STRUCTS) {
            String name = struct.name().orElseThrow();
            places.put(name, new Place(0, struct.byteSize()));
            for (MemoryLayout field : struct.memberLayouts()) {
                if (!(field instanceof PaddingLayout)) {
                    String fieldName = field.name().orElseThrow();
                    long offset = struct.byteOffset(PathElement.groupElement(fieldName));
                    places.put(name + "." + fieldName, new Place(offset, field.byteSize()));
                }
            }
        }
        return places;
    }

    private static Map<String, Place> reportedPlaces() {
        Map<String, Place> places = new TreeMap<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment line = nce_layout.allocate(arena);
            for (long i = 0; i < infonce_h.nce_layout_count(); i++) {
                nce_layout.struct_size(line, (int) nce_layout.sizeof());
                assertThat(infonce_h.nce_layout_at(i, line)).isEqualTo(infonce_h.NCE_STATUS_OK());
                String name = nce_layout.name(line).getString(0);
                MemorySegment field = nce_layout.field(line);
                String key = field.equals(MemorySegment.NULL) ? name : name + "." + field.getString(0);
                places.put(key, new Place(nce_layout.offset(line), nce_layout.size(line)));
            }
        }
        return places;
    }
}
