#!/usr/bin/env python3
"""Time, rate, memory and errors of this library's symmetric InfoNCE, loss and both gradients, beside PyTorch: as it is written
(eager), compiled, and fused kernels of others where the folder --peers has them. One process, one stream, the same numbers.
Errors are of gradients, against the formula in float64. Prints a line and a line of JSON for each; exit code 77 without
PyTorch, 1 if a result is wrong.

A file NAME.py in --peers that defines loss(queries, keys, tau) is the contender NAME; Python packages beside it can be imported
by it. The packages inf_cl and memeff, if they lie there, need no such file."""

import argparse
import importlib
import json
import pathlib
import sys
import time

import nce

TAU = 0.07
UNITS = 3  # the similarities, and the gradients of queries and of keys, of 2 n^2 dim operations each
WRONG = 0.05  # relative; bfloat16 without room is at a hundredth
# Most telling first: n, dim, element type.
SHAPES = ((16384, 256, "bfloat16"), (16384, 128, "bfloat16"), (16384, 768, "bfloat16"), (4096, 256, "bfloat16"),
          (16384, 256, "float32"), (32768, 256, "bfloat16"), (65536, 256, "bfloat16"))
REHEARSED = ((256, 64, "float32"), (256, 64, "bfloat16"))


def eager(queries, keys):
    q, k = functional.normalize(queries, dim=1), functional.normalize(keys, dim=1)
    z = (q @ k.T).float() / TAU
    truth = torch.arange(len(z), device=z.device)
    return 0.5 * (functional.cross_entropy(z, truth) + functional.cross_entropy(z.T, truth))


def reference(queries, keys):
    """Both gradients in float64, a block of rows at a time."""
    q, k = queries.double(), keys.double()
    norms = q.norm(dim=1, keepdim=True), k.norm(dim=1, keepdim=True)
    q, k = q / norms[0], k / norms[1]
    n, size = len(q), 4096
    # |z| <= 1 / tau, so exponentials less that bound neither overflow nor vanish.
    blocks = [slice(i, min(i + size, n)) for i in range(0, n, size)]
    columns = sum(torch.exp((q[b] @ k.T - 1) / TAU).sum(0) for b in blocks)
    dq, dk = torch.empty_like(q), torch.zeros_like(k)
    for b in blocks:
        e = torch.exp((q[b] @ k.T - 1) / TAU)
        g = e / e.sum(1, keepdim=True) + e / columns
        g[torch.arange(len(g)), torch.arange(b.start, b.stop)] -= 2
        g /= 2 * n * TAU
        dq[b] = g @ k
        dk += g.T @ q[b]
    return tuple((d - (d * u).sum(1, keepdim=True) * u) / norm for d, u, norm in zip((dq, dk), (q, k), norms))


def by_autograd(loss):
    def make(queries, keys):
        q, k = queries.detach().requires_grad_(), keys.detach().requires_grad_()

        def run():
            q.grad = k.grad = None
            loss(q, k).backward()
        return run, lambda: (q.grad, k.grad)
    return make


def fused(context, precision):
    def make(queries, keys):
        n, dim = queries.shape
        plan = nce.Plan(context, n, dim, str(queries.dtype).removeprefix("torch."), precision)
        device = queries.device
        # PyTorch aligns to 512 bytes on a GPU and to 64 on a CPU.
        kept = {"queries": queries, "keys": keys, "temperature": torch.tensor([TAU], dtype=torch.float64, device=device),
                "workspace": torch.empty(plan.workspace_bytes, dtype=torch.uint8, device=device),
                "loss": torch.empty(1, dtype=torch.float64, device=device), "d_queries": torch.empty_like(queries),
                "d_keys": torch.empty_like(keys)}
        pointers = {name: tensor.data_ptr() for name, tensor in kept.items()}
        stream = torch.cuda.current_stream().cuda_stream if context.backend == "cuda" else None
        call = plan.prepare(pointers, stream)

        def results():
            plan.status(pointers, stream)
            return kept["d_queries"], kept["d_keys"]
        return call, results
    return make


def carried(folder):
    """{name: loss(queries, keys)} of what somebody has put there."""
    found = {}
    if folder is None or not folder.is_dir():
        return found
    sys.path.insert(0, str(folder))
    for file in sorted(folder.glob("*.py")):
        found[file.stem] = lambda q, k, name=file.stem: importlib.import_module(name).loss(q, k, TAU)
    if (folder / "inf_cl").is_dir():
        def inf_cl(queries, keys):
            from inf_cl.flash import cal_flash_loss
            q, k = functional.normalize(queries, dim=1), functional.normalize(keys, dim=1)
            return 0.5 * (cal_flash_loss(q, k, scale=1 / TAU).mean() + cal_flash_loss(k, q, scale=1 / TAU).mean())
        found["inf_cl"] = inf_cl
    if (folder / "memeff").is_dir():
        found["memeff"] = lambda q, k: importlib.import_module("memeff.clip_loss").MemoryEfficientCLIPLoss(TAU)(q, k)
    return found


class Clock:
    """Milliseconds of a function, by events on a GPU."""

    def __init__(self, on_gpu):
        self._on_gpu = on_gpu

    def median_and_least(self, run, seconds):
        for _ in range(3 if self._on_gpu else 1):
            run()
        times, end = [], time.monotonic() + seconds
        while len(times) < 5 or (time.monotonic() < end and len(times) < 200):
            times.append(self._once(run))
        times.sort()
        return times[len(times) // 2], times[0]

    def _once(self, run):
        if not self._on_gpu:
            start = time.perf_counter()
            run()
            return 1e3 * (time.perf_counter() - start)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end)


def measure(make, queries, keys, truth, clock):
    """What is told of a contender."""
    on_gpu = queries.is_cuda
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if on_gpu else 0
    run, results = make(queries, keys)
    run()  # compiles, where something has to be
    errors = [float((d.double() - t).norm() / t.norm()) for d, t in zip(results(), truth)]
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    median, least = clock.median_and_least(run, 0.4)
    n, dim = queries.shape
    row = {"ms": round(median, 4), "least_ms": round(least, 4), "tflops": round(UNITS * 2e-9 * n * n * dim / median, 2),
           "error_queries": errors[0], "error_keys": errors[1]}
    if on_gpu:
        row["mebibytes"] = round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--seconds", type=float, default=70, help="what has not begun by then is left out")
    parser.add_argument("--peers", type=pathlib.Path)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds

    global torch, functional
    try:
        import torch
        import torch.nn.functional as functional
    except ImportError as error:
        print(f"{sys.executable} has no PyTorch: {error}")
        return 77
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} finds no GPU")
        return 77
    torch.backends.cuda.matmul.allow_tf32 = False
    context = nce.Context(nce.Library(options.library), options.device)
    print(f"PyTorch {torch.__version__}, {torch.cuda.get_device_name() if options.device == 'cuda' else context.name}")
    contenders = {"fused": fused(context, "precise"), "fused-fast": fused(context, "fast"), "eager": by_autograd(eager)}
    contenders.update({name: by_autograd(loss) for name, loss in carried(options.peers).items()})
    contenders["compiled"] = by_autograd(torch.compile(eager, dynamic=False))
    clock, wrong = Clock(options.device == "cuda"), 0
    for n, dim, dtype in SHAPES if options.device == "cuda" else REHEARSED:
        torch.manual_seed(0)
        queries = torch.randn(n, dim, device=options.device)
        keys = (queries + 0.7 * torch.randn_like(queries)).to(getattr(torch, dtype))
        queries = queries.to(keys.dtype)
        truth = None
        for name, make in contenders.items():
            row = {"type": "peer", "contender": name, "n": n, "dim": dim, "dtype": dtype}
            if time.monotonic() > end:
                row["left_out"] = "time was up"
            else:
                try:
                    truth = truth or reference(queries, keys)
                    row.update(measure(make, queries, keys, truth, clock))
                    row["wrong"] = not max(row["error_queries"], row["error_keys"]) <= WRONG
                    wrong += row["wrong"]
                except Exception as error:  # of any contender; the next ones run all the same
                    row["error"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                    wrong += name.startswith("fused")
            print(" ".join(f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
                           for key, value in row.items() if key != "type"))
            print(json.dumps(row), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
