"""What is said of losses that run, and are hardly what was meant: whole messages, with both lines and the fix."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ContractWarning
from graphtorch.frontend.diagnosis.abstract import observe
from graphtorch.frontend.diagnosis.losses import loss_problems
from graphtorch.ir.ops import loss_common
from graphtorch.nn import functional as F
from tests.errors import with_texts_of_lines

Spec = gt.TensorSpec
X, LABELS, YES, ONE = Spec((6, 5)), Spec((6,), gt.int64), Spec((6, 7)), Spec((6,))

layer, one = nn.Linear(5, 7), nn.Linear(5, 1)
criterion = nn.CrossEntropyLoss()


class Net(nn.Module):
    """Scores and their loss, as a module within modules."""

    def __init__(self, head: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.head, self.criterion = nn.Sequential(nn.Linear(5, 7), head), loss

    def forward(self, x: gt.Tensor, y: gt.Tensor) -> gt.Tensor:
        out = self.head(x)
        return self.criterion(out, y)


def softmax_in_a_step(x: Any, y: Any) -> Any:
    soft = nn.Softmax(dim=1)
    net = Net(nn.Sequential(soft, nn.Dropout(0.3), nn.Flatten()), nn.CrossEntropyLoss())
    net(x, y).backward()


def softmax_of_function(x: Any, y: Any) -> Any:
    p = F.softmax(layer(x), dim=1)
    return criterion(p.view(3, 2, 7).reshape(6, 7), y)


def softmax_of_method(x: Any, y: Any) -> Any:
    return F.cross_entropy(layer(x).softmax(1)[:4], y[:4])


def softmax_written_out(x: Any, y: Any) -> Any:
    e = (layer(x) - 3).exp()
    return F.cross_entropy(e / e.sum(1, keepdim=True), y)


def log_softmax(x: Any, y: Any) -> Any:
    return F.cross_entropy(F.log_softmax(layer(x), 1), y)


def sigmoid_before_logits(x: Any, y: Any) -> Any:
    p = gt.sigmoid(layer(x))
    return F.binary_cross_entropy_with_logits(F.dropout(p, 0.5), y)


def scores_as_logarithms(x: Any, y: Any) -> Any:
    return F.nll_loss(layer(x), y)


def scores_as_logarithms_in_a_module(x: Any, y: Any) -> Any:
    loss = nn.NLLLoss(ignore_index=2)
    return Net(nn.Identity(), loss)(x, y)


def softmax_as_logarithms(x: Any, y: Any) -> Any:
    soft = nn.Softmax(dim=-1)
    return F.nll_loss(soft(layer(x)), y)


def scores_as_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(layer(x), y)


def scores_as_probabilities_in_a_module(x: Any, y: Any) -> Any:
    loss = nn.BCELoss(reduction="sum")
    return loss(layer(x), y)


def tanh_as_probabilities(x: Any, y: Any) -> Any:
    squash = nn.Tanh()
    return F.binary_cross_entropy(squash(layer(x)), y)


def relu_as_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(F.relu(layer(x)), y)


def softmax_into_kl(x: Any, y: Any) -> Any:
    return F.kl_div(layer(x).softmax(1), y, reduction="batchmean")


def logarithms_as_kl_target(x: Any, y: Any) -> Any:
    return F.kl_div(layer(x).log_softmax(1), y.log_softmax(1), reduction="batchmean")


def swapped_kl(x: Any, y: Any) -> Any:
    return F.kl_div(y.softmax(1), layer(x).log_softmax(1), reduction="batchmean")


def swapped_probabilities(x: Any, y: Any) -> Any:
    return F.binary_cross_entropy(y, layer(x).sigmoid())


def swapped_soft_labels(x: Any, y: Any) -> Any:
    return criterion(y, layer(x))


def column_against_row(x: Any, y: Any) -> Any:
    return F.mse_loss(one(x), y)


def row_against_column(x: Any, y: Any) -> Any:
    return nn.HuberLoss()(one(x)[:, 0], y)


def any_broadcasting(x: Any, y: Any) -> Any:
    return F.l1_loss(layer(x), y)


def more_labels_than_classes(x: Any, y: Any) -> Any:
    net = nn.Sequential(nn.Flatten(), layer)
    return criterion(net(x), y.view(-1).long())


def labels_from_one(x: Any, y: Any) -> Any:
    return criterion(layer(x), y)


def labels_of_minus_one(x: Any, y: Any) -> Any:
    return criterion(layer(x), y)


def reduced_again(x: Any, y: Any) -> Any:
    loss = criterion(layer(x), y)
    return loss.mean()


def sum_averaged(x: Any, y: Any) -> Any:
    return F.mse_loss(layer(x), y, reduction="sum").mean()


def averaged_again(x: Any, y: Any) -> Any:
    loss = criterion(layer(x), y)
    return loss / len(x)


def one_class(x: Any, y: Any) -> Any:
    return F.cross_entropy(one(x), y)


def one_class_of_floats(x: Any, y: Any) -> Any:
    return criterion(one(x), y)


OPEN: dict[Callable[..., Any], tuple[Any, ...]] = {
    softmax_in_a_step: (X, LABELS),
    softmax_of_function: (X, LABELS),
    softmax_of_method: (X, LABELS),
    softmax_written_out: (X, LABELS),
    log_softmax: (X, LABELS),
    sigmoid_before_logits: (X, YES),
    scores_as_logarithms: (X, LABELS),
    scores_as_logarithms_in_a_module: (X, LABELS),
    softmax_as_logarithms: (X, LABELS),
    scores_as_probabilities: (X, YES),
    scores_as_probabilities_in_a_module: (X, YES),
    tanh_as_probabilities: (X, YES),
    relu_as_probabilities: (X, YES),
    softmax_into_kl: (X, YES),
    logarithms_as_kl_target: (X, YES),
    swapped_kl: (X, YES),
    swapped_probabilities: (X, YES),
    swapped_soft_labels: (X, YES),
    column_against_row: (X, ONE),
    row_against_column: (X, Spec((6, 1))),
    any_broadcasting: (X, Spec((7,))),
    more_labels_than_classes: (X, gt.tensor([[2, 9, 1, 0, 6, 5]])),
    labels_from_one: (X, gt.tensor([1, 7, 1, 2, 6, 5])),
    labels_of_minus_one: (X, gt.tensor([1, 6, -1, 2, 6, 5])),
    reduced_again: (X, LABELS),
    sum_averaged: (X, YES),
    averaged_again: (X, LABELS),
    one_class: (X, LABELS),
    one_class_of_floats: (X, Spec((6, 1))),
}


def problems(program: Callable[..., Any], *given: Any) -> list[Any]:
    """Those of losses: numbers have contracts of their own."""
    return [p for p in gt.check(program, *given).problems if not p.code.startswith("GT34")]


def test_messages(golden: Callable[[str, str], None]) -> None:
    found = [(p.__name__, problems(p, *given)) for p, given in OPEN.items()]
    assert [len(said) for _, said in found] == [1] * len(OPEN)
    golden("errors/losses.txt", "".join(f"{n}:\n{with_texts_of_lines(p)}\n\n" for n, (p,) in found))


def test_a_code_is_let_pass() -> None:
    assert gt.check(swapped_soft_labels, X, YES, ignore={"GT320"})
    assert not gt.check(swapped_soft_labels, X, YES, ignore={"GT321"})


# ---- fixes -----------------------------------------------------------------------------------------

SOURCE = Path(__file__).read_text()
GLOBALS = [line for line in SOURCE.splitlines() if line.startswith(("layer, one = ", "criterion = "))]


def edited(program: Callable[..., Any], fix: str) -> Iterator[str]:
    """The source of ``program``, and of the layers that it uses, with the fix in the place of each call in turn."""
    source = "\n".join([*GLOBALS, inspect.getsource(program)])
    before, _, after = fix.partition(" in place of ")
    calls = [ast.get_source_segment(source, n) or "" for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    for call in [after] if after else calls:
        yield source.replace(call, before, 1)


#: where no edit of one line mends it, or the edit is of a list of layers
BY_HAND = (softmax_in_a_step, softmax_written_out, relu_as_probabilities, any_broadcasting, one_class)
NOTED = (reduced_again, sum_averaged, averaged_again)


@pytest.mark.parametrize("program", [p for p in OPEN if p not in BY_HAND + NOTED], ids=lambda p: p.__name__)
def test_the_fix_leaves_nothing_to_say(program: Callable[..., Any]) -> None:
    given = OPEN[program]
    (problem,) = problems(program, *given)
    for fix in problem.fix.split(" or "):
        assert any(runs_clean(source, program.__name__, given) for source in edited(program, fix)), fix


def runs_clean(source: str, name: str, given: tuple[Any, ...]) -> bool:
    namespace = {**globals()}
    try:
        exec(source, namespace)
        return not problems(namespace[name], *given)
    except Exception:  # another call than that which the fix is of
        return False


# ---- warnings of eager mode ------------------------------------------------------------------------


def regress(loss: Any, x: Any, y: Any) -> Any:
    return loss(x, y)


LOSSES = [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_eager_mode_warns_of_shapes(loss: Any) -> None:
    with pytest.warns(ContractWarning) as caught:
        regress(loss, gt.zeros(6, 1), gt.zeros(6))
    assert [w.filename for w in caught] == [__file__]
    assert (
        str(caught[0].message)
        == f"""\
Using a target size ([6]) that is different to the input size ([6, 1]) broadcasts them to [6, 6] (GT324 in \
{loss.__name__})
  input  f32[6,1]   (from zeros)
  target f32[6]   (from zeros)
  expected a target for each output, [6, 1], got [6]: they are compared as broadcasting pairs them
  fix: loss(x.squeeze(1), y) or loss(x, y.unsqueeze(1))"""
    )


def test_traces_and_programs_warn_as_eager_mode_does() -> None:
    x, y = gt.from_numpy(np.zeros((6, 1), np.float32)), gt.from_numpy(np.zeros(6, np.float32))
    said = []
    for run in (regress, gt.compile(regress), lambda *call: gt.trace(regress, *call)):
        with pytest.warns(ContractWarning) as caught:
            run(F.mse_loss, x, y)
        said += [str(w.message) for w in caught if w.category is ContractWarning]
    assert len(said) == 3 and len(set(said)) == 1
    (problem,) = gt.check(regress, F.mse_loss, x, y).problems
    head, *rest = said[0].splitlines()
    assert str(problem).splitlines()[2:] == rest and head.startswith(problem.message)


def test_a_line_warns_once_as_filters_say() -> None:
    x, y = gt.zeros(6, 1), gt.zeros(6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(5):
            F.mse_loss(x, y)
        for _ in range(5):
            F.mse_loss(x, y)
    assert len(caught) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", ContractWarning)
        with pytest.raises(ContractWarning, match="GT324 in l1_loss"):
            F.l1_loss(x, y)


def test_shapes_that_agree_are_only_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_common, "doubt_shapes", lambda *_: pytest.fail("shapes agree"))
    for loss in LOSSES:
        loss(gt.zeros(6, 3), gt.zeros(6, 3))


def test_a_check_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [p.severity for p in gt.check(column_against_row, X, ONE).problems] == ["warning"]


def test_labels_are_told_apart_in_eager_mode_too() -> None:
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    with pytest.raises(gt.errors.IndexRangeError) as raised:
        criterion(net(gt.zeros(2, 5)), gt.tensor([2, 3]))
    assert (
        with_texts_of_lines(raised.value)
        == """\
IndexRangeError GT302 in cross_entropy: index 3 is out of range
  criterion(net(gt.zeros(2, 5)), gt.tensor([2, 3]))
  criterion = nn.CrossEntropyLoss()  <- constructed here
  input  f32[2,3]   (from linear "2")
  target i64[2]
  3 classes are what Linear "2" (net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))) gives
  expected 0 <= index < 3, or -100 to ignore it
  got indices from 2 to 3
  fix: nn.Linear(4, 4)"""
    )


@pytest.mark.parametrize(("low", "high", "wrong"), [(0, 6, None), (0, 9, 9), (-3, 6, -3)])
def test_labels_of_a_range(low: int, high: int, wrong: int | None) -> None:
    seen = observe(reduced_again, (X, LABELS))
    labels = seen.tracer.inputs[1].param
    found = [p.message for p in loss_problems(seen.tracer, ranges={labels: (low, high)}) if p.severity == "error"]
    assert found == ([] if wrong is None else [f"index {wrong} is out of range"])
