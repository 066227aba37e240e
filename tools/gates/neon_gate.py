#!/usr/bin/env python3
"""Reads what the compiler made of the products of tiles for NEON: in every innermost loop of 24 multiply-adds the sums must
stay in registers, and a factor that all lanes share must be an element of a register or be loaded into all lanes at once.

Exit code: 0 all kept, 1 something refused, or fewer such loops than there are products.
"""

import argparse
import pathlib
import re
import subprocess
import sys

SUMS = 24
PRODUCTS = 6  # of tiles, for either gradient, and both of float and double
FUNCTIONS = re.compile(r"\b(?:forward|gradient|multiply_\w+)<[^>]*>")  # what these products are inlined into
INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\s+(\S+)\s*([^/]*)")
LOADED = {"ldr q": 1, "ldp q": 2, "ldr s": 1, "ldur s": 1, "ldp s": 2, "ldr d": 1, "ldur d": 1, "ldp d": 2, "ld1r {": 1}


def innermost_loops(code):
    """Instructions (address, text) of loops that hold no other loop."""
    places = {address: place for place, (address, _) in enumerate(code)}
    loops = []
    for place, (address, text) in enumerate(code):
        branch = re.match(r"(?:b(?:\.\w+)?|cbn?z|tbn?z)\b.*?\b([0-9a-f]+) <", text)
        if branch and int(branch[1], 16) <= address and int(branch[1], 16) in places:
            loops.append((places[int(branch[1], 16)], place))
    return [code[a:b + 1] for a, b in loops if not any((c, d) != (a, b) and a <= c and d <= b for c, d in loops)]


def fault(loop):
    for _, text in loop:
        if re.match(r"(ld|st)[rp] q.*\bsp\b", text):
            return f"a vector goes through memory: {text}"
        if text.startswith("dup "):
            return f"an element is spread by an instruction of its own: {text}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objdump", required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="CMake's folder, with the library built")
    options = parser.parse_args()
    objects = sorted(options.build.rglob("infonce_objects.dir/**/tiles_portable.cpp.o"))
    if len(objects) != 1:
        raise SystemExit(f"tiles_portable.cpp has {len(objects)} objects in {options.build}")
    listing = subprocess.run([options.objdump, "-d", "-C", "--no-show-raw-insn", str(objects[0])],
                             check=True, capture_output=True, text=True).stdout
    found = refused = 0
    for function in re.split(r"\n(?=[0-9a-f]{16} <)", listing):
        name = FUNCTIONS.search(function.split("\n", 1)[0])
        if not name:
            continue
        code = [(int(m[1], 16), f"{m[2]} {m[3]}".strip()) for m in map(INSTRUCTION.match, function.splitlines()) if m]
        for loop in innermost_loops(code):
            if sum(text.startswith("fmla ") for _, text in loop) != SUMS:
                continue
            found += 1
            loads = sum(n for _, text in loop for name, n in LOADED.items() if text.startswith(name))
            reason = fault(loop)
            refused += reason is not None
            print(f"{'REFUSED' if reason else 'kept'} {name[0]} at {loop[0][0]:x}: {SUMS} fmla, {loads} registers loaded, "
                  f"{len(loop)} instructions{': ' + reason if reason else ''}")
    print(f"{found} loops, {refused} refused")
    return 1 if refused or found < PRODUCTS else 0


if __name__ == "__main__":
    sys.exit(main())
