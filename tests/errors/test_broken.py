"""Broken programs: what is said of each of them, word by word, and that the fix works which it ends with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphtorch.errors import GraphTorchError
from graphtorch.frontend.diagnosis.explain import MOST
from graphtorch.frontend.diagnosis.problem import Problem
from graphtorch.frontend.diagnosis.report import Report
from graphtorch.frontend.nn import init
from tests.errors.broken.corpus import CORPUS
from tests.errors.broken.fixing import fixed
from tests.errors.broken.programs import Broken, Program, check

MESSAGES = Path(__file__).parent / "broken" / "messages"
BY_NAME = {b.name: b for b in CORPUS}


def checked(
    program: Program, model: Callable[[Any], None] = lambda _: None, inputs: Callable[[Any], Any] = lambda x: x
) -> Report:
    """What `gt.check` finds in a program, changed as a fix says."""
    names = program.run()
    with init.skipped():
        net = names["model"]()
        model(net)
    return check(names, net=net, inputs=lambda: inputs(names["inputs"]()))  # type: ignore[no-any-return]


@functools.cache
def found(name: str) -> tuple[Problem, ...]:
    """The problems of a program of the corpus; the one that keeps it from being constructed."""
    try:
        return tuple(checked(BY_NAME[name].program).problems)
    except GraphTorchError as error:
        return (Problem(error),)


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) == len(BY_NAME) >= 80
    assert all(b.problems for b in CORPUS)


@pytest.mark.parametrize("broken", CORPUS, ids=lambda b: b.name)
def test_message(broken: Broken, golden: Callable[..., None]) -> None:
    problems = found(broken.name)
    assert [f"{p.code} {p.path}".strip() for p in problems] == list(broken.problems)
    golden(f"{broken.name}.txt", broken.heading + "\n" + "\n\n".join(map(str, problems)) + "\n", MESSAGES)


@pytest.mark.parametrize("broken", CORPUS, ids=lambda b: b.name)
def test_both_lines_are_there(broken: Broken) -> None:
    """A problem in a module says its path, the line of the call and the line of the constructor."""
    for p in found(broken.name):
        if p.path:
            assert len(p.locations) == 2, str(p)
            assert p.locations[1].file == broken.program.file, str(p)


@functools.cache
def mends(name: str) -> bool:
    """Whether the fixes of a program, made one after the other as the texts say, leave nothing to be found."""
    program, problems = BY_NAME[name].program, found(name)
    changes: list[Callable[[Any], None]] = []
    inputs: Callable[[Any], Any] = lambda given: given
    for p in problems:
        if not p.fix or len(problems) == MOST:
            return False
        program, change, given = fixed(program, p)
        changes.append(change)
        inputs = functools.partial(lambda first, then, x: then(first(x)), inputs, given)
    return bool(checked(program, lambda net: [change(net) for change in changes] and None, inputs))


@pytest.mark.parametrize("broken", CORPUS, ids=lambda b: b.name)
def test_a_fix_that_is_offered_works(broken: Broken) -> None:
    problems = found(broken.name)
    if all(p.fix for p in problems) and len(problems) < MOST:
        assert mends(broken.name), "\n".join(p.fix for p in found(broken.name))


def test_nine_of_ten_have_a_fix_that_works() -> None:
    """Of the programs, not of the problems: one that is mended in part is not mended."""
    mended = [b.name for b in CORPUS if mends(b.name)]
    left = sorted(BY_NAME.keys() - set(mended))
    print(f"{len(mended)} of {len(CORPUS)} programs are mended by the fixes in their messages; not: {', '.join(left)}")
    assert len(mended) >= 0.9 * len(CORPUS)
