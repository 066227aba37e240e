package dev.infonce.cli.npy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NpyHeaderTest {
    @Test
    void headersAsNumpyWritesThemAreRead() throws NpyException {
        NpyHeader header =
                NpyHeaderParser.parse("x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }       \n");
        assertThat(header).isEqualTo(new NpyHeader(NpyType.FLOAT32, List.of(3L, 4L)));
        assertThat(header.dataBytes()).isEqualTo(48);
    }

    @Test
    void keysMayComeInAnyOrderAndInDoubleQuotes() throws NpyException {
        NpyHeader header = NpyHeaderParser.parse("x.npy", "{\"shape\":(5,),\"fortran_order\":False,\"descr\":\"|b1\"}");
        assertThat(header).isEqualTo(new NpyHeader(NpyType.BOOL, List.of(5L)));
    }

    @Test
    void scalarsHaveOneElementAndEmptyShapesNone() throws NpyException {
        assertThat(shape("()").elements()).isEqualTo(1);
        assertThat(shape("(0, 7)").elements()).isZero();
        assertThat(shape("(9223372036854775807, 0)").elements()).isZero();
    }

    private static NpyHeader shape(String shape) throws NpyException {
        return NpyHeaderParser.parse("x.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + "}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "``; '{' is missing",
                "(1, 2); '{' is missing",
                "{'descr': '<f4', 'fortran_order': False}; 'shape' is missing",
                "{'descr': '<f4', 'shape': (1,)}; 'fortran_order' is missing",
                "{'fortran_order': False, 'shape': (1,)}; 'descr' is missing",
                "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}; 'descr' stands there twice",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}; unknown key 'x'",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x; text after the dictionary",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1,); '}' is missing",
                "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}; neither True nor False",
                "{'descr': '', 'fortran_order': False, 'shape': (1,)}; '' is not read",
                "{'descr': '<', 'fortran_order': False, 'shape': (1,)}; '<' is not read",
                "{'descr': '<<f4', 'fortran_order': False, 'shape': (1,)}; '<<f4' is not read",
                "{'descr': '<V4', 'fortran_order': False, 'shape': (1,)}; '<V4' is not read",
                "{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}; '<f16' is not read",
                "{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}; '<c8' is not read",
                "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}; '|O' is not read",
                "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}; structured",
                "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}; malformed",
                "{'descr': '<f4; a quote is not closed",
                "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}; '(' is missing",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}; no tuple",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}; negative size",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}; needs a ','",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (x,)}; no whole number",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}; needs a ','",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}; more than 2^63 - 1",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 2)}; more bytes than 2^63 - 1",
            })
    void malformedHeadersAreRefusedWithTheReason(String header, String reason) {
        assertThatThrownBy(() -> NpyHeaderParser.parse("x.npy", header))
                .isInstanceOf(NpyException.class)
                .hasMessageStartingWith("x.npy: ")
                .hasMessageContaining(reason);
    }

    @Test
    void moreThan32DimensionsAreRefused() {
        assertThatThrownBy(() -> shape("(" + "1, ".repeat(33) + ")")).hasMessageContaining("more than 32");
    }
}
