#!/usr/bin/env python3
"""Puts seeded bugs into copies of the CUDA sources, and expects the emulated kernel tests to catch each by name.

They lie in native/test/mutations/*.txt, as mutations.py says, with two fields more:

    units: tile/sum_tiles.cu           (under native/src/cuda, what is compiled again; its mutations share one compilation)
    caught: race                       (a regular expression that the output must match)

Exit code: 0 all caught, 1 some not, or a mutation no longer fits its file.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import mutations as seeded
import sources
from mutations import SWITCH, link_command, read_mutations, report, tests_run, write_if_changed

FOLDER = sources.NATIVE / "test" / "mutations"
PROGRAM = "infonce_emulation_tests"
SECONDS_EACH = 180
SECONDS_OF_ALL = 900  # without a mutation, all tests in a row
# Tests need not print what the emulator reported; the program does.
SWITCH_SOURCE = f"""#include "mutation.h"
#include <cstdio>
#include <cstdlib>
#include <string>
#include <gtest/gtest.h>
#include "emulation/control.h"
namespace {{
class Report : public testing::EmptyTestEventListener {{
  void OnTestEnd(const testing::TestInfo&) override {{
    const std::string& report = nce::emulation::last_report();
    if (!report.empty()) std::printf("report: %s\\n", report.c_str());
  }}
}};
const int on = [] {{
  testing::UnitTest::GetInstance()->listeners().Append(new Report);
  const char* const value = std::getenv("{SWITCH}");
  return value == nullptr ? 0 : std::atoi(value);
}}();
}}
int nce_mutation_now() {{ return on; }}
"""


def write_copies(mutations, folder):
    """Mutated copies of the files under folder/src; returns what does not fit."""
    write_if_changed(folder / "mutation.h",
                     "#pragma once\n/// The number of the mutation that is on; kernels may not read the host's memory.\n"
                     "int nce_mutation_now();\n"
                     "/// Constant expressions have none.\n"
                     "constexpr int nce_mutation() { return __builtin_is_constant_evaluated() ? 0 : nce_mutation_now(); }\n")
    write_if_changed(folder / "mutation.cpp", SWITCH_SOURCE)
    return seeded.write_copies(mutations, sources.found, lambda source: copy_of(source, folder),
                               lambda number: f"nce_mutation() == {number}")


def copy_of(source, folder):
    """Where the mutated copy of a source is, if it has one: an include of the source finds it there first."""
    return folder / "src" / source.relative_to(sources.NATIVE / "src")


def compile_unit(unit, commands, folder):
    """(the object that is replaced, the mutated one, what the compiler said, seconds)."""
    start = time.monotonic()
    source = sources.found(f"cuda/{unit}")
    copy = copy_of(source, folder)
    wrapper, out = folder / f"{source.stem}.cpp", folder / f"{source.stem}.o"
    words, directory, replaced = sources.emulated_compilation(commands, source, wrapper, out)
    write_if_changed(wrapper, f'#include "{copy if copy.is_file() else source}"\n')
    read = sources.included_by(source)
    newest = max(f.stat().st_mtime for f in [wrapper, *read, *folder.joinpath("src").rglob("*.*")])
    if out.is_file() and out.stat().st_mtime > newest:
        return replaced, out, "", 0
    first_include = next(i for i, w in enumerate(words) if w.startswith("-I"))
    words[first_include:first_include] = [f"-I{folder}/src"]
    # Warnings are for the sources as they are.
    run = subprocess.run([*words, "-O1", "-w", "-include", str(folder / "mutation.h")], capture_output=True, text=True,
                         cwd=directory)
    if run.returncode != 0:
        out.unlink(missing_ok=True)
    return replaced, out, run.stderr if run.returncode else "", time.monotonic() - start


def build(mutations, options, folder):
    commands = json.loads((options.build / "compile_commands.json").read_text())
    units = sorted({u for m in mutations for u in m.units})
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda u: compile_unit(u, commands, folder), units))
    words, where = link_command(options.build, PROGRAM)
    for unit, (replaced, out, errors, seconds) in zip(units, results):
        print(f"compiled {unit} with its mutations in {seconds:.0f} s")
        if errors:
            raise SystemExit(f"{unit} does not compile with its mutations:\n{errors}")
        places = [i for i, w in enumerate(words) if w.endswith(".o") and (where / w).resolve() == replaced.resolve()]
        if len(places) != 1:
            raise SystemExit(f"{replaced} is {len(places)} times in what {PROGRAM} is linked from")
        words[places[0]] = str(out)
    program = folder / "mutation_tests"
    words[words.index("-o") + 1] = str(program)
    switch = folder / "mutation.cpp"
    subprocess.run([words[0], "-std=c++20", f"-I{sources.NATIVE}/src", "-c", str(switch), "-o",
                    str(switch.with_suffix(".o"))], check=True)
    subprocess.run([*words, str(switch.with_suffix(".o"))], check=True, cwd=where)
    return program


def run_tests(program, number, tests, seconds=SECONDS_EACH):
    """(exit code or None for no end, output, seconds)."""
    start = time.monotonic()
    try:
        run = subprocess.run([str(program), f"--gtest_filter={tests}", "--gtest_brief=1", "--gtest_fail_fast"],
                             capture_output=True, text=True, errors="replace", timeout=seconds,
                             env={**os.environ, SWITCH: str(number)})
        return run.returncode, run.stdout + run.stderr, time.monotonic() - start
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace"), time.monotonic() - start


def judge(mutation, code, output):
    """(caught, the line that shows it)."""
    if tests_run(output) == 0:
        return False, f"there is no test {mutation.tests}"
    if code == 0:
        return False, "all tests passed"
    if code is None:
        return False, f"no end within {SECONDS_EACH} s"
    match = re.search(mutation.caught, output)
    if not match:
        return False, "the tests failed, but not as expected: " + " | ".join(output.strip().splitlines()[:6])
    report = re.search(r"^report: (.*)$", output, flags=re.M)
    if report:
        return True, report.group(1)[:300]
    start = output.find(": Failure\n")
    return True, " ".join(output[output.rfind("/", 0, max(start, 0)) + 1:].split())[:300]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda text: pathlib.Path(text).resolve(), required=True, help="CMake's folder, with the test program built")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="a regular expression: only the mutations with such names")
    options = parser.parse_args()
    folder = options.build / "mutations"
    mutations = read_mutations(FOLDER)
    misfits = write_copies(mutations, folder)
    wrong = {m.name for m, _ in misfits}
    fitting = [m for m in mutations if m.name not in wrong and re.search(options.only or "", m.name)]
    program = build([m for m in mutations if m.name not in wrong], options, folder)

    start = time.monotonic()
    code, output, seconds = run_tests(program, 0, ":".join(sorted({m.tests for m in fitting})), SECONDS_OF_ALL)
    if code != 0 or tests_run(output) == 0:
        print(output)
        print("without a mutation the tests do not pass, so they tell nothing")
        return 1
    print(f"without a mutation: {tests_run(output)} tests pass in {seconds:.0f} s")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda m: run_tests(program, m.number, m.tests), fitting))
    judged = [(*judge(m, code, output), seconds) for m, (code, output, seconds) in zip(fitting, results)]
    return report(fitting, misfits, judged, start)


if __name__ == "__main__":
    sys.exit(main())
