#!/usr/bin/env python3
"""Puts seeded bugs into copies of the Java sources of bindings and java/core, and expects their tests to catch each.

They lie in java/core/src/test/mutations/*.txt, as mutations.py says; `file` is relative to the repository, and `tests` names
classes, or class#method. All are compiled at once, and the variable INFONCE_MUTATION turns one on.

Before it, Maven has to compile the tests and write their class path (tools/lib/gates.sh does). Exit code: 0 all caught, 1 some not, or
a mutation no longer fits its file.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

import mutations as seeded
import sources
from mutations import SWITCH, read_mutations, write_if_changed

FOLDER = sources.ROOT / "java" / "core" / "src" / "test" / "mutations"
TREES = [sources.ROOT / "bindings" / "src" / "main", sources.ROOT / "java" / "core" / "src" / "main"]
MODULES = [sources.ROOT / "bindings", sources.ROOT / "java" / "core"]
RUNNER = pathlib.Path(__file__).parent / "java" / "FirstFailure.java"
SECONDS_EACH = 1800
SWITCH_CLASS = "dev.infonce.bindings.SeededBug"
SWITCH_SOURCE = f"""package dev.infonce.bindings;

/** Which seeded bug is on. The variable is there for the JVMs that tests start, too. */
public final class SeededBug {{
    private static final int NUMBER = Integer.parseInt(System.getenv().getOrDefault("{SWITCH}", "0"));

    public static boolean is(int number) {{
        return NUMBER == number;
    }}
}}
"""


def java(name):
    return str(pathlib.Path(os.environ["JAVA_HOME"]) / "bin" / name)


def libraries():
    """The jars that tests need, the launcher of their platform among them."""
    jars = []
    for module in MODULES:
        for entry in (module / "target" / "test-classpath.txt").read_text().split(":"):
            if entry.endswith(".jar") and entry not in jars and not re.search(r"/infonce[^/]*\.jar$", entry):
                jars.append(entry)
    engine = next(j for j in jars if "/junit-platform-engine-" in j)
    launcher = engine.replace("junit-platform-engine", "junit-platform-launcher")
    if not pathlib.Path(launcher).is_file():
        raise SystemExit(f"{launcher} is not there; Maven brings it when it runs tests")
    return [*jars, launcher]


def compile_all(folder, jars):
    """The folder of the classes, mutated and not, and of the runner."""
    start = time.monotonic()
    classes = folder / "classes"
    copies = {p.relative_to(folder / "src") for p in (folder / "src").rglob("*.java")}
    files = [str(folder / "src" / c) for c in sorted(copies)]
    for tree in TREES:
        files += [str(p) for p in sorted((tree / "java").rglob("*.java")) if p.relative_to(tree / "java") not in copies]
    subprocess.run([java("javac"), "-nowarn", "-proc:none", "-d", str(classes), "--add-modules", "jdk.incubator.vector",
                    "-cp", ":".join(jars), *files, str(RUNNER)], check=True, stderr=subprocess.DEVNULL)
    print(f"compiled {len(copies) - 1} files with their mutations, and all others, in {time.monotonic() - start:.0f} s")
    return classes


class Runner:
    def __init__(self, classes, jars, library):
        resources = [str(tree / "resources") for tree in TREES]
        tests = [str(module / "target" / "test-classes") for module in MODULES]
        self.command = [java("java"), "--enable-native-access=ALL-UNNAMED", "--add-modules", "jdk.incubator.vector",
                        f"-Dinfonce.library.path={library}", f"-Dinfonce.root={sources.ROOT}",
                        "-Dinfonce.test.devices=java,java@PLAIN,cpu", "-cp", ":".join([str(classes), *resources, *tests, *jars]),
                        "FirstFailure"]

    def __call__(self, number, tests):
        """(exit code or None for no end, output, seconds); tests run in their modules' folders, as Maven does it."""
        start = time.monotonic()
        output = ""
        for module in MODULES:
            here = [t for t in tests.split() if ("bindings" in t) == (module.name == "bindings")]
            if not here:
                continue
            try:
                run = subprocess.run([*self.command, *here], capture_output=True, text=True, errors="replace",
                                     timeout=SECONDS_EACH, env={**os.environ, SWITCH: str(number)}, cwd=module)
            except subprocess.TimeoutExpired as e:
                return None, (e.stdout or b"").decode(errors="replace"), time.monotonic() - start
            output += run.stdout + run.stderr
            if run.returncode != 0:
                return run.returncode, output, time.monotonic() - start
        return 0, output, time.monotonic() - start


def tests_passed(output):
    return sum(map(int, re.findall(r"^passed: (.*)", output, flags=re.M)))


def judge(code, output, _):
    """(caught, the line that shows it)."""
    if code is None:
        return False, f"no end within {SECONDS_EACH} s"
    failed = re.search(r"^failed: (.*)$", output, flags=re.M)
    if failed:
        return True, failed.group(1)[:300]
    if code != 0:
        return False, "the JVM ended with " + str(code) + ": " + " | ".join(output.strip().splitlines()[-3:])
    return False, "all tests passed" if tests_passed(output) else "no test ran"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=lambda text: pathlib.Path(text).resolve(), required=True, help="the folder of the native libraries")
    seeded.add_options(parser)
    options = parser.parse_args()
    folder = sources.ROOT / "build" / "mutations-java"
    mutations = read_mutations(FOLDER)

    def copy_of(source):
        tree = next(t for t in TREES if source.is_relative_to(t))
        return folder / "src" / source.relative_to(tree / "java")

    write_if_changed(folder / "src" / (SWITCH_CLASS.replace(".", "/") + ".java"), SWITCH_SOURCE)
    misfits = seeded.write_copies(mutations, lambda file: sources.ROOT / file, copy_of,
                                  lambda number: f"{SWITCH_CLASS}.is({number})")
    jars = libraries()
    return seeded.try_all(mutations, misfits, options, lambda of: " ".join(sorted({t for m in of for t in m.tests.split()})),
                          Runner(compile_all(folder, jars), jars, options.library), tests_passed, judge)


if __name__ == "__main__":
    sys.exit(main())
