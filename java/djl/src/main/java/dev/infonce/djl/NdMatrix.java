package dev.infonce.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import dev.infonce.DType;
import dev.infonce.Matrix;
import java.lang.foreign.MemorySegment;

/**
 * A DJL array seen as a {@link Matrix}. A dense array in CPU memory is used in place, through the direct buffer that the
 * PyTorch engine gives; a strided one, or one on a GPU, is first copied. The view is valid as long as the array.
 */
final class NdMatrix {
    private NdMatrix() {}

    /**
     * The array as rows x last dimension; more dimensions before the last are rows too.
     *
     * @param name of the argument, for messages
     * @throws IllegalArgumentException if it has fewer than 2 dimensions or a type that no loss takes
     */
    static Matrix of(String name, NDArray array) {
        ai.djl.ndarray.types.Shape shape = array.getShape();
        if (shape.dimension() < 2) {
            throw new IllegalArgumentException(name + " has shape " + shape + ", allowed is rows x dim");
        }
        DType type = type(name, array.getDataType());
        long dim = shape.get(shape.dimension() - 1);
        long rows = dim == 0 ? 0 : shape.size() / dim;
        NDArray host = array.toDevice(Device.cpu(), false);
        return Matrix.of(MemorySegment.ofBuffer(host.toByteBuffer(true)), type, rows, dim);
    }

    /** The type of this library that corresponds to one of DJL's. */
    static DType type(String name, DataType type) {
        return switch (type) {
            case FLOAT32 -> DType.FLOAT32;
            case FLOAT64 -> DType.FLOAT64;
            case FLOAT16 -> DType.FLOAT16;
            case BFLOAT16 -> DType.BFLOAT16;
            default ->
                throw new IllegalArgumentException(
                        name + " has type " + type + ", allowed are FLOAT32, FLOAT64, FLOAT16 and BFLOAT16");
        };
    }
}
