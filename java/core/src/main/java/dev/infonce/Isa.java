package dev.infonce;

/** Instruction sets of the cpu device, in rising order. As a cap one only ever lowers the choice. */
public enum Isa {
    /** No cap: the best that processor and operating system offer. */
    BEST,
    /** What every x86-64 processor has. */
    PORTABLE,
    /** AVX2 and FMA. */
    AVX2,
    /** AVX-512 F, BW, DQ and VL. */
    AVX512
}
