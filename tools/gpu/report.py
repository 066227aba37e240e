#!/usr/bin/env python3
"""Turns results.jsonl of a GPU day into a page for docs/: tables, charts in text, and a line for each stated bound."""

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "gpu-results.md"
BAR = 40  # characters of a chart's longest bar
NOT_A_GPU = ("> **A rehearsal on a CPU: no GPU ran any of this, and none of its times says anything of one. It shows only that the"
             " run and this page work.**")


class Results:
    """The lines of a log, by type."""

    def __init__(self, path):
        self.lines = []
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if not line.startswith("{"):
                continue
            try:
                self.lines.append(json.loads(line))
            except json.JSONDecodeError:
                print(f"{path}, line {number}: cut off, left out", file=sys.stderr)
        if not self.of("gpu-day"):
            raise SystemExit(f"{path} is no log of tools/gpu-day.sh: it has no line of the type gpu-day")

    def of(self, kind, **fields):
        return [line for line in self.lines
                if line.get("type") == kind and all(line.get(name) == value for name, value in fields.items())]

    def first(self, kind, **fields):
        return next(iter(self.of(kind, **fields)), {})

    @property
    def rehearsal(self):
        return self.first("gpu-day").get("rehearsal", False)


def number(value, digits=3):
    if value is None or value == "":
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) >= 1000):
        return f"{int(value)}"
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}"


def percent(share):
    return "-" if share is None else f"{100 * share:.0f} %"


def table(titles, rows):
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(titles), ["---"] * len(titles), *rows])


def chart(pairs, unit):
    """Bars, for (label, value)."""
    pairs = [(label, value) for label, value in pairs if value]
    if not pairs:
        return ""
    largest, width = max(value for _, value in pairs), max(len(label) for label, _ in pairs)
    lines = [f"{label:{width}} {'#' * max(1, round(BAR * value / largest)):{BAR}} {number(value)} {unit}" for label, value in pairs]
    return "```\n" + "\n".join(lines) + "\n```"


def shape(row):
    return f"{row['n']} x {row['dim']}"


def machine(results):
    day, head = results.first("gpu-day"), results.first("head")
    facts = [("GPU", head.get("gpu") or day.get("gpu") or "none"), ("compute capability", head.get("compute_capability")),
             ("multiprocessors", head.get("multiprocessors")),
             ("memory, GiB", head.get("memory_bytes") and round(head["memory_bytes"] / 2**30)),
             ("driver", head.get("driver")), ("CUDA of the driver", head.get("driver_cuda")),
             ("CUDA run time built with", head.get("runtime")), ("host", head.get("host")), ("date", day.get("date")),
             ("commit", day.get("commit")), ("library", head.get("version"))]
    clocks = [[line["when"], f"{line['clock_mhz']} of {line['clock_limit_mhz']}", line["memory_clock_mhz"], line["celsius"],
               f"{line['watts']} of {line['limit_watts']}", line["held_down"]] for line in results.of("clocks")]
    parts = [table(("", ""), [(name, number(value)) for name, value in facts if value not in (None, "")])]
    if clocks:
        parts.append(table(("clocks", "MHz", "memory MHz", "C", "W", "held down"), clocks))
    return parts


def parts_run(results):
    rows = [(line["part"], line["state"], number(line.get("seconds")), number(line.get("limit")), line.get("reason", ""))
            for line in results.of("part")]
    return [table(("part", "state", "s", "limit", "reason"), rows)]


def truth(results):
    groups = [(g["group"], g["passed"], g["failed"], g["skipped"], f"{g['seconds']:.1f}") for g in results.of("group")]
    if not groups:
        return ["The self-test left no result."]
    said = [table(("group of the self-test", "passed", "failed", "skipped", "s"), groups)]
    bounds = [(w["group"], w["what"], number(w["share"], 2), "holds" if w["share"] <= 1 else "**BROKEN**", w["case"])
              for w in sorted(results.of("worst"), key=lambda w: -(w["share"] or 0))]
    if bounds:
        said += ["Worst errors as shares of the bounds that are stated (1 is all that is allowed):",
                 table(("group", "bound on", "share", "", "worst case"), bounds)]
    failures = [(f["group"], f["case"], f["reason"]) for f in results.of("failure")[:20]]
    if failures:
        said += ["Failures:", table(("group", "case", "reason"), failures)]
    return said


def speed(results):
    peaks, rows = results.first("peaks"), results.of("row")
    if not rows:
        return ["The benchmark left no result."]
    said = [table(("peak", "measured", "stated"), [
        ("tensor cores by mma.sync, TFLOP/s", number(peaks.get("mma_tflops")), number(peaks.get("stated_tflops"))),
        ("float multiply-adds, TFLOP/s", number(peaks.get("fma_tflops")), "-"),
        ("copies, TB/s", number(peaks.get("copy_tbs")), "-")])]
    lines = [(r["contender"], r["mode"], r["n"], r["dim"], "two" if r["symmetric"] else "one",
              "fwd+bwd" if r["backward"] else "fwd", number(r["median_ms"]), number(r["min_ms"]), number(r["graph_ms"]),
              number(r["tflops"]), percent(r["share_mma"]), percent(r["share_stated"]), number(r["workspace_bytes"] / 2**20))
             for r in rows]
    said.append(table(("contender", "type", "n", "dim", "sides", "pass", "ms", "least", "as graph", "TFLOP/s", "of mma", "of stated",
                       "MiB"), lines))
    both = [r for r in rows if r["symmetric"] and r["backward"]]
    for key in dict.fromkeys((r["n"], r["dim"], r["mode"]) for r in both):
        those = [(r["contender"], r["tflops"]) for r in both if (r["n"], r["dim"], r["mode"]) == key]
        if len(those) > 1:
            said += [f"Forward and backward, both sides, {key[0]} x {key[1]}, {key[2]}:", chart(those, "TFLOP/s")]
    missing = [(r["contender"], r["mode"], shape(r), r["reason"]) for r in results.of("no row")]
    if missing:
        said += ["Not measured:", table(("contender", "type", "shape", "reason"), missing)]
    return said


def peers(results):
    rows = results.of("peer")
    if not rows:
        return ["The peers left no result."]
    lines = [(r["contender"], r["n"], r["dim"], r["dtype"], number(r.get("ms")), number(r.get("least_ms")), number(r.get("tflops")),
              number(r.get("mebibytes")), number(r.get("error_queries"), 2), number(r.get("error_keys"), 2),
              r.get("error") or r.get("left_out") or ("**WRONG**" if r.get("wrong") else "")) for r in rows]
    said = ["Loss and both gradients, symmetric, tau 0.07; one process, one stream. Errors are those of the gradients, relative to"
            " their norm, against float64. MiB: the most that was allocated beyond the inputs.",
            table(("contender", "n", "dim", "type", "ms", "least", "TFLOP/s", "MiB", "error of dQ", "of dK", ""), lines)]
    for key in dict.fromkeys((r["n"], r["dim"], r["dtype"]) for r in rows):
        those = [(r["contender"], r.get("tflops")) for r in rows if (r["n"], r["dim"], r["dtype"]) == key]
        said += [f"{key[0]} x {key[1]}, {key[2]}:", chart(those, "TFLOP/s")]
    return [text for text in said if text]


def counters(results):
    rows = results.of("launch")
    if not rows:
        return ["Nsight Compute left no result."]
    names = ("duration", "compute_percent", "memory_percent", "l1_percent", "dram_percent", "issue_percent", "occupancy_percent",
             "registers", "blocks", "waves")
    lines = [(r["kernel"], f"{shape(r)}, {r['dtype']}", *(number(r.get(name)) + (f" {r['duration_unit']}"
              if name == "duration" and "duration_unit" in r else "") for name in names)) for r in rows]
    return [table(("kernel", "call", "duration", "compute %", "memory %", "L1 %", "DRAM %", "issue %", "occupancy %", "registers",
                   "blocks", "waves"), lines)]


def others(results):
    rows = [(f"compute-sanitizer {s['tool']}", s["summary"] or "no summary") for s in results.of("sanitizer")]
    rows += [(f"Java suite on {j['device']}", f"{number(j['successful'])} passed, {number(j['failed'])} failed, "
              f"{number(j['skipped'])} skipped") for j in results.of("java")]
    return [table(("", ""), rows)] if rows else ["Neither the sanitizers nor Java left a result."]


def page(results, source):
    day, head = results.first("gpu-day"), results.first("head")
    name = "a rehearsal" if results.rehearsal else head.get("gpu") or day.get("gpu") or "unknown"
    blocks = [f"# Results on a GPU: {name}", f"Written by `tools/gpu-day.sh --report {source}` from that log; not by hand."]
    if results.rehearsal:
        blocks.append(NOT_A_GPU)
    for title, part in (("The machine", machine), ("What ran", parts_run), ("Truth", truth), ("Speed", speed), ("Peers", peers),
                        ("Counters", counters), ("Sanitizers and Java", others)):
        blocks += [f"## {title}", *part(results)]
    return "\n\n".join(blocks) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=pathlib.Path, help="results.jsonl, or its folder")
    parser.add_argument("--out", type=pathlib.Path, help="instead of docs/gpu-results.md")
    options = parser.parse_args()
    log = options.log / "results.jsonl" if options.log.is_dir() else options.log
    if not log.is_file():
        raise SystemExit(f"there is no {log}")
    results = Results(log)
    if results.rehearsal and options.out is None:
        raise SystemExit(f"{log} is of a rehearsal, which is no result of a GPU; --out FILE shows the page all the same")
    out = options.out or PAGE
    path = log.resolve()
    out.write_text(page(results, path.relative_to(ROOT) if path.is_relative_to(ROOT) else log.name))
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
