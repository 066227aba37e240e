#!/usr/bin/env python3
"""Compiles every kernel with clang, a second CUDA front end, to PTX: what only nvcc accepts is refused.

The headers of CUDA are replaced by tools/gates/clang. Every kernel of the compile gate's table for the architecture must
come out of clang too, and uses tensor cores, matrix loads and asynchronous copies where nvcc's does.

Exit code: 0 all kept, 1 something refused, 77 no clang 16 or later here.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time

import compile_gate
import ptx
import sources

NAMES = ("clang++-19", "clang++-18", "clang++-17", "clang++-16", "clang++")
# Both sides of __CUDA_ARCH__ >= 800.
ARCHITECTURES = (75, 80)
KINDS = ("mma", "ldmatrix", "cp.async")


def find_clang():
    for name in NAMES:
        if path := shutil.which(name):
            version = subprocess.run([path, "-dumpversion"], capture_output=True, text=True).stdout
            if int(version.split(".")[0]) >= 16:
                return path
    return None


def compile_one(clang, path, architecture):
    prelude = pathlib.Path(__file__).resolve().parent / "clang"
    run = subprocess.run(
        # A CUDA that is installed is not looked at, whatever its version.
        [clang, "-x", "cuda", "--cuda-device-only", f"--cuda-gpu-arch=sm_{architecture}", "-nocudainc", "-nocudalib",
         "--cuda-path=/nonexistent", "-Xclang", "-target-feature", "-Xclang", "+ptx80", "-D__CUDACC__", "-isystem",
         # Whether a loop is unrolled is looked at where it counts, in what nvcc makes: as local memory.
         str(prelude), "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-pass-failed", "-Werror", *compile_gate.flags(),
         "-S", "-o", "-", str(path)],
        capture_output=True, text=True)
    return run.returncode, run.stdout, run.stderr


def kernels_of(text):
    counts, _ = ptx.count_instructions(text)
    names = ptx.demangle(counts)
    return {names[k]: row for k, row in counts.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="only these, without the table")
    options = parser.parse_args()
    clang = find_clang()
    if clang is None:
        print("no clang 16 or later here: there is no second front end")
        return 77
    start = time.monotonic()
    work = [(f, a) for f in (options.files or sources.kernel_files()) for a in ARCHITECTURES]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda w: compile_one(clang, *w), work))
    found, problems = {}, []
    for (path, sm), (code, text, errors) in zip(work, results):
        if code != 0:
            problems.append(f"{path.name} (sm_{sm}): does not compile\n{errors.strip()}")
        for name, row in kernels_of(text).items():
            found[name, sm] = row
    if not options.files:
        for (name, sm), row in compile_gate.read_table()[0].items():
            if sm not in ARCHITECTURES:
                continue
            if (name, sm) not in found:
                problems.append(f"{name} (sm_{sm}): nvcc has it, clang does not")
                continue
            for kind in KINDS:
                if (row[kind] == 0) != (found[name, sm][kind] == 0):
                    problems.append(f"{name} (sm_{sm}): {row[kind]} x {kind} from nvcc, {found[name, sm][kind]} from clang")
    for problem in problems:
        print("REFUSED", problem)
    version = subprocess.run([clang, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    print(f"{version}: {len(work)} compilations in {time.monotonic() - start:.0f} s, {len(problems)} refused")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
