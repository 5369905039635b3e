"""The command `graphtorch`, which is also `python -m graphtorch`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from graphtorch.opt import write


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 when the output cannot be written, 2 after a line on stderr for arguments that are none."""
    parser = _Parser(prog="graphtorch", description="A deep-learning framework that compiles.")
    commands = parser.add_subparsers(required=True, metavar="command", title="commands")
    explain = commands.add_parser("explain", help="what an error code means", description="What an error code means.")
    explain.add_argument("code", nargs="?", help="as in a message: GT102; all codes are listed without one")
    asked = parser.parse_args(argv).code

    # here: the registry is for this command alone
    from graphtorch.explain import explanation, find, listing

    if asked is None:
        return write(listing())
    try:
        code = find(asked)
    except LookupError as error:
        explain.error(str(error))
    return write(explanation(code))


if __name__ == "__main__":
    sys.exit(main())
