"""Dynamic shared memory of tile kernels, as their launches ask for it: constants that a C++ compiler is asked for."""

import os
import pathlib
import struct
import subprocess
import tempfile

import sources

_SHAPES = [f"Shape<Arithmetic::{a}, {p}>" for a, p in (
    ("kTensorFloat16", 1), ("kTensorFloat16", 2), ("kTensorBfloat16", 1), ("kFloat32", 1), ("kFloat64", 1))]
_TILE_SHAPES = [*_SHAPES, "CallerShape"]
_GRADIENT_SHAPES = [f"GradientShape<Arithmetic::{a}, {p}, {pitch}>" for a, p in (
    ("kTensorFloat16", 1), ("kTensorFloat16", 2), ("kTensorBfloat16", 1)) for pitch in (64, 128, 256)]
# File, shapes, other arguments of the kernel's template, and the constant of a shape that its launch names.
_KERNELS = (
    ("sum_tiles", _TILE_SHAPES, (", false", ", true"), "SumSpace<{}>::kBytes"),
    ("diagonal_tiles", _TILE_SHAPES, ("",), "kDiagonalBytes<{}>"),
    ("gradient_strips", _TILE_SHAPES, ("",), "StripSpace<{}>::kBytes"),
    ("gradient_tiles", _GRADIENT_SHAPES, ("",), "{}::kSharedBytes"),
)
_ARITHMETICS = ("kTensorFloat16", "kTensorBfloat16", "kFloat32", "kFloat64")


def _short(kernel, shape, others):
    """The name that demangling gives the kernel."""
    for number, name in enumerate(_ARITHMETICS):
        shape = shape.replace(f"Arithmetic::{name}", f"(Arithmetic){number}")
    arguments = shape + others
    return f"{kernel}<{arguments} >" if arguments.endswith(">") else f"{kernel}<{arguments}>"


def of_tile_kernels():
    """{kernel: bytes}."""
    found = {}
    for kernel, shapes, others, constant in _KERNELS:
        values = ", ".join(constant.format(s) for s in shapes)
        text = (f'#include "{sources.found(f"cuda/{kernel}.cu")}"\nnamespace nce::cuda::tile {{\nnamespace {{\n'
                f'extern __attribute__((section("shared_bytes"), used)) const long long bytes[] = {{{values}}};\n}}\n}}\n')
        with tempfile.TemporaryDirectory(prefix="infonce-gate-") as folder:
            source, out, raw = (pathlib.Path(folder, n) for n in ("shared.cpp", "shared.o", "shared.bin"))
            source.write_text(text)
            subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O0", "-w", "-DNCE_EMULATED=1",
                            f"-I{sources.NATIVE}/src/emulation/include", *(f"-I{i}" for i in sources.INCLUDES), "-c",
                            str(source), "-o", str(out)], check=True)
            subprocess.run(["objcopy", "-O", "binary", "-j", "shared_bytes", str(out), str(raw)], check=True)
            numbers = struct.unpack(f"<{len(shapes)}q", raw.read_bytes())
        found.update({_short(kernel, shape, each): n for shape, n in zip(shapes, numbers) for each in others})
    return found
