"""A target for atheris, whose findings are kept in `corpus`:

    python -m tests.files.fuzz_atheris FOLDER -max_total_time=600 -malloc_limit_mb=100

FOLDER has the seeds at first, and then what reached new code; `corpus` has a small file for each thing that is said. An allocation beyond the limit is a finding, too.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["graphtorch.frontend.files"]):
    from graphtorch.frontend.files import loading, numpy_builders, unpickler

from graphtorch.errors import LoadError
from tests.files.seeds import seeds


def target(data: bytes) -> None:
    """Anything but a value or a LoadError is a finding."""
    for run in (loading.load, lambda file: unpickler.restricted_load(file, numpy_builders.ARRAYS, "latin1")):
        with contextlib.suppress(LoadError):
            run(io.BytesIO(data))


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (folder / f"seed {name}").write_bytes(data)
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
