#!/usr/bin/env python3
"""Puts seeded bugs into copies of the sources of the CPU backend and the C interface, and expects the native tests to catch each.

They lie in native/test/mutations/cpu/*.txt, as mutations.py says. One program holds them all, and the variable INFONCE_MUTATION
turns one on. A test that fails has caught it, and so has one that crashes.

Exit code: 0 all caught, 1 some not, or a mutation no longer fits its file.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import mutations as seeded
import sources
from mutations import SWITCH, link_command, read_mutations, tests_run, write_if_changed

FOLDER = sources.NATIVE / "test" / "mutations" / "cpu"
PROGRAM = "infonce_tests"
SECONDS_EACH = 300
HEADER = "#pragma once\n/// The number of the mutation that is on.\nextern \"C\" int nce_mutation() noexcept;\n"
# C, so that it is a plain read wherever the tests start.
SWITCH_SOURCE = f"""#include <stdlib.h>
static int on = -1;
int nce_mutation(void) {{
  if (on < 0) {{
    const char* const value = getenv("{SWITCH}");
    on = value == 0 ? 0 : atoi(value);
  }}
  return on;
}}
__attribute__((constructor)) static void choose(void) {{ nce_mutation(); }}
"""


def found(name):
    return sources.NATIVE / "src" / name


def copy_of(source, folder):
    return folder / "src" / source.relative_to(sources.NATIVE / "src")


def compilations(build):
    """{object: how it is compiled}."""
    entries = json.loads((build / "compile_commands.json").read_text())
    return {(pathlib.Path(e["directory"]) / re.search(r" -o (\S+)", e["command"]).group(1)).resolve(): e for e in entries}


def compile_unit(entry, mutated, folder):
    """(the mutated object, what the compiler said, seconds)."""
    start = time.monotonic()
    source = pathlib.Path(entry["file"])
    out = folder / "objects" / (re.sub(r"[^\w.]", "_", os.path.relpath(source, sources.NATIVE)) + ".o")
    out.parent.mkdir(parents=True, exist_ok=True)
    words = [w for w in shlex.split(entry["command"]) if w not in ("-O3", "-MD")]
    words[words.index("-o") + 1] = str(out)
    words[words.index("-c") + 1] = str(copy_of(source, folder) if source in mutated else source)
    for option in ("-MF", "-MT"):
        if option in words:
            del words[words.index(option):words.index(option) + 2]
    read = sources.included_by(source)
    newest = max(f.stat().st_mtime for f in [*read, *(copy_of(f, folder) for f in read if f in mutated)])
    if out.is_file() and out.stat().st_mtime > newest:
        return out, "", 0
    first_include = next(i for i, w in enumerate(words) if w.startswith("-I"))
    words[first_include:first_include] = [f"-I{folder}/src"]
    # Warnings are for the sources as they are.
    run = subprocess.run([*words, "-O2", "-w", "-include", str(folder / "mutation.h")], capture_output=True, text=True,
                         cwd=entry["directory"])
    if run.returncode != 0:
        out.unlink(missing_ok=True)
    return out, run.stderr if run.returncode else "", time.monotonic() - start


def build(mutated, options, folder):
    words, where = link_command(options.build, PROGRAM)
    entries = compilations(options.build)
    # Tests too: an inline function of theirs may be the copy that the linker keeps.
    places = {}
    for i, word in enumerate(words):
        entry = entries.get((where / word).resolve()) if word.endswith(".o") else None
        if entry is not None and sources.included_by(pathlib.Path(entry["file"])) & mutated:
            places[i] = entry
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda entry: compile_unit(entry, mutated, folder), places.values()))
    for (i, entry), (out, errors, _) in zip(places.items(), results):
        if errors:
            raise SystemExit(f"{entry['file']} does not compile with its mutations:\n{errors}")
        words[i] = str(out)
    program = folder / "mutation_tests"
    words[words.index("-o") + 1] = str(program)
    switch = folder / "mutation.o"
    subprocess.run([os.environ.get("CC", "cc"), "-c", str(folder / "mutation.c"), "-o", str(switch)], check=True)
    subprocess.run([*words, str(switch)], check=True, cwd=where)
    print(f"compiled {len(places)} files with their mutations in {time.monotonic() - start:.0f} s")
    return program


def run_tests(program, number, tests):
    """(exit code or None for no end, output, seconds)."""
    start = time.monotonic()
    try:
        run = subprocess.run([str(program), f"--gtest_filter={tests}", "--gtest_brief=1", "--gtest_fail_fast"],
                             capture_output=True, text=True, errors="replace", timeout=SECONDS_EACH,
                             env={**os.environ, SWITCH: str(number)})
        return run.returncode, run.stdout + run.stderr, time.monotonic() - start
    except subprocess.TimeoutExpired as e:
        return None, (e.stdout or b"").decode(errors="replace"), time.monotonic() - start


def judge(code, output, tests):
    """(caught, the line that shows it)."""
    if code is not None and code < 0:
        return True, f"signal {signal.Signals(-code).name}"
    if tests_run(output) == 0:
        return False, f"there is no test {tests}"
    if code == 0:
        return False, "all tests passed"
    if code is None:
        return False, f"no end within {SECONDS_EACH} s"
    failed = re.search(r"^\[  FAILED  \] ([^\s,]+)", output, flags=re.M)
    start = output.find(": Failure\n")
    where = " ".join(output[output.rfind("/", 0, max(start, 0)) + 1:].split())[:200]
    return True, f"{failed.group(1) if failed else '?'}: {where}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda text: pathlib.Path(text).resolve(), required=True, help="CMake's folder, with the test program built")
    seeded.add_options(parser)
    options = parser.parse_args()
    folder = options.build / "mutations-cpu"
    mutations = read_mutations(FOLDER)
    write_if_changed(folder / "mutation.h", HEADER)
    write_if_changed(folder / "mutation.c", SWITCH_SOURCE)
    misfits = seeded.write_copies(mutations, found, lambda source: copy_of(source, folder),
                                  lambda number: f"nce_mutation() == {number}")
    wrong = {m.name for m, _ in misfits}
    program = build({found(m.file) for m in mutations if m.name not in wrong}, options, folder)
    return seeded.try_all(mutations, misfits, options, lambda of: ":".join(sorted({m.tests for m in of})),
                          lambda number, tests: run_tests(program, number, tests), tests_run, judge)


if __name__ == "__main__":
    sys.exit(main())
