#!/usr/bin/env python3
"""Loss and gradients of one symmetric InfoNCE through the C interface: a small program for profilers. With --check the loss
and both gradients are compared with the formula, in Python's own floats. Ends with 1 if they differ."""

import argparse
import math
import random
import struct
import sys

import nce

TAU = 0.07
# Bits of an element: those that are kept of random ones, and those set, so that values are in (-1, -1/2] and [1/2, 1).
_ELEMENTS = {"float32": (4, 0x807FFFFF, 0x3F000000), "float16": (2, 0x83FF, 0x3800), "bfloat16": (2, 0x807F, 0x3F00)}
# A gradient of a few rows, as a share of its largest element: float32 keeps 24 bits of G and bfloat16 nine.
_ALLOWED = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 1e-2}


def random_elements(source, count, dtype):
    size, kept, put = _ELEMENTS[dtype]
    ones = int.from_bytes((b"\1" + bytes(size - 1)) * count, "little")
    bits = int.from_bytes(source.randbytes(count * size), "little") & ones * kept | ones * put
    return bits.to_bytes(count * size, "little")


def values(data, dtype):
    if dtype == "bfloat16":
        data = b"".join(b"\0\0" + data[k:k + 2] for k in range(0, len(data), 2))
    letter, size = ("e", 2) if dtype == "float16" else ("f", 4)
    return struct.unpack(f"<{len(data) // size}{letter}", data)


def rows(data, dtype, dim):
    flat = values(data, dtype)
    return [flat[k:k + dim] for k in range(0, len(flat), dim)]


def dot(x, y):
    return math.fsum(a * b for a, b in zip(x, y))


def formula(queries, keys):
    """The loss, and the gradients of queries and keys, from the definition in infonce.h."""
    n, dim = len(queries), len(queries[0])
    norms = [[math.sqrt(dot(x, x)) for x in side] for side in (queries, keys)]
    units = [[[v / norm for v in x] for x, norm in zip(side, of)] for side, of in zip((queries, keys), norms)]
    z = [[dot(x, y) / TAU for y in units[1]] for x in units[0]]
    loss, g = 0.0, [[0.0] * n for _ in range(n)]
    for line, place in ((lambda i, j: z[i][j], lambda i, j: (i, j)), (lambda i, j: z[j][i], lambda i, j: (j, i))):
        for i in range(n):
            largest = max(line(i, j) for j in range(n))
            total = math.fsum(math.exp(line(i, j) - largest) for j in range(n))
            loss += (largest + math.log(total) - line(i, i)) / (2 * n)
            for j in range(n):
                a, b = place(i, j)
                g[a][b] += (math.exp(line(i, j) - largest) / total - (i == j)) / (2 * n * TAU)
    gradients = []
    for side, weight in ((0, lambda i, j: g[i][j]), (1, lambda i, j: g[j][i])):
        own, other = units[side], units[1 - side]
        for i in range(n):
            whole = [math.fsum(weight(i, j) * other[j][d] for j in range(n)) for d in range(dim)]
            along = dot(whole, own[i])
            gradients.append([(w - along * u) / norms[side][i] for w, u in zip(whole, own[i])])
    return loss, gradients[:n], gradients[n:]


def difference(found, expected):
    largest = max(abs(v) for row in expected for v in row)
    return max(abs(f - e) for a, b in zip(found, expected) for f, e in zip(a, b)) / largest


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda", "emulated"), required=True)
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--dim", type=int, default=32)
    parser.add_argument("--dtype", choices=tuple(_ELEMENTS), default="float32")
    parser.add_argument("--precision", choices=("precise", "fast"), default="precise")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()

    context = nce.Context(nce.Library(options.library), options.device)
    source = random.Random(1)
    plan = nce.Plan(context, options.n, options.dim, options.dtype, options.precision)
    data = [random_elements(source, options.n * options.dim, options.dtype) for _ in range(2)]
    memory = {"queries": nce.Memory(context, data[0]), "keys": nce.Memory(context, data[1]),
              "temperature": nce.Memory(context, struct.pack("<d", TAU)),
              "workspace": nce.Memory(context, plan.workspace_bytes), "loss": nce.Memory(context, 8),
              "d_queries": nce.Memory(context, len(data[0])), "d_keys": nce.Memory(context, len(data[1]))}
    pointers = {name: each.pointer for name, each in memory.items()}
    plan.prepare(pointers)()
    plan.status(pointers)
    loss, = struct.unpack("<d", memory["loss"].read())
    print(f"{context.name}: {options.n} x {options.dim}, {options.dtype}, {options.precision}: loss {loss:.9g}")
    plan.close()
    if not options.check:
        return 0
    expected, *gradients = formula(*(rows(d, options.dtype, options.dim) for d in data))
    differences = [abs(loss - expected) / expected] + [
        difference(rows(memory[name].read(), options.dtype, options.dim), gradient)
        for name, gradient in zip(("d_queries", "d_keys"), gradients)]
    allowed = _ALLOWED[options.dtype]
    print(f"the formula says {expected:.9g}; differences of loss and gradients: "
          + ", ".join(f"{d:.2g}" for d in differences) + f"; allowed is {allowed:.2g}")
    return 0 if max(differences) <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
