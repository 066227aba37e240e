"""What nvcc and ptxas say of kernels, as plain numbers. Shared by the gates."""

import collections
import re

import sources

_ENTRY = re.compile(r"^\s*(?:\.visible\s+|\.weak\s+)*\.(entry|func)\s+(?:\(.*?\)\s*)?([\w$]+)", re.S)
_INSTRUCTIONS = {
    "mma": re.compile(r"\bmma\.sync\."),
    "ldmatrix": re.compile(r"\bldmatrix\."),
    "ex2": re.compile(r"\bex2\.approx\."),
    "cp.async": re.compile(r"\bcp\.async\.c[ag]\."),
}
_FORBIDDEN = (
    (re.compile(r"\b(?:ld|st)\.local\b"), "local memory is read or written"),
    (re.compile(r"^\s*\.local\b"), "a variable lies in local memory"),
    (re.compile(r"\b(?:atom|red)\.[\w.]*\.(?:b?f16x?2?|f32|f64)\b"), "an atomic operation on a float"),
    (re.compile(r"\bcall(?:\.uni)?\s"), "a function is called that was not inlined"),
)
_COMPILING = re.compile(r"Compiling entry function '([^']+)'")
_FUNCTION = re.compile(r"Function properties for (\S+)")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")

COUNTED = tuple(_INSTRUCTIONS)


def demangle(names):
    """{mangled: short name}: without namespaces and parameters, which say nothing here."""
    return {mangled: _short(name) for mangled, name in sources.demangled(names).items()}


def _short(name):
    for noise in ("(anonymous namespace)::", "nce::cuda::", "tile::", "dense::"):
        name = name.replace(noise, "")
    depth = 0
    for i, c in enumerate(name):
        # The parameter list is the first parenthesis outside of template arguments.
        if c == "<":
            depth += 1
        elif c == ">":
            depth -= 1
        elif c == "(" and depth == 0:
            name = name[:i]
            break
    return name.removeprefix("void ").strip()


def count_instructions(ptx):
    """({function: {instruction: count}}, [(function, what is forbidden, line)])."""
    counts = collections.OrderedDict()
    problems = []
    current = None
    for line in ptx.splitlines():
        line = line.split("//", 1)[0]
        match = _ENTRY.match(line)
        if match:
            current = match.group(2)
            counts.setdefault(current, dict.fromkeys(COUNTED, 0))
        if current is None:
            continue
        for name, pattern in _INSTRUCTIONS.items():
            if pattern.search(line):
                counts[current][name] += 1
        for pattern, what in _FORBIDDEN:
            if pattern.search(line):
                problems.append((current, what, line.strip()))
    return counts, problems


def read_ptxas(text):
    """({kernel: {"registers", "shared"}}, [(function, problem, line)]) of what `ptxas -v` printed."""
    kernels = {}
    problems = []
    kernel = function = None
    for line in text.splitlines():
        if match := _COMPILING.search(line):
            kernel = function = match.group(1)
            kernels[kernel] = {"registers": 0, "shared": 0}
        elif match := _FUNCTION.search(line):
            function = match.group(1)
        elif match := _STACK.search(line):
            stack, stores, loads = map(int, match.groups())
            if stack:
                problems.append((function, f"{stack} bytes of stack", ""))
            if stores or loads:
                problems.append((function, f"spills: {stores} bytes stored, {loads} loaded", ""))
        elif match := _USED.search(line):
            kernels[kernel]["registers"] = int(match.group(1))
            if shared := _SHARED.search(line):
                kernels[kernel]["shared"] = int(shared.group(1))
        if re.search(r"\bwarning\b|\bC75\d\d\b|[Pp]erformance [Ll]oss", line):
            problems.append((kernel or "", "the compiler warns", line.strip()))
    return kernels, problems
