#!/usr/bin/env python3
"""Compiles every kernel for every architecture and refuses what would be slow or wrong on a GPU.

Refused are spills, stack, local memory, calls, atomic operations on floats, warnings of ptxas, static shared memory, more
registers or (of tile kernels) dynamic shared memory than the table allows, and other counts of mma, ldmatrix, ex2 and
cp.async than the table has. `--update` writes the table from what the compiler gives now. What has not changed since the
last run is not compiled again. `--self-test` first compiles kernels that have each fault, and expects to refuse them.

Exit code: 0 all kept, 1 something refused, 77 no nvcc here.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import ptx
import shared_memory
import sources

TABLE = sources.NATIVE / "test" / "data" / "golden_kernels.tsv"
COLUMNS = ("kernel", "sm", "registers", "shared", *ptx.COUNTED)
# Another version of the compiler schedules otherwise; the table is of the version that it names.
SLACK_OF_ANOTHER_VERSION = 8
# What nvcc makes of the host's half is the same for all architectures, so it is compiled for this one.
HOST_TOO = sources.ARCHITECTURES[-1]

# A kernel with a fault, and what must be said of it.
FAULTS = (
    ("bytes of stack", "__global__ void k(float* p, int n) { float a[40]; for (int i = 0; i < 40; ++i) a[i] = p[i];"
                       " for (int i = 0; i < n; ++i) a[n % 40 ^ i % 8] += a[i % 40]; p[n] = a[n % 40]; }"),
    ("spills", "__global__ void __launch_bounds__(1024) k(double* p) { double a[64]; for (int i = 0; i < 64; ++i) a[i] = p[i];"
               " __syncthreads(); for (int r = 0; r < 9; ++r) for (int i = 0; i < 64; ++i) a[i] = a[i] * a[(i * 7 + 1) % 64] + r;"
               " for (int i = 0; i < 64; ++i) p[i + 64] = a[i]; }"),
    ("atomic operation on a float", "__global__ void k(float* p) { atomicAdd(p, 1.0f); }"),
    ("was not inlined", "__device__ __noinline__ float f(float x) { return x * x; } __global__ void k(float* p) { *p = f(*p); }"),
    ("static shared memory", "__global__ void k(float* p) { __shared__ float s[64]; s[threadIdx.x] = *p; __syncthreads();"
                             " *p = s[63 - threadIdx.x]; }"),
)


def flags():
    return ["-std=c++20", "-O3", "-DNDEBUG", *(f"-I{folder}" for folder in sources.INCLUDES)]


def compile_one(path, architecture, cache):
    """What the compiler says of one file for one architecture: {"kernels": ..., "problems": ..., "seconds": ...}."""
    # Kept files are named after the source, so each compilation has its own folder.
    key = sources.fingerprint(path, flags(), architecture, sources.nvcc_version(), ptx.__doc__, HOST_TOO)
    kept = cache / f"{path.stem}.{architecture}.json"
    if kept.is_file():
        result = json.loads(kept.read_text())
        if result["key"] == key:
            return result
    start = time.monotonic()
    output = "-c" if architecture == HOST_TOO else "-cubin"
    with tempfile.TemporaryDirectory(prefix="infonce-gate-") as folder:
        run = subprocess.run(
            [sources.find_nvcc(), *flags(), f"-gencode=arch=compute_{architecture},code=sm_{architecture}", "-Xptxas", "-v",
             "--keep", "--keep-dir", folder, output, "-o", os.path.join(folder, "out.bin"), str(path)],
            capture_output=True, text=True, cwd=folder)
        if run.returncode != 0:
            return {"key": "", "kernels": {}, "problems": [["", "does not compile", run.stderr.strip()]], "seconds": 0}
        text = pathlib.Path(folder, path.stem + ".ptx").read_text()
    counts, forbidden = ptx.count_instructions(text)
    used, problems = ptx.read_ptxas(run.stdout + run.stderr)
    names = ptx.demangle({*counts, *used, *(p[0] for p in forbidden + problems if p[0])})
    kernels = {names[k]: {**used[k], **counts[k]} for k in used}
    problems = [[names.get(k, ""), what, line] for k, what, line in problems + forbidden]
    result = {"key": key, "kernels": kernels, "problems": problems, "seconds": round(time.monotonic() - start, 1)}
    kept.write_text(json.dumps(result))
    return result


def problems_of(path, sm, result):
    """What a file's kernels are refused for, whatever the table says."""
    found = [(name, sm, f"{row['shared']} bytes of static shared memory", "")
             for name, row in result["kernels"].items() if row["shared"]]
    return found + [(name or path.name, sm, what, line) for name, what, line in result["problems"]]


def self_test():
    """The faults that are not refused."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="infonce-gate-") as folder:
        for number, (wanted, text) in enumerate(FAULTS):
            path = pathlib.Path(folder, f"fault{number}.cu")
            path.write_text(text + "\n")
            said = [what for _, _, what, _ in problems_of(path, 80, compile_one(path, 80, pathlib.Path(folder)))]
            refused = any(wanted in what for what in said)
            print(f"{'refused' if refused else 'MISSED'}: a kernel with this fault: {wanted} ({'; '.join(said)})")
            missed += not refused
    return missed


def read_table():
    """({(kernel, architecture): row}, the nvcc version that it is of)."""
    rows, version = {}, None
    if TABLE.is_file():
        for line in TABLE.read_text().splitlines():
            if line.startswith("# nvcc "):
                version = line.split()[2].rstrip(";")
            elif line and not line.startswith("#") and not line.startswith("kernel\t"):
                name, *numbers = line.split("\t")
                row = dict(zip(COLUMNS[1:], map(int, numbers)))
                rows[name, row["sm"]] = row
    return rows, version


def write_table(found):
    lines = [f"# nvcc {sources.nvcc_version()}; written by tools/gates/compile_gate.py --update", "\t".join(COLUMNS)]
    for (name, sm), row in sorted(found.items()):
        lines.append("\t".join([name, *(str(row[c]) for c in COLUMNS[1:])]))
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n")


def compare(found, architectures):
    table, version = read_table()
    same_version = version == sources.nvcc_version()
    slack = 0 if same_version else SLACK_OF_ANOTHER_VERSION
    if not same_version:
        print(f"the table is of nvcc {version}, this is {sources.nvcc_version()}: registers may be {slack} more, and counts "
              "of instructions are not compared")
    problems = []
    for (name, sm), row in sorted(found.items()):
        entry = table.get((name, sm))
        if entry is None:
            problems.append((name, sm, "is not in the table", ""))
            continue
        if row["registers"] > entry["registers"] + slack:
            problems.append((name, sm, f"{row['registers']} registers, the table allows {entry['registers']}", ""))
        if row["shared"] > entry["shared"]:
            problems.append((name, sm, f"{row['shared']} bytes of shared memory, the table allows {entry['shared']}", ""))
        for counted in ptx.COUNTED if same_version else ():
            if row[counted] != entry[counted]:
                problems.append((name, sm, f"{row[counted]} x {counted}, the table has {entry[counted]}", ""))
    for name, sm in sorted(set(table) - set(found)):
        if sm in architectures:
            problems.append((name, sm, "is in the table, but there is no such kernel", ""))
    return problems


def show(found, architectures):
    names = sorted({name for name, _ in found})
    width = max(map(len, names), default=6)
    print("registers a thread, dynamic shared memory of tile kernels, and instructions in the PTX for the architecture with "
          "most of them")
    print(f"{'kernel':{width}}", *(f"{f'sm_{a}':>6}" for a in architectures),
          *(f"{c:>8}" for c in ("shared", *ptx.COUNTED)))
    for name in names:
        rows = [found.get((name, a)) for a in architectures]
        most = {c: max(row[c] for row in rows if row) for c in ptx.COUNTED}
        print(f"{name:{width}}", *(f"{row['registers'] if row else '-':>6}" for row in rows),
              f"{max(row['shared'] for row in rows if row) or '':>8}",
              *(f"{most[c]:>8}" for c in ptx.COUNTED))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--self-test", action="store_true", help="kernels with faults must be refused, too")
    parser.add_argument("--cache", type=pathlib.Path, default=sources.ROOT / "build" / "gates",
                        help="what is kept between runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--architectures", default=",".join(map(str, sources.ARCHITECTURES)))
    parser.add_argument("files", nargs="*", type=pathlib.Path,
                        help="only these; the table is then neither compared nor written")
    options = parser.parse_args()
    if sources.find_nvcc() is None:
        print("no nvcc here: kernels are not compiled")
        return 77
    architectures = [int(a) for a in options.architectures.split(",")]
    files = [f.resolve() for f in options.files] or sources.kernel_files()
    if not files:
        print("there is no kernel")
        return 1
    options.cache.mkdir(parents=True, exist_ok=True)
    if options.self_test and self_test():
        return 1

    start = time.monotonic()
    # Large files first, so that none is left running alone at the end.
    work = sorted(((f, a) for f in files for a in architectures), key=lambda w: -w[0].stat().st_size)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda w: compile_one(*w, options.cache), work))
    dynamic = shared_memory.of_tile_kernels()
    found, problems = {}, []
    for (path, sm), result in zip(work, results):
        problems += problems_of(path, sm, result)
        for name, row in result["kernels"].items():
            found[name, sm] = {**row, "sm": sm, "shared": dynamic.get(name, 0)}
    if not options.files:
        problems += [(name, 0, "asks for shared memory, but is not compiled", "") for name in sorted(
            set(dynamic) - {name for name, _ in found})]
    show(found, architectures)
    print(f"{len(found)} kernels x architectures in {time.monotonic() - start:.0f} s")
    if not options.files:
        if options.update:
            write_table(found)
        elif tuple(architectures) == sources.ARCHITECTURES:
            problems += compare(found, architectures)
    for name, sm, what, line in problems:
        print(f"REFUSED {name} (sm_{sm}): {what}{': ' + line if line else ''}")
    print(f"{len(found)} passed, {len(problems)} failed" if problems else "0 refused")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
