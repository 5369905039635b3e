"""Arithmetic and tables: medians, minima, ratios round by round, fractions of the peak.

A round's value is the median of its burst. A peer's median is that of its rounds, its minimum that of all its steps.
A ratio is graphtorch's time over the peer's, round by round, then the median: 0.5 is half the peer's time.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.peers import OURS
from benchmarks.workloads import Workload

Rounds = list[list[float]]
median = statistics.median


def medians(rounds: Rounds) -> list[float]:
    return [median(burst) for burst in rounds]


def ratio(ours: Rounds, theirs: Rounds) -> float:
    """The median over the rounds of ours / theirs."""
    return median(a / b for a, b in zip(medians(ours), medians(theirs), strict=True))


def fraction(amount: int, times: Rounds, rates: Rounds) -> float:
    """The median over the rounds of the rate (operations, or bytes, per ms) over that round's peak in G/s.

    A round's peak is the best of its burst: what disturbs a measure of the peak only ever makes it less.
    """
    pairs = zip(medians(times), map(max, rates), strict=True)
    return median(amount / (ms * 1e6) / peak for ms, peak in pairs)


def workload(
    work: Workload, reference: str, facts: dict[str, dict[str, Any]], rounds: dict[str, Rounds], rates: Rounds,
    left_out: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    """One workload's part of the JSON. ``facts`` are what the workers told, ``rates`` the peak's rounds."""
    rows: dict[str, dict[str, Any]] = {}
    for name, times in rounds.items():
        rows[name] = {
            **facts[name],
            "median_ms": median(medians(times)),
            "min_ms": min(map(min, times)),
            "rounds_ms": medians(times),
            "peak_fraction": fraction(work.bytes or work.flops, times, rates),
            "ratio": ratio(rounds[OURS], times) if OURS in rounds else None,
        }
    others = [name for name in rows if not name.startswith(OURS)]
    best = min(others, key=lambda name: rows[name]["median_ms"]) if others else None
    reached = rows[best]["ratio"] if best else None
    peaks = [max(burst) for burst in rates]
    return {
        "name": work.name, "title": work.title, "flops": work.flops, "bytes": work.bytes, "reference": reference,
        "peers": rows, "left_out": left_out, "best": best, "ratio": reached, "reach": work.reach,
        "met": None if None in (reached, work.reach) else reached <= work.reach,
        "peak_gflops": [] if work.bytes else peaks, "copy_gb_s": peaks if work.bytes else [],
    }  # fmt: skip


COLUMNS = ("", "median ms", "min ms", "ratio", "reach", "of peak", "first call s", "memory MB")


def columns(found: dict[str, Any]) -> list[str]:
    """The heads; what only moves bytes is compared with the copy bandwidth."""
    return ["of copy" if head == "of peak" and found["bytes"] else head for head in COLUMNS]


def cells(found: dict[str, Any]) -> list[list[str]]:
    """The rows of a workload's table; ``reach`` stands beside the best peer, which it is a ratio to."""
    rows = []
    for name, row in found["peers"].items():
        at_best = name == found["best"] and found["reach"] is not None
        rows.append([
            name, _ms(row["median_ms"]), _ms(row["min_ms"]), "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
            f"{found['reach']:.2f}{' met' if found['met'] else ''}" if at_best else "",
            f"{100 * row['peak_fraction']:.0f}%", f"{row['first_call_s']:.2f}", f"{row['peak_mb']:.0f}",
        ])  # fmt: skip
    return rows


def _ms(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(found: dict[str, Any]) -> str:
    """As printed: columns under each other."""
    rows = [columns(found), *cells(found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [row[0].ljust(widths[0]) + "".join(map(_right, row[1:], widths[1:])) for row in rows]
    return "\n".join([found["title"], *(line.rstrip() for line in lines), *notes(found)])


def _right(cell: str, width: int) -> str:
    return "  " + cell.rjust(width)


def notes(found: dict[str, Any]) -> list[str]:
    return [f"{name}: left out, {reason}" for name, reason in found["left_out"].items()]


def heading(result: dict[str, Any]) -> str:
    m, threads = result["machine"], result["threads"]
    peaks = [m["fma_gflops"], *(rate for found in result["workloads"] for rate in found["peak_gflops"])]
    memory = f", {m['memory_gb']} GB" if m["memory_gb"] else ""
    return "\n".join([
        f"{m['cpus']} CPUs ({m['cpu']}, {m['vectors']}){memory}, {m['system']}, Python {m['python']}",
        f"{threads} threads, {result['rounds']} rounds in turn; float32",
        f"FMA peak {m['fma_gflops_1']:.0f} GFLOP/s on one thread, {max(peaks):.0f} on {threads}; "
        f"copy {m['copy_gb_s']:.0f} GB/s (read + written)",
    ])  # fmt: skip


def versions(result: dict[str, Any]) -> list[str]:
    return sorted({row["version"] for found in result["workloads"] for row in found["peers"].values()})


def markdown(result: dict[str, Any]) -> str:
    """For RESULTS.md: the machine, the versions, and one table with a row per workload and peer."""
    lines = [*(f"{line}.  " for line in heading(result).splitlines()), f"{', '.join(versions(result))}.", ""]
    for found in result["workloads"]:
        header = [found["title"], *columns(found)[1:]]
        lines += ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in cells(found)]
        lines += ["", *(f"{note}  " for note in notes(found)), *([""] if found["left_out"] else [])]
    return "\n".join(lines).rstrip() + "\n"


def save(result: dict[str, Any], json_file: str | None, markdown_file: str | None) -> None:
    if json_file:
        Path(json_file).write_text(json.dumps({**result, "versions": versions(result)}, indent=1), encoding="utf-8")
    if markdown_file:
        Path(markdown_file).write_text(markdown(result), encoding="utf-8")
