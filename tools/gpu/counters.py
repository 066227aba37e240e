#!/usr/bin/env python3
"""Nsight Compute's counters of the kernels that matter, a call of a few shapes: its table to --csv, and lines of JSON. Exit code
77 without ncu, after the same calls have run alone."""

import argparse
import csv
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

CALL = pathlib.Path(__file__).with_name("one_call.py")
KERNELS = "regex:sum_tiles|gradient_tiles|gradient_strips|pack_rows|finish_gradient"
LAUNCHES = 16  # of one call: where sums are cut in blocks, the first of them
SECTIONS = ("SpeedOfLight", "ComputeWorkloadAnalysis", "MemoryWorkloadAnalysis", "SchedulerStats", "WarpStateStats",
            "Occupancy", "LaunchStats")
# n, dim, element type.
SHAPES = ((16384, 256, "bfloat16"), (16384, 128, "bfloat16"), (16384, 768, "bfloat16"), (8192, 256, "float32"))
REHEARSED = ((128, 64, "float32"),)
# What is told of a launch, under the names that ncu gives it on its details page.
TOLD = {"Duration": "duration", "Compute (SM) Throughput": "compute_percent", "Memory Throughput": "memory_percent",
        "L1/TEX Cache Throughput": "l1_percent", "L2 Cache Throughput": "l2_percent", "DRAM Throughput": "dram_percent",
        "Registers Per Thread": "registers", "Achieved Occupancy": "occupancy_percent", "Waves Per SM": "waves",
        "Issue Slots Busy": "issue_percent", "SM Busy": "busy_percent", "Grid Size": "blocks", "Block Size": "threads"}


def launches(text):
    """A dictionary for each launch in ncu's table."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    found = {}
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        launch = found.setdefault(row["ID"], {"kernel": re.sub(r"\(Params.*|\(nce::.*", "", row["Kernel Name"])})
        name, unit = TOLD.get(row["Metric Name"]), row["Metric Unit"]
        try:
            value = float(row["Metric Value"].replace(",", ""))
        except ValueError:
            continue
        # Two metrics have one name: a share of the peak, and bytes a second.
        if name and (unit == "%" or not name.endswith("_percent")):
            launch[name] = value
            if name == "duration":
                launch["duration_unit"] = unit
    return list(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--csv", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    ncu, failed = shutil.which("ncu"), False
    with options.csv.open("w") as table:
        for n, dim, dtype in SHAPES if options.device == "cuda" else REHEARSED:
            left = end - time.monotonic()
            if left < 3:
                print(f"{n} x {dim}, {dtype}: left out, as time was up")
                continue
            command = [sys.executable, str(CALL), "--library", options.library, "--device", options.device, "--n", str(n),
                       "--dim", str(dim), "--dtype", dtype]
            if ncu and options.device == "cuda":
                command = [ncu, "--csv", "--clock-control", "none", "--kernel-name", KERNELS, "--launch-count", str(LAUNCHES),
                           *(word for section in SECTIONS for word in ("--section", section)), *command]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=left)
            except subprocess.TimeoutExpired:
                print(f"{n} x {dim}, {dtype}: did not end in {left:.0f} s")
                failed = True
                continue
            table.write(run.stdout)
            found = launches(run.stdout)
            for launch in found:
                print(json.dumps({"type": "launch", "n": n, "dim": dim, "dtype": dtype, **launch}))
            failed |= run.returncode != 0 or (ncu is not None and options.device == "cuda" and not found)
            said = (run.stdout + run.stderr).strip().splitlines()
            print(f"{n} x {dim}, {dtype}: exit code {run.returncode}, {len(found)} launches; {said[-1] if said else ''}", flush=True)
    if not failed and (ncu is None or options.device != "cuda"):
        print("ncu is not installed; the calls ran alone" if ncu is None else "there is no GPU; the calls ran alone")
        return 77
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
