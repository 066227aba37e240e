#!/usr/bin/env python3
"""Refuses CUDA calls that allocate, wait or copy, wherever forward and backward passes can reach them.

Reads object files that were compiled with -ffunction-sections: what a function's section refers to, it can reach. The walk
starts at nce_forward, nce_backward, nce_forward_backward, and at the methods of plans and contexts that these call through
tables. CUDA calls must be on the list of those that only enqueue; other calls through pointers are refused, as the walk
could not follow them.

`--self-test` compiles the sources again with such a call put in, and expects to refuse each.

Exit code: 0 all kept, 1 something refused.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import sources

# What a pass may call: it enqueues, or looks only at what the host knows.
ALLOWED = {
    "cudaLaunchKernel", "cudaFuncSetAttribute", "cudaGetDevice", "cudaDeviceGetAttribute", "cudaMemsetAsync",
    "cudaGetLastError", "cudaPeekAtLastError", "cudaGetErrorName", "cudaGetErrorString", "cudaPointerGetAttributes",
    "cudaStreamIsCapturing", "__cudaPushCallConfiguration", "__cudaPopCallConfiguration",
}
# Calls the driver through pointers, to push and pop a context of the thread: nothing that the device sees.
POINTERS = re.compile(r"^nce::cuda::DeviceScope::~?DeviceScope\(")
CUDA_CALL = re.compile(r"^(?:__)?(?:cuda|cu|nvrtc|cublas)[A-Z]\w*$")
STARTS = re.compile(r"^(?:nce_forward|nce_backward|nce_forward_backward|"
                    r"nce::cuda::DevicePlan<.*?>::(?:forward|backward|forward_backward|check_memory)\(.*)")
PASSES = re.compile(r"^nce::cuda::DevicePlan<.*?(\w+)>::(forward|backward|forward_backward)\(")
# Linked without a symbol of ours behind it: the emulator's half of a launch.
EMULATOR = "/emulation/"
INDIRECT = re.compile(r"\bcall\s+\*")
SELF_TEST = (
    ("begin_call.cu", "cudaMalloc(&p, 16)"),
    ("begin_call.cu", "cudaStreamSynchronize(stream)"),
    ("begin_call.cu", "cudaMemcpyAsync(p, p, 16, cudaMemcpyDeviceToHost, stream)"),
    ("begin_call.cu", "cudaFree(p)"),
    ("begin_call.cu", "reinterpret_cast<void (*)()>(begin.scratch)()"),
)
SELF_TEST_AT = "  const nce_inputs& in = *begin.in;\n"

_SECTION = re.compile(r"^\s*\[\s*(\d+)\]\s+(\S+)\s")
_SYMBOL = re.compile(r"^\s*\d+:\s+[0-9a-f]+\s+\d+\s+(\w+)\s+(\w+)\s+\w+\s+(\w+)(?:\s+(\S+))?$")
_RELOCATIONS_OF = re.compile(r"^Relocation section '\.rela(\S+)'")
_RELOCATION = re.compile(r"^[0-9a-f]+\s+[0-9a-f]+\s+R_X86_64_\w+\s+[0-9a-f]+\s+(\S+)")


class Graph:
    """Sections of object files and what they refer to. A node is (object, section) or the name of an undefined symbol."""

    def __init__(self, objects):
        self.edges = collections.defaultdict(set)
        self.functions = {}  # mangled name: node
        self.names = {}  # node: mangled name
        references = []
        for path in objects:
            self._read(str(path), references)
        for node, target in references:
            self.edges[node].add(self.functions.get(target, target) if isinstance(target, str) else target)

    def _read(self, path, references):
        run = subprocess.run(["readelf", "-SWrs", path], capture_output=True, text=True, check=True)
        sections, local, relocations, current = {}, {}, [], None
        for line in run.stdout.splitlines():
            if match := _RELOCATIONS_OF.match(line):
                current = match.group(1)
            elif match := _SECTION.match(line):
                sections[match.group(1)] = match.group(2)
            elif match := _SYMBOL.match(line):
                kind, binding, index, name = match.groups()
                if kind == "SECTION" or index in ("UND", "ABS", "COM"):
                    continue
                node = (path, sections.get(index, ""))
                if binding == "LOCAL":
                    local[name] = node
                else:
                    self.functions.setdefault(name, node)
                if kind == "FUNC" and not str(name).endswith(".cold"):
                    self.names.setdefault(node, name)
            elif current and (match := _RELOCATION.match(line)):
                relocations.append((current, match.group(1)))
        own = set(sections.values())
        for section, target in relocations:
            # Unwind tables refer to everything; jump tables only to the function that has them.
            if section.startswith((".eh_frame", ".debug", ".gcc_except_table")) or section == ".rodata":
                continue
            if target in local:
                target = local[target]
            elif target in own:
                target = (path, target)
            references.append(((path, section), target.split("@")[0] if isinstance(target, str) else target))

    def name(self, node):
        """What a linker calls the node."""
        return node if isinstance(node, str) else self.names.get(node, node[1])

    def reach(self, starts, stop):
        """{node: the node it was reached from}, in breadth first order."""
        came_from = {start: None for start in starts}
        queue = collections.deque(starts)
        while queue:
            node = queue.popleft()
            if isinstance(node, str) or EMULATOR in node[0] or stop(node):
                continue
            for target in self.edges.get(node, ()):
                if target not in came_from:
                    came_from[target] = node
                    queue.append(target)
        return came_from


def indirect_calls(graph, nodes, pretty):
    """Calls through pointers in this backend's functions among the nodes."""
    wanted = collections.defaultdict(dict)
    for node in nodes:
        name = graph.names.get(node, "")
        called = pretty.get(name, "")
        if not isinstance(node, str) and EMULATOR not in node[0] and called.startswith("nce::cuda::") and not POINTERS.match(called):
            wanted[node[0]][name] = node
    found = []
    for path, names in wanted.items():
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
        function = None
        for line in text.splitlines():
            if match := re.match(r"^[0-9a-f]+ <(.+)>:$", line):
                function = match.group(1).removesuffix(".cold")
            elif function in names and INDIRECT.search(line):
                found.append(names[function])
    return found


def check(objects):
    """Lines that say what is refused, and how many functions were walked."""
    graph = Graph(objects)
    pretty = sources.demangled(graph.functions.keys() | set(graph.names.values()))
    starts = [node for node, name in graph.names.items() if STARTS.match(pretty[name])]
    passes = {m.groups() for m in map(PASSES.match, {pretty[name] for name in graph.names.values()}) if m}
    problems = []
    for name in ("nce_forward", "nce_backward", "nce_forward_backward"):
        if name not in graph.functions:
            problems.append(f"{name} is in no object: nothing was checked")
    if len({plan for plan, _ in passes}) < 2:
        problems.append(f"fewer plans than the dense and the row-wise one: {sorted(passes)}")

    def shown(node):
        return pretty.get(graph.name(node), graph.name(node))

    def cuda_call(node):
        # The emulator's are C++ functions, with parameters in their names.
        name = re.sub(r"\(.*|_(?:ptsz|ptds)$", "", shown(node))
        return name if CUDA_CALL.match(name) else None

    came_from = graph.reach(starts, cuda_call)

    def way(node):
        steps = []
        while node is not None:
            steps.append(cuda_call(node) or shown(node))
            node = came_from[node]
        return " <- ".join(steps)

    reached_calls = {cuda_call(node) for node in came_from} - {None}
    for node in came_from:
        if (cuda_call(node) or "cudaGetLastError") not in ALLOWED:
            problems.append(f"a pass can reach {way(node)}")
    for node in indirect_calls(graph, came_from, pretty):
        problems.append(f"a call through a pointer, in {way(node)}")
    return problems, len(came_from), reached_calls, passes


def mutated_object(commands, name, call, folder):
    """(the object that is replaced, one with the call put in)."""
    source = sources.found(f"cuda/{name}")
    text = source.read_text()
    if text.count(SELF_TEST_AT) != 1:
        raise SystemExit(f"self-test: {name} does not have once {SELF_TEST_AT.strip()!r}")
    mutant, wrapper, out = (pathlib.Path(folder, n) for n in (name, "mutant.cpp", "mutant.o"))
    put_in = f"  [[maybe_unused]] void* p = nullptr;\n  static_cast<void>({call});\n"
    mutant.write_text(text.replace(SELF_TEST_AT, put_in + SELF_TEST_AT))
    wrapper.write_text(f'#include "{mutant}"\n')
    words, _, replaced = sources.emulated_compilation(commands, source, wrapper, out)
    subprocess.run(words, check=True, cwd=folder)
    return replaced, out


def self_test(objects, commands):
    missed = 0
    for name, call in SELF_TEST:
        with tempfile.TemporaryDirectory(prefix="infonce-gate-") as folder:
            replaced, mutant = mutated_object(commands, name, call, folder)
            changed = [mutant if o.resolve() == replaced.resolve() else o for o in objects]
            if changed == objects:
                raise SystemExit(f"self-test: {replaced} is none of the objects")
            wanted = f"reach {call.split('(')[0]} " if call.startswith("cuda") else "a call through a pointer"
            said = [p for p in check(changed)[0] if wanted in p]
        print(f"{'refused' if said else 'MISSED'}: {call} in {name}{': ' + said[0] if said else ''}")
        missed += not said
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=pathlib.Path, required=True, help="a file that lists the objects of a library")
    parser.add_argument("--self-test", type=pathlib.Path, metavar="COMPILE_COMMANDS", help="of the build of these objects")
    options = parser.parse_args()
    objects = [pathlib.Path(p) for p in options.objects.read_text().split()]
    problems, walked, calls, passes = check(objects)
    for problem in problems:
        print("REFUSED", problem)
    print(f"{len(objects)} objects, {walked} functions and data within reach of {len(passes)} passes, "
          f"CUDA calls: {', '.join(sorted(calls)) or 'none'}; {len(problems)} refused")
    if options.self_test and not problems:
        return 1 if self_test(objects, json.loads(options.self_test.read_text())) else 0
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
