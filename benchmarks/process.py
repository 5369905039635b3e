"""A worker as its driver sees it: started, told to go, asked what it used, ended."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import wait_quiet

ROOT = Path(__file__).parent.parent


class Refused(Exception):
    """The worker could not do it; the text says why."""


class Process:
    """Returns from its constructor once the worker has made its first call and sleeps. ``facts`` is what it told."""

    def __init__(self, name: str, task: dict[str, Any], env: dict[str, str], log: str, timeout: float) -> None:
        self.name, self.task, self.timeout, self.log = name, task, timeout, Path(log)
        self.idle_s = 0.0
        command = [sys.executable, "-m", "benchmarks.worker", json.dumps(task)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with self.log.open("w") as stderr:
            self.child = subprocess.Popen(command, env=env, cwd=ROOT, stderr=stderr, **pipes)
        try:
            self.facts: dict[str, Any] = self._answer()["ready"]
        except BaseException:
            self.kill()
            raise
        self._settle()

    def burst(self, seconds: float) -> list[float]:
        """Times in ms (rates, of the peak) of a burst of steps. The worker sleeps again when this returns."""
        self._tell(str(seconds))
        (values,) = self._answer().values()
        self._settle()
        return values  # type: ignore[no-any-return]

    def close(self) -> dict[str, Any]:
        """What it used, once it has ended. ``spin_ms`` is how long its threads went on after a burst, at most."""
        assert self.child.stdin
        self.child.stdin.close()
        used = self._answer()
        self.kill()
        return {**used, "spin_ms": 1e3 * self.idle_s}

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _settle(self) -> None:
        self.idle_s = max(self.idle_s, wait_quiet(self.child.pid))

    def _tell(self, line: str) -> None:
        assert self.child.stdin
        try:
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
        except OSError as error:
            raise Refused(self._last_words()) from error

    def _answer(self) -> dict[str, Any]:
        """One line of JSON; a worker that is too slow, dead or in error is refused."""
        assert self.child.stdout
        end = time.monotonic() + self.timeout
        if not select.select([self.child.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise Refused(f"no answer within {self.timeout:.0f} s")
        line = self.child.stdout.readline()
        if not line:
            raise Refused(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"ended with {self.child.wait()}: {lines[-1][:300] if lines else 'nothing said'}"
