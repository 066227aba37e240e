"""Where this project's CUDA sources are, what they include, and the compilers that read them."""

import functools
import hashlib
import os
import pathlib
import re
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
