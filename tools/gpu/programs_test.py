#!/usr/bin/env python3
"""The programs of a GPU day on samples of what a GPU's tools print, as there is none where this runs."""

import ctypes
import json
import pathlib
import tempfile
import unittest

import counters
import nce
import one_call
import report

NCU = """==PROF== Connected to process 12
infonce
"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC","Section Name","Metric Name","Metric Unit","Metric Value"
"0","12","python3","127.0.0.1","void nce::cuda::tile::sum_tiles<Shape<(Arithmetic)1, 1>>(nce::cuda::SumTilesParams)","1","7","(256, 1, 1)","(256, 1, 1)","0","9.0","GPU Speed Of Light Throughput","Duration","us","1,234.50"
"0","12","python3","127.0.0.1","void nce::cuda::tile::sum_tiles<Shape<(Arithmetic)1, 1>>(nce::cuda::SumTilesParams)","1","7","(256, 1, 1)","(256, 1, 1)","0","9.0","GPU Speed Of Light Throughput","Memory Throughput","%","81.25"
"0","12","python3","127.0.0.1","void nce::cuda::tile::sum_tiles<Shape<(Arithmetic)1, 1>>(nce::cuda::SumTilesParams)","1","7","(256, 1, 1)","(256, 1, 1)","0","9.0","Memory Workload Analysis","Memory Throughput","Gbyte/s","17.1"
"1","12","python3","127.0.0.1","pack_rows(nce::cuda::PackParams)","1","7","(256, 1, 1)","(64, 1, 1)","0","9.0","Launch Statistics","Registers Per Thread","register/thread","40"
"""

DAY = {"type": "gpu-day", "rehearsal": False, "commit": "abc", "date": "2026-01-02T03:04:05Z", "gpu": "NVIDIA H200, 580.1"}
GPU_LINES = [
    DAY,
    {"type": "head", "gpu": "NVIDIA H200", "driver": "580.1", "compute_capability": 90, "memory_bytes": 2**37},
    {"type": "clocks", "when": "under load", "clock_mhz": 1755, "clock_limit_mhz": 1980, "memory_clock_mhz": 3201, "celsius": 40,
     "watts": 500, "limit_watts": 700, "held_down": "by power"},
    {"type": "group", "group": "dense", "passed": 3, "failed": 1, "skipped": 0, "seconds": 1.5},
    {"type": "worst", "group": "dense", "what": "d_keys", "share": 1.5, "case": "a case"},
    {"type": "worst", "group": "dense", "what": "loss", "share": 0.5, "case": "another"},
    {"type": "peaks", "mma_tflops": 600.0, "fma_tflops": 60.0, "copy_tbs": 4.1, "stated_tflops": 989.4},
    *({"type": "row", "contender": name, "mode": "bf16", "n": 16384, "dim": 256, "symmetric": 1, "backward": 1, "median_ms": 2.5,
       "min_ms": 2.4, "graph_ms": None, "tflops": rate, "share_mma": 0.25, "share_stated": 0.17, "workspace_bytes": 2**20}
      for name, rate in (("fused", 165.0), ("cublas-chunk", 147.0))),
    {"type": "peer", "contender": "eager", "n": 16384, "dim": 256, "dtype": "bfloat16", "ms": 4.0, "least_ms": 3.9, "tflops": 103.0,
     "mebibytes": 4000.0, "error_queries": 0.02, "error_keys": 0.02, "wrong": False},
    {"type": "peer", "contender": "compiled", "n": 16384, "dim": 256, "dtype": "bfloat16", "error": "RuntimeError: no"},
    {"type": "launch", "n": 16384, "dim": 256, "dtype": "bfloat16", "kernel": "sum_tiles", "duration": 350.0, "duration_unit": "us"},
    {"type": "sanitizer", "tool": "memcheck", "summary": "ERROR SUMMARY: 0 errors"},
    {"type": "java", "device": "cuda", "successful": 500, "failed": 0, "skipped": ""},
    {"type": "part", "part": "ncu", "state": "overran", "reason": "killed after 40 s", "seconds": 40, "limit": 40},
]


def page_of(lines, tail=""):
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "results.jsonl")
        log.write_text("\n".join(map(json.dumps, lines)) + "\n" + tail)
        return report.page(report.Results(log), "a log")


class Counters(unittest.TestCase):
    def test_reads_the_table_of_ncu(self):
        first, second = counters.launches(NCU)
        self.assertIn("sum_tiles<Shape<(Arithmetic)1, 1>>", first["kernel"])
        self.assertEqual((1234.5, "us", 81.25), (first["duration"], first["duration_unit"], first["memory_percent"]))
        self.assertEqual(("pack_rows", 40), (second["kernel"], second["registers"]))

    def test_finds_no_launch_in_other_text(self):
        self.assertEqual([], counters.launches("==ERROR== ERR_NVGPUCTRPERM\n"))


class Report(unittest.TestCase):
    def test_names_the_gpu_and_what_broke(self):
        page = page_of(GPU_LINES)
        for text in ("# Results on a GPU: NVIDIA H200", "| driver | 580.1 |", "| commit | abc |", "1755 of 1980",
                     "| dense | d_keys | 1.5 | **BROKEN** |", "| dense | loss | 0.5 | holds |", "| ncu | overran | 40 | 40 |",
                     "RuntimeError: no", "| compute-sanitizer memcheck | ERROR SUMMARY: 0 errors |", "500 passed, 0 failed",
                     "| sum_tiles | 16384 x 256, bfloat16 | 350 us |"):
            self.assertIn(text, page)
        self.assertNotIn("rehearsal", page)

    def test_draws_longer_bars_for_higher_rates(self):
        fused, chunk = (line.count("#") for line in page_of(GPU_LINES).splitlines() if line.startswith(("fused ", "cublas-chunk ")))
        self.assertEqual((report.BAR, 36), (fused, chunk))

    def test_says_of_a_rehearsal_that_it_is_one(self):
        self.assertIn("no GPU ran any of this", page_of([{**DAY, "rehearsal": True}]))

    def test_bears_a_log_that_was_cut_off(self):
        self.assertIn("The benchmark left no result.", page_of([DAY], '{"type": "row", "conte'))

    def test_refuses_another_log(self):
        with self.assertRaisesRegex(SystemExit, "no log of tools/gpu-day.sh"):
            page_of(GPU_LINES[1:])


class OtherLayout(nce.Library):
    """A library that reports what this client has, but for one size."""

    def __init__(self, wrong):
        self._lines = [(name, field, getattr(kind, field).offset, getattr(kind, field).size + ((name, field) == wrong))
                       for name, kind in nce.STRUCTS.items() for field, _ in kind._fields_]
        self._lines += [(name, None, 0, ctypes.sizeof(kind)) for name, kind in nce.STRUCTS.items()]
        self._functions = self
        self._check_layout("that")

    def nce_layout_count(self):
        return len(self._lines)

    def call(self, name, index, line):
        struct, field, line._obj.offset, line._obj.size = self._lines[index.value]
        line._obj.name, line._obj.field = struct.encode(), field and field.encode()


class Client(unittest.TestCase):
    def test_refuses_a_library_of_another_layout(self):
        OtherLayout(None)
        with self.assertRaisesRegex(nce.Failure, r"\('nce_plan_desc', 'margin'\)"):
            OtherLayout(("nce_plan_desc", "margin"))

    def test_reads_every_struct_of_the_header(self):
        text = nce.HEADER.read_text()
        self.assertEqual(text.count("typedef struct nce_") - 2, len(nce.STRUCTS))  # but the two opaque ones
        self.assertEqual(1, nce.CONSTANTS["NCE_BACKEND_CUDA"])
        self.assertEqual(ctypes.c_double, dict(nce.STRUCTS["nce_plan_desc"]._fields_)["margin"])

    def test_elements_are_of_their_type(self):
        import random
        for dtype, bits in (("float32", 24), ("float16", 11), ("bfloat16", 8)):
            values = one_call.values(one_call.random_elements(random.Random(3), 1000, dtype), dtype)
            self.assertTrue(all(0.5 <= abs(v) < 1 and v * 2**bits == int(v * 2**bits) for v in values), dtype)
            self.assertGreater(len(set(values)), 50, dtype)

    def test_formula_agrees_with_central_differences(self):
        queries, keys = [[0.5, -0.7, 0.9], [0.6, 0.8, -0.5]], [[0.7, -0.5, 0.6], [-0.9, 0.6, 0.5]]
        _, d_queries, d_keys = one_call.formula(queries, keys)
        step = 1e-5
        for side, gradient in ((queries, d_queries), (keys, d_keys)):
            for i, row in enumerate(side):
                for d, value in enumerate(row):
                    losses = []
                    for moved in (value + step, value - step):
                        row[d] = moved
                        losses.append(one_call.formula(queries, keys)[0])
                    row[d] = value
                    self.assertAlmostEqual((losses[0] - losses[1]) / (2 * step), gradient[i][d], delta=1e-6)


if __name__ == "__main__":
    unittest.main()
