"""Each workload on each library found, in separate processes in turn, round by round.

    python -m benchmarks.run [--workloads A,B] [--peers A,B] [--rounds N] [--threads N] [--json FILE] [--markdown FILE]

A process builds, makes its first call, and then waits; in every round each one gets a burst of steps of its own, while
the others sleep. So a drift of the machine meets all alike, and ratios are taken round by round. Before anything is
timed, results are compared with torch's (or with graphtorch's eager ones), and who differs is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, peers, report, workloads
from benchmarks.process import Process, Refused
from benchmarks.workloads import Workload

TOLERANCE = 1e-3
PEAK_BURST = 0.1
Say = Callable[[str], None]


class Run:
    """The settings of a run, and its scratch directory."""

    def __init__(self, args: argparse.Namespace, scratch: str, say: Say) -> None:
        self.threads, self.rounds, self.burst = args.threads, args.rounds, args.burst
        self.timeout, self.scratch, self.say = args.timeout, scratch, say

    def start(self, peer: str, work: Workload | None = None, model_file: str = "") -> Process:
        name = f"{work.name if work else 'machine'}-{peer}"
        task = {
            "peer": peer, "workload": work.name if work else None, "threads": self.threads,
            "model_file": model_file, "result_file": f"{self.scratch}/{name}.npy",
        }  # fmt: skip
        env = machine.environment(self.threads, f"{self.scratch}/cache-{name}")
        return Process(peer, task, env, f"{self.scratch}/{name}.log", self.timeout)

    def measure_machine(self) -> dict[str, Any]:
        probe = self.start("machine")
        probe.close()
        return {**machine.describe(), **probe.facts}

    def workload(self, work: Workload, chosen: list[peers.Peer]) -> dict[str, Any]:
        """All that is known of one workload after its rounds."""
        group = Group(self.say)
        try:
            model_file = self._model_file(work, chosen)
            for peer in filter(lambda p: p.takes(work), chosen):
                self.say(f"{work.name}: {peer.name} starts")
                group.start(peer.name, lambda p=peer: self.start(p.name, work, model_file))
            reference = self._check(work, group)
            peak = self.start("copy" if work.bytes else "peak")
            group.running.append(peak)
            rounds = self._rounds(work, group)
            used = group.each(lambda process: process.close())
        finally:
            group.kill()
        rates = rounds.pop(peak.name)
        facts = {p.name: {**p.facts, **used[p.name]} for p in group.running if p is not peak}
        return report.workload(work, reference, facts, {n: rounds[n] for n in facts}, rates, group.left_out)

    def _model_file(self, work: Workload, chosen: list[peers.Peer]) -> str:
        """The ONNX file, where a library wants one. If that fails, so will the libraries, and say so."""
        if not any("onnx" in peer.packages and peer.takes(work) for peer in chosen):
            return ""
        path = f"{self.scratch}/{work.name}.onnx"
        command = [sys.executable, "-m", "benchmarks.peers.onnx_file", work.name, path]
        subprocess.run(command, check=False, cwd=Path(__file__).parent.parent)
        return path

    def _check(self, work: Workload, group: Group) -> str:
        """Drop who computes something else. The name of the one that the others are compared with."""
        reference, file = self._reference(work, group)
        expected = np.load(file)
        for process in list(group.running):
            error = process.facts["error"] = difference(np.load(process.task["result_file"]), expected)
            if not error <= TOLERANCE:  # nan is not
                group.drop(process, f"differs from {reference} by {error:.1e}")
        return reference

    def _reference(self, work: Workload, group: Group) -> tuple[str, str]:
        """The first of REFERENCES that is there: its name, and the file with its result."""
        for name in peers.REFERENCES:
            found = next((p for p in group.running if p.name == name), None)
            if found is None and not peers.BY_NAME[name].missing() and name not in group.left_out:
                self.say(f"{work.name}: {name} computes the reference")
                with contextlib.suppress(Refused):
                    found = self.start(name, work)
                    found.kill()
            if found is not None:
                return name, found.task["result_file"]
        raise SystemExit(f"{work.name}: none of {', '.join(peers.REFERENCES)} works, so nothing can be checked")

    def _rounds(self, work: Workload, group: Group) -> dict[str, report.Rounds]:
        """What each process answered in each round; every other round goes backwards."""
        times: dict[str, report.Rounds] = {p.name: [] for p in group.running}
        for index in range(self.rounds):
            found = group.each(
                lambda p: p.burst(self.burst if p.name not in ("peak", "copy") else PEAK_BURST), backwards=index % 2
            )
            for name, values in found.items():
                times[name].append(values)
            self.say(f"{work.name}: round {index + 1} of {self.rounds}")
        return times


class Group:
    """The processes of a workload, and who was left out, why."""

    def __init__(self, say: Say) -> None:
        self.running: list[Process] = []
        self.left_out: dict[str, str] = {}
        self.say = say

    def start(self, name: str, make: Callable[[], Process]) -> None:
        try:
            self.running.append(make())
        except Refused as error:
            self.left_out[name] = str(error)

    def each(self, action: Callable[[Process], Any], backwards: int = 0) -> dict[str, Any]:
        """What ``action`` gives for each process in turn; who refuses is dropped."""
        found = {}
        for process in self.running[:: -1 if backwards else 1]:
            try:
                found[process.name] = action(process)
            except Refused as error:
                self.drop(process, str(error))
        return found

    def drop(self, process: Process, reason: str) -> None:
        self.left_out[process.name] = reason
        self.say(f"{process.name}: left out, {reason}")
        self.running.remove(process)
        process.kill()

    def kill(self) -> None:
        for process in self.running:
            process.kill()


def difference(result: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    """The largest difference, relative to the largest value of its step."""
    if result.shape != expected.shape:
        return float("inf")
    steps = len(expected)
    apart = np.abs(result.astype(np.float64) - expected).reshape(steps, -1).max(1)
    return float((apart / np.abs(expected).reshape(steps, -1).max(1)).max())


def choose(names: str | None, known: dict[str, Any], kind: str) -> list[Any]:
    """The entries named, or all that run by default."""
    if not names:
        return [entry for entry in known.values() if entry.default]
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise SystemExit(f"{kind} {unknown[0]!r} is not known; expected some of {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", metavar="A,B", help=f"of {', '.join(workloads.BY_NAME)}")
    parser.add_argument("--peers", metavar="A,B", help=f"of {', '.join(peers.BY_NAME)}")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--burst", type=float, default=0.3, metavar="SECONDS", help="of each process in each round")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="for a first call or a burst")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--markdown", metavar="FILE")
    args = parser.parse_args(argv)
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    return args


def main(argv: list[str] | None = None) -> None:
    args = arguments(argv)
    works = choose(args.workloads, workloads.BY_NAME, "workload")
    chosen = choose(args.peers, peers.BY_NAME, "peer")
    missing = {peer.name: peer.missing() for peer in chosen if peer.missing()}
    for name, packages in missing.items():
        print(f"{name}: {', '.join(packages)} not installed: {peers.INSTALL}", file=sys.stderr)
    chosen = [peer for peer in chosen if peer.name not in missing]
    result: dict[str, Any] = {"rounds": args.rounds, "threads": args.threads, "missing": missing, "workloads": []}

    def say(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        run = Run(args, scratch, say)
        result["machine"] = run.measure_machine()
        print(report.heading(result), flush=True)
        for work in works:
            found = run.workload(work, chosen)
            result["workloads"].append(found)
            say("")
            print("\n" + report.table(found), flush=True)
            report.save(result, args.json, args.markdown)  # after each, so that a run cut short keeps what it has


if __name__ == "__main__":
    main()
