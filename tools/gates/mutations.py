"""Seeded bugs: their files, and copies of sources that hold them all, each behind a switch. Shared by the gates.

A file of bugs holds blocks, parted by lines of =:

    name: what is wrong
    file: cuda/tile/product.h          (under the gate's root)
    kind: statement                    (or expression)
    tests: SumTiles.*                  (a filter, in the words of the gate's tests)
    --- old
    ... exactly once in the file, as whole words
    +++ new
    ...

All bugs of a file are compiled in at once: that is one build instead of one a bug. With the switch at 0 the program must pass
its tests. A bug whose old text is gone does not fit, which is a failure: it has to follow the sources.
"""

import collections
import concurrent.futures
import dataclasses
import os
import re
import shlex
import subprocess
import time

SWITCH = "INFONCE_MUTATION"


@dataclasses.dataclass
class Mutation:
    number: int
    name: str
    file: str
    units: list
    kind: str
    tests: str
    caught: str
    old: str
    new: str


def read_mutations(folder):
    found = []
    for path in sorted(folder.glob("*.txt")):
        for block in re.split(r"^={3,}\n", path.read_text(), flags=re.M):
            if not block.strip():
                continue
            head, _, rest = block.partition("--- old\n")
            old, _, new = rest.partition("+++ new\n")
            fields = dict(re.findall(r"^(\w+): *(.*)$", head, flags=re.M))
            found.append(Mutation(len(found) + 1, fields["name"], fields["file"], fields.get("units", "").split(),
                                  fields["kind"], fields["tests"], fields.get("caught", ": Failure"), old.rstrip("\n"),
                                  new.strip()))
    names = [m.name for m in found]
    if len(set(names)) != len(names):
        raise SystemExit("two mutations have one name")
    return found


def apply_all(mutations, text, is_on):
    """(the text with all mutations behind their switches, [(mutation, why it does not fit)]); is_on(number): the condition."""
    places, misfits = collections.defaultdict(list), []
    for m in mutations:
        whole = rf"(?!(?<=\w)\w){re.escape(m.old)}(?!(?<=\w)\w)"
        count = len(re.findall(whole, text))
        if count != 1:
            misfits.append((m, f"its old text is {count} times in {m.file}"))
        else:
            start = re.search(whole, text).start()
            places[start, start + len(m.old)].append(m)
    ends = sorted(places)
    for (_, end), (start, _) in zip(ends, ends[1:]):
        if start < end:
            raise SystemExit(f"mutations overlap in {mutations[0].file}: {[m.name for p in ends for m in places[p]]}")
    for (start, end), here in sorted(places.items(), reverse=True):
        old = text[start:end]
        if here[0].kind == "expression":
            new = "".join(f"{is_on(m.number)} ? ({m.new}) : " for m in here)
            text = f"{text[:start]}({new}({old})){text[end:]}"
        else:
            new = "".join(f"if ({is_on(m.number)}) {{ {m.new} }} else " for m in here)
            text = f"{text[:start]}{new}{{ {old}\n}}{text[end:]}"
    return text, misfits


def write_copies(mutations, found, copy_of, is_on):
    """Mutated copies, where copy_of(source) says; found(file) is the source of a name. Returns what does not fit."""
    misfits = []
    by_file = collections.defaultdict(list)
    for m in mutations:
        by_file[m.file].append(m)
    for file, here in by_file.items():
        source = found(file)
        text, wrong = apply_all(here, source.read_text(), is_on)
        misfits += wrong
        write_if_changed(copy_of(source), text)
    return misfits


def write_if_changed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def link_command(build, program):
    """(words, folder): how CMake links a program."""
    if (build / "build.ninja").is_file():
        run = subprocess.run(["ninja", "-C", str(build), "-t", "commands", program], capture_output=True, text=True, check=True)
        command = next(c for c in run.stdout.splitlines() if f" -o {program} " in c)
        command = next(part for part in command.split(" && ") if f" -o {program} " in part)
        return shlex.split(command), build
    text = next(build.rglob(f"{program}.dir/link.txt"))
    return shlex.split(text.read_text()), text.parents[2]


def tests_run(output):
    match = re.search(r"^\[==========\] (\d+) tests? from", output, flags=re.M)
    return int(match.group(1)) if match else 0


def add_options(parser):
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="a regular expression: only the mutations with such names")
    parser.add_argument("--tests", help="these tests for every mutation, instead of those that it names")


def try_all(mutations, misfits, options, tests, run, tests_of, judge):
    """Runs the tests without a mutation, and then for each that fits and is asked for; the exit code.

    tests(mutations): all that they name. run(number, tests): (exit code, output, seconds). tests_of(output): how many passed.
    judge(code, output, tests): (caught, the line that shows it).
    """
    wrong = {m.name for m, _ in misfits}
    fitting = [m for m in mutations if m.name not in wrong and re.search(options.only or "", m.name)]
    start = time.monotonic()
    code, output, seconds = run(0, options.tests or tests(fitting))
    if code != 0 or tests_of(output) == 0:
        print(output)
        print("without a mutation the tests do not pass, so they tell nothing")
        return 1
    print(f"without a mutation: {tests_of(output)} tests pass in {seconds:.0f} s", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda m: run(m.number, options.tests or m.tests), fitting)
        judged = ((*judge(code, output, m.tests), took) for m, (code, output, took) in zip(fitting, results))
        return report(fitting, misfits, judged, start)


def report(mutations, misfits, results, start):
    """Prints a line for each of [(caught, the line that shows it, seconds)], in the order of the mutations; the exit code."""
    for m, why in misfits:
        print(f"MISFIT {m.name}: {why}")
    missed = 0
    for m, (caught, line, took) in zip(mutations, results):
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'} {m.name} ({took:.1f} s): {line}", flush=True)
    print(f"{len(mutations) - missed} of {len(mutations)} mutations caught in {time.monotonic() - start:.0f} s, "
          f"{len(misfits)} do not fit their files")
    return 1 if missed or misfits else 0
