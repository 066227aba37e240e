#!/usr/bin/env python3
"""What the tile kernels allow on paper, without a GPU: for each kernel, dim and architecture the bytes through shared memory, tensor
operations and issue slots of a tile, blocks that fit a multiprocessor, how well a plan's blocks fill the device for every n in
4096 ... 65536 in steps of 128, and the share of the peak that is left.

Sizes of tiles and the plans' choices come from the headers that the kernels are compiled from (native/bench/cuda/tile_constants.cpp
prints them), registers and shared memory from golden_kernels.tsv. Rates of architectures, and instructions an element beside the
products, stand below with their sources. A share is of the operations done: with two planes three products count.

The share has two ends. `apart`: a tile's products, its elements and its second product follow each other, as in a block that is alone
on its multiprocessor. `together`: they overlap wholly, as with enough blocks, and the busiest unit decides."""

import argparse
import dataclasses
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import compile_gate
import sources

PROGRAM = ("bench/cuda/tile_constants.cpp", "src/cuda/dense/methods.cpp", "src/loss/problem.cpp")
SHARED_BYTES_A_CLOCK = 128  # of a multiprocessor, all architectures from Volta on
WARPS_ISSUED_A_CLOCK = 4
EXPONENTIALS_A_CLOCK = 16  # of a multiprocessor: CUDA C++ Programming Guide, throughput of arithmetic instructions
REGISTERS = 65536
LAUNCH_SHARED = 1024  # that the system takes of each block's, from 8.0 on

# Instructions an element of a tile beside products, loads and stores that are counted below, in the form for bounded logits:
# scale by two factors, multiply-add to the exponent, exponential, then two sums with their share of shuffles (sum_tiles), or
# coefficients, multiplier and packing (G).
ELEMENT_INSTRUCTIONS = {"sum_tiles": 11, "gradient_strips": 10, "gradient_tiles": 8.5}
EXPONENTIALS_AN_ELEMENT = 1


@dataclasses.dataclass(frozen=True)
class Machine:
    """Rates a clock and limits of a multiprocessor. Tensor rates are of dense 16-bit products with float sums, from the data
    sheets' figures at boost clock; mma: what mma.sync reaches of it (Hopper: 62 %, as published for wgmma's predecessors;
    Blackwell 10.0: the same work a clock as Hopper's, an assumption)."""
    name: str
    tensor: int  # operations
    mma: float
    floats: int  # fused multiply-adds
    shared: int  # KiB
    threads: int


MACHINES = {75: Machine("T4", 1024, 1, 64, 64, 1024), 80: Machine("A100", 2048, 1, 64, 164, 2048),
            86: Machine("RTX 3080", 512, 1, 128, 100, 1536), 89: Machine("RTX 4090", 512, 1, 128, 100, 1536),
            90: Machine("H100", 4096, 0.62, 128, 228, 2048), 100: Machine("B200", 8192, 0.31, 128, 228, 2048),
            120: Machine("RTX 5090", 512, 1, 128, 100, 1536)}
DIMS = (64, 128, 256, 512)
# The goals for H100 with mma.sync, bfloat16: shares at dim 128 and 256, and of multiprocessors that are busy at every n.
GOALS = {"sum_tiles": 0.55, "gradient_tiles": 0.45}
GOAL_DIMS = (128, 256)
GOAL_BUSY = 0.85


@dataclasses.dataclass
class Phase:
    """What a block does in a part of a tile: units' work, to be divided by their rates."""
    shared: float = 0  # bytes
    operations: float = 0  # of products; a multiply and an add are two
    issues: float = 0  # instructions of warps
    exponentials: float = 0

    def clocks(self, machine, tensor):
        product = self.operations / (machine.tensor * machine.mma if tensor else 2 * machine.floats)
        return {"products": product, "shared": self.shared / SHARED_BYTES_A_CLOCK, "issue": self.issues / WARPS_ISSUED_A_CLOCK,
                "exponentials": self.exponentials / EXPONENTIALS_A_CLOCK}


def facts():
    """{word: [{name: value}]} of what the program prints."""
    with tempfile.TemporaryDirectory(prefix="infonce-shares-") as folder:
        program = pathlib.Path(folder, "tile_constants")
        subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O1", "-DNCE_EMULATED=1",
                        f"-I{sources.NATIVE}/src/emulation/include", *(f"-I{folder}" for folder in sources.INCLUDES),
                        *(str(sources.NATIVE / name) for name in PROGRAM), "-o", str(program)], check=True)
        text = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        word, *rest = line.split()
        values = {name: value if name == "dtype" else int(value) for name, value in zip(rest[::2], rest[1::2])}
        found.setdefault(word, []).append(values)
    return found


def square_phases(kernel, square, pitch):
    """A tile of sum_tiles or gradient_strips: all products, then its elements; G is then multiplied by rows of Y."""
    side, warps, rows, columns = square["side"], square["warps"], 8 * square["row_octets"], 8 * square["column_octets"]
    passes = 3 if square["planes"] == 2 else 1
    elements = side * side
    product = Phase(operations=2 * passes * elements * pitch)
    if square["tensor"]:
        steps = passes * pitch // 16
        loads = warps * (rows + columns) * 16 * 2
        copies = 2 * side * 16 * 2
        product.shared = steps * (loads + copies)
        # A load of matrices brings 512 bytes, a copy 16 for each thread; two planes add their sums up after every step.
        product.issues = steps * (loads / 512 + warps * (rows // 16) * (columns // 8) + copies / 512
                                  + (elements / 32 if square["planes"] == 2 else 0))
    else:
        chunks = pitch * square["element_bytes"] // 16
        # Lanes that share a row, or a column, read it at once; a read of up to 128 bytes takes a clock.
        reads = warps * (rows // 8 + 2 * columns // 8)
        copies = 2 * side * 16
        product.shared = chunks * (reads * 128 + copies)
        product.issues = elements * pitch / 32 + chunks * (reads + copies / 512)
    rest = Phase(issues=ELEMENT_INSTRUCTIONS[kernel] * elements / 32, exponentials=EXPONENTIALS_AN_ELEMENT * elements)
    if kernel == "sum_tiles":
        return [product, rest]
    second = dataclasses.replace(product)
    if square["tensor"]:
        # G is written to shared memory and read in whole rows.
        rest.shared = 2 * square["planes"] * elements * 2
        rest.issues += square["planes"] * elements / 32 * (0.5 + 2 / 8)
    # The products' sums go to the block's slot, and what was there is read, once for the four tiles of a strip.
    second.issues += side * pitch / 32 / 4
    return [product, rest, second]


def gradient_phases(tile):
    """A tile of gradient_tiles: products with Y, G, and the product of G and Y."""
    planes, pitch, x_rows, y_rows = (tile[name] for name in ("planes", "pitch", "x_rows", "y_rows"))
    rows = 8 * tile["row_octets"]
    warps, passes, elements = x_rows // rows, 3 if planes == 2 else 1, x_rows * y_rows
    first, second = (Phase(operations=2 * passes * elements * pitch) for _ in range(2))
    loads = warps * planes * ((0 if tile["keeps_x"] else rows) + y_rows) * pitch * 2
    copies = planes * y_rows * pitch * 2
    products = passes * elements * pitch / (16 * 8 * 16)
    first.shared = loads + copies
    first.issues = loads / 512 + products + copies / 512
    second.shared = warps * planes * y_rows * pitch * 2
    # Sums leave the tensor core after each tile.
    second.issues = second.shared / 512 + products + x_rows * pitch / 32
    middle = Phase(issues=ELEMENT_INSTRUCTIONS["gradient_tiles"] * planes * elements / 32,
                   exponentials=EXPONENTIALS_AN_ELEMENT * elements)
    return [first, middle, second]


def resident(machine, threads, registers, shared, architecture):
    """(blocks that a multiprocessor holds, what limits them)."""
    a_warp = math.ceil(registers * 32 / 256) * 256
    limits = {"threads": machine.threads // threads, "registers": REGISTERS // (a_warp * (threads // 32)),
              "shared": machine.shared * 1024 // (shared + (LAUNCH_SHARED if architecture >= 80 else 0))}
    least = min(limits, key=limits.get)
    return limits[least], least


def rounds(blocks, places):
    return math.ceil(blocks / places)


def busy(kernel, plan, places):
    """The share of so many places' time in which there is work, every block of a launch taking as long as its largest."""
    tiles = plan["tiles"]
    if kernel == "sum_tiles":
        x, y = plan["x_groups"], plan["y_groups"]
        return tiles * tiles / (places * rounds(x * y, places) * math.ceil(tiles / x) * math.ceil(tiles / y))
    # Shares of one tile more end last.
    work, shares = plan["gradient_work"], plan["shares"]
    return work / (places * rounds(shares, places) * math.ceil(work / shares))


@dataclasses.dataclass
class Row:
    kernel: str
    dim: int
    architecture: int
    phases: list
    tensor: bool
    blocks: int
    limit: str
    busy: dict  # n: of resident blocks' places, of multiprocessors

    def shares(self):
        """apart, together, and the unit that decides together."""
        machine = MACHINES[self.architecture]
        clocks = [phase.clocks(machine, self.tensor) for phase in self.phases]
        ideal = sum(phase.operations for phase in self.phases) / (machine.tensor if self.tensor else 2 * machine.floats)
        total = {unit: sum(c[unit] for c in clocks) for unit in clocks[0]}
        unit = max(total, key=total.get)
        return ideal / sum(max(c.values()) for c in clocks), ideal / total[unit], unit


def kernel_name(kernel, plan):
    shape = f"(Arithmetic){plan['arithmetic']}, {plan['planes']}"
    if kernel == "gradient_tiles":
        return f"gradient_tiles<GradientShape<{shape}, {plan['pitch']}> >"
    if kernel == "sum_tiles":
        return f"sum_tiles<Shape<{shape}>, false>"  # without limits
    return f"{kernel}<Shape<{shape}> >"


def rows_of(known, table, dtype, architectures, dims):
    squares = {(s["arithmetic"], s["planes"]): s for s in known["square"]}
    gradients = {(g["planes"], g["pitch"]): g for g in known["gradient"]}
    plans = {}
    for plan in known["plan"]:
        if plan["dtype"] == dtype and plan["sm"] in architectures and plan["dim"] in dims:
            plans.setdefault((plan["dim"], plan["sm"]), []).append(plan)
    for kernel in ("sum_tiles", "gradient_tiles", "gradient_strips"):
        for (dim, architecture), those in sorted(plans.items()):
            plan, machine = those[0], MACHINES[architecture]
            if kernel != "sum_tiles" and (kernel == "gradient_tiles") != (plan["gradient_tiles"] == 1):
                continue
            square, gradient = squares[plan["arithmetic"], plan["planes"]], gradients.get((plan["planes"], plan["pitch"]))
            compiled = table[kernel_name(kernel, plan), architecture]
            threads = gradient["x_rows"] // gradient["row_octets"] * 4 if kernel == "gradient_tiles" else square["warps"] * 32
            blocks, limit = resident(machine, threads, compiled["registers"], compiled["shared"], architecture)
            phases = gradient_phases(gradient) if kernel == "gradient_tiles" else square_phases(kernel, square, plan["pitch"])
            filled = {p["n"]: tuple(busy(kernel, p, p["multiprocessors"] * held)
                                    for held in (blocks, 1)) for p in those}
            yield Row(kernel, dim, architecture, phases, bool(square["tensor"]), blocks, limit, filled)


def percent(value):
    return f"{100 * value:.0f}%"


def show(rows):
    titles = ("kernel", "dim", "sm", "GPU", "MFLOP", "shared KB", "issues", "exp", "products", "shared", "issue", "exp", "blocks",
              "limited by", "apart", "together", "by", "places min", "mean", "at n", "SMs min", "mean", "at n")
    lines = []
    for row in rows:
        total = Phase(*(sum(getattr(p, f.name) for p in row.phases) for f in dataclasses.fields(Phase)))
        clocks = total.clocks(MACHINES[row.architecture], row.tensor)
        apart, together, unit = row.shares()
        filled = []
        for which in (0, 1):
            worst = min(row.busy, key=lambda n: row.busy[n][which])
            filled += [percent(row.busy[worst][which]), percent(sum(b[which] for b in row.busy.values()) / len(row.busy)), worst]
        lines.append((row.kernel, row.dim, row.architecture, MACHINES[row.architecture].name, f"{total.operations / 1e6:.1f}",
                      f"{total.shared / 1024:.0f}", f"{total.issues:.0f}", f"{total.exponentials:.0f}",
                      *(f"{clocks[c]:.0f}" for c in ("products", "shared", "issue", "exponentials")), row.blocks, row.limit,
                      percent(apart), percent(together), unit, *filled))
    widths = [max(len(str(line[k])) for line in [titles, *lines]) for k in range(len(titles))]
    for line in [titles, *lines]:
        print("  ".join(f"{str(cell):>{width}}" if k else f"{cell:{width}}" for k, (cell, width) in enumerate(zip(line, widths))))


def goals(rows):
    """Of H100 only: a line for each goal."""
    for row in rows:
        if row.architecture != 90 or row.kernel not in GOALS or row.dim not in GOAL_DIMS:
            continue
        apart, together, _ = row.shares()
        goal = GOALS[row.kernel]
        verdict = "reached" if apart >= goal else "missed" if together < goal else "open"
        worst = min(b[1] for b in row.busy.values())
        below = sum(b[1] < GOAL_BUSY for b in row.busy.values())
        print(f"H100, {row.kernel}, dim {row.dim}: {percent(apart)} to {percent(together)}, goal {percent(goal)}: {verdict}; "
              f"multiprocessors busy at least {percent(worst)}, goal {percent(GOAL_BUSY)}: "
              + ("reached" if not below else f"missed at {below} of {len(row.busy)} n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of inputs, PRECISE")
    parser.add_argument("--architectures", default=",".join(map(str, MACHINES)))
    parser.add_argument("--dims", default=",".join(map(str, DIMS)))
    parser.add_argument("--n", action="store_true", help="also a line for each n: how much of places and of multiprocessors is busy")
    options = parser.parse_args()
    architectures = [int(a) for a in options.architectures.split(",")]
    dims = [int(d) for d in options.dims.split(",")]
    rows = list(rows_of(facts(), compile_gate.read_table()[0], options.dtype, architectures, dims))
    if not rows:
        raise SystemExit("there is nothing to count for these architectures and dims")
    print(f"{options.dtype}; a tile's work, then its clocks in each unit, blocks a multiprocessor holds, share of the peak apart and "
          "together, and how busy")
    print("places of resident blocks, and multiprocessors, are: the least over n in 4096 ... 65536 in steps of 128, the mean, and "
          "where it is least")
    show(rows)
    if options.dtype == "bfloat16":
        goals(rows)
    if options.n:
        for row in rows:
            for n, (places, multiprocessors) in row.busy.items():
                print(f"{row.kernel} dim {row.dim} sm_{row.architecture} n {n}: {percent(places)} of places, "
                      f"{percent(multiprocessors)} of multiprocessors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
