"""Where this project's CUDA sources are, what they include, and the compilers that read them. Shared by the gates."""

import functools
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
NATIVE = ROOT / "native"
CUDA = NATIVE / "src" / "cuda"
INCLUDES = (NATIVE / "src", NATIVE / "include")
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def kernel_files():
    return sorted(CUDA.rglob("*.cu"))


def found(name):
    """The one file under native/src of that name; "cuda/tile/weigh.h" may lie in any folder below cuda/tile."""
    folder, _, last = name.rpartition("/")
    paths = sorted((NATIVE / "src" / folder).rglob(last))
    if len(paths) != 1:
        raise SystemExit(f"{name} is {len(paths)} files under native/src: {', '.join(map(str, paths)) or 'none'}")
    return paths[0]


def demangled(names):
    """{mangled: what a person calls it}."""
    names = list(names)
    if not names:
        return {}
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, text.splitlines()))


def emulated_compilation(commands, source, other, out):
    """(words, folder, object): how the emulated build compiles a source, made to compile another file; what it makes itself."""
    # A kernel is compiled through a file that includes it.
    suffix = f"/emulated/{source.stem}.cpp" if source.suffix == ".cu" else os.path.relpath(source, NATIVE)
    entry = next(c for c in commands if c["file"].endswith(suffix) and "NCE_EMULATED" in c["command"])
    words = shlex.split(entry["command"])
    folder = pathlib.Path(entry["directory"])
    made = folder / words[words.index("-o") + 1]
    words[words.index("-o") + 1] = str(out)
    words[words.index("-c") + 1] = str(other)
    # The build's own notes of what it has read stay its own.
    for option in ("-MF", "-MT"):
        if option in words:
            del words[words.index(option):words.index(option) + 2]
    return [w for w in words if w != "-MD"], folder, made


def included_by(path, seen=None):
    """The file and all of this project's that it includes."""
    seen = set() if seen is None else seen
    if path in seen:
        return seen
    seen.add(path)
    for name in _INCLUDE.findall(path.read_text()):
        for folder in (path.parent, *INCLUDES):
            if (folder / name).is_file():
                included_by((folder / name).resolve(), seen)
                break
    return seen


def fingerprint(path, *more):
    digest = hashlib.sha256()
    for text in more:
        digest.update(repr(text).encode())
    for file in sorted(included_by(path)):
        digest.update(os.path.relpath(file, ROOT).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def find_nvcc():
    return shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


@functools.cache
def nvcc_version():
    text = subprocess.run([find_nvcc(), "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V([\d.]+)", text).group(1)
