"""Running passes, and the text form of pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from graphtorch.ir.errors import IRError
from graphtorch.ir.graph import Graph, rewrite
from graphtorch.ir.passes.cse import Cse
from graphtorch.ir.passes.dce import Dce
from graphtorch.ir.passes.fuse import Fuse
from graphtorch.ir.passmanager import parse_pipeline, pipeline_text, run_passes
from graphtorch.ir.pipeline import FREEZE, OPTIMIZE, OPTIMIZE_CUDA, PASSES, SCHEDULE, SIMPLIFY, run_pipeline
from graphtorch.ir.text import parse_graph
from tests.ir.graphs import SAMPLE


@dataclass(frozen=True)
class Break:
    """Reverses the nodes, which no rule of SSA survives."""

    name: ClassVar[str] = "break"

    def run(self, graph: Graph) -> Graph:
        out = rewrite(graph, lambda *_: None)
        out.nodes.reverse()
        return out


@dataclass(frozen=True)
class Tuned:
    """A pass with an option of every type."""

    size: int = 4
    rate: float = 0.5
    deep: bool = False
    kind: str = "loop"
    tiles: tuple[int, ...] = (1, 2)
    name: ClassVar[str] = "tuned"

    def run(self, graph: Graph) -> Graph:
        return graph


REGISTRY = {"cse": Cse, "dce": Dce, "tuned": Tuned}


def test_pipelines():
    schedule = ["carries", "joins", "fuse", "bundle", "rematerialize", "alias"]
    assert [p.name for p in OPTIMIZE] == ["autodiff", "canonicalize", "transposes", "cse", "widen", "dce", *schedule]
    assert (*SIMPLIFY, *SCHEDULE) == OPTIMIZE
    assert set(PASSES) == {p.name for p in (*OPTIMIZE, *FREEZE, *OPTIMIZE_CUDA)}


def test_stages_are_reported_in_order():
    graph, seen = parse_graph(SAMPLE), []
    out = run_passes(graph, (Cse(), Dce()), verify_each=True, on_stage=lambda name, g: seen.append((name, g)))
    assert [name for name, _ in seen] == ["cse", "dce"]
    assert seen[-1][1] is out
    assert seen[0][1] is graph  # there was nothing to merge


def test_a_broken_graph_is_blamed_on_its_pass():
    graph = parse_graph(SAMPLE)
    with pytest.raises(IRError, match=r"(?s)GT803 .*after break$"):
        run_passes(graph, (Cse(), Break(), Dce()), verify_each=True)
    with pytest.raises(IRError, match=r"(?s)GT803 .*after cse, break$"):
        run_passes(graph, (Cse(), Break()))
    with pytest.raises(IRError, match="GT803"):
        run_passes(Break().run(graph), ())


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", ()),
        ("cse", (Cse(),)),
        ("cse,dce", (Cse(), Dce())),
        ("cse, tuned{size=8, deep=true}", (Cse(), Tuned(size=8, deep=True))),
        ('tuned{rate=1e-3, kind="a b", tiles=[4,8]}', (Tuned(rate=1e-3, kind="a b", tiles=(4, 8)),)),
        ("tuned{}", (Tuned(),)),
    ],
)
def test_pipelines_parse(text, passes):
    found = parse_pipeline(text, REGISTRY)
    assert found == passes
    assert parse_pipeline(pipeline_text(found), REGISTRY) == passes


def test_pipelines_print():
    assert pipeline_text((Cse(), Tuned(size=8, kind="x"), Fuse())) == 'cse,tuned{size=8, kind="x"},fuse'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cse,dec",
            "IRError GT810: there is no pass named 'dec'\n  <pipeline>:1:5\n    cse,dec\n        ^\n"
            "  did you mean dce?\n  there are: cse, dce, tuned",
        ),
        (
            "tuned{sise=1}",
            "IRError GT811: there is no option of tuned named 'sise'\n  <pipeline>:1:6\n    tuned{sise=1}\n         ^\n"
            "  did you mean size?\n  there are: size, rate, deep, kind, tiles",
        ),
        (
            "cse{x=1}",
            "IRError GT811: there is no option of cse named 'x'\n  <pipeline>:1:4\n    cse{x=1}\n       ^\n"
            "  it has no options",
        ),
        (
            "tuned{size=1.5}",
            "IRError GT811: the option 'size' of tuned has a wrong type\n  <pipeline>:1:6\n    tuned{size=1.5}\n"
            "         ^\n  expected an int, got a float",
        ),
        (
            "cse dce",
            "IRError GT801: expected ',' or the end of the pipeline, got dce\n  <pipeline>:1:5\n    cse dce\n        ^",
        ),
        (
            "cse,",
            "IRError GT801: expected the name of a pass, got the end of the text\n  <pipeline>:1:5\n    cse,\n"
            "        ^",
        ),
    ],
)
def test_errors_of_pipelines(text, message):
    with pytest.raises(IRError) as error:
        parse_pipeline(text, REGISTRY)
    assert str(error.value) == message


def test_run_pipeline():
    assert len(run_pipeline(parse_graph(SAMPLE), "canonicalize,cse,dce,fuse{max_ops=8}").nodes) > 0
