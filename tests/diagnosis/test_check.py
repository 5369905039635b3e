"""`gt.check`: what it finds, in which order, and what it leaves as it was."""

from __future__ import annotations

import json
import re

import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentTypeError
from graphtorch.frontend.diagnosis.report import Report
from graphtorch.nn import functional as F


class Net(nn.Module):
    """Three mistakes: the channels after conv1, the sizes of the view, the features of fc1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.bn = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1)
        self.fc1 = nn.Linear(512, 100)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, x: gt.Tensor) -> gt.Tensor:
        x = F.max_pool2d(F.relu(self.bn(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 512)
        return self.fc2(F.relu(self.fc1(x)))  # type: ignore[no-any-return]


SPEC = gt.TensorSpec((8, 3, 32, 32))


def messages(report: Report) -> list[tuple[str, str, str]]:
    return [(p.code, p.path, p.fix) for p in report.problems]


def test_all_problems_are_found_in_one_go() -> None:
    report = gt.check(Net(), SPEC)
    assert not report
    found = messages(report)
    assert [(code, path) for code, path, _ in found] == [("GT102", "bn"), ("GT105", ""), ("GT109", "fc1")]
    assert found[0][2].startswith("nn.Conv2d(3, 32, 5) (test_check.py:")
    assert found[1][2] == "x.view(-1, 1568)"
    assert found[2][2] == "nn.Linear(1568, 100)"


def test_the_whole_message() -> None:
    text = str(gt.check(Net(), SPEC).problems[2])
    lines = [re.sub(r"^  test_check.py:\d+ +", "", line) for line in text.split("\n")]
    assert lines == [
        'ShapeError GT109 in linear "fc1": input features do not match the weight',
        "return self.fc2(F.relu(self.fc1(x)))  # type: ignore[no-any-return]",
        "self.fc1 = nn.Linear(512, 100)          <- constructed here",
        "  input  f32[8,1568]   (from view)",
        "  weight f32[100,512]",
        "  bias   f32[100]",
        lines[6],
        lines[7],
        "  expected the last size of input to be in_features=512, got [8, 1568]",
        "  fix: nn.Linear(1568, 100)",
    ]
    assert lines[6].startswith("  size 1568 made by view (test_check.py:")
    assert lines[6].endswith("): f32[8,1568], of f32[8,32,7,7]")
    assert lines[7].startswith("  sizes 32, 7, 7 made by max_pool2d (test_check.py:")


def test_what_was_checked_is_as_it_was() -> None:
    net = Net()
    before = {name: (id(p), p.shape) for name, p in (*net.named_parameters(), *net.named_buffers())}
    attributes = {name: set(vars(m)) for name, m in net.named_modules()}
    weight = net.fc1.weight.detach().numpy().copy()
    assert not gt.check(net, SPEC)
    assert {name: (id(p), p.shape) for name, p in (*net.named_parameters(), *net.named_buffers())} == before
    assert {name: set(vars(m)) for name, m in net.named_modules()} == attributes
    assert (net.fc1.weight.detach().numpy() == weight).all()
    assert int(net.bn.num_batches_tracked) == 0
    assert all(p.grad is None for p in net.parameters())


def test_a_clean_model_is_clean() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 5), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 28 * 28, 10))
    report = gt.check(net, SPEC, loss=nn.CrossEntropyLoss(), targets=gt.TensorSpec((8,), gt.int64))
    assert report
    assert report.problems == []
    assert str(report) == "Sequential: no problems (5 layer calls, 126,666 parameters)"


def test_table_of_layers() -> None:
    net = nn.Sequential(nn.Conv2d(3, 16, 5), nn.Flatten(), nn.Linear(12544, 10))
    assert gt.check(net, gt.TensorSpec((2, 3, 32, 32))).table().split("\n") == [
        "layer  kind     input            output           parameters",
        "0      Conv2d   f32[2,3,32,32]   f32[2,16,28,28]  1,216",
        "1      Flatten  f32[2,16,28,28]  f32[2,12544]     0",
        "2      Linear   f32[2,12544]     f32[2,10]        125,450",
    ]


def test_the_report_shows_layers_around_a_problem() -> None:
    net = nn.Sequential(*(nn.Linear(8, 8) for _ in range(20)), nn.Linear(7, 8), *(nn.Linear(8, 8) for _ in range(9)))
    lines = str(gt.check(net, gt.TensorSpec((2, 8)))).split("\n")
    assert lines[0] == "Sequential: 1 error (30 layer calls, 2,152 parameters)"
    assert lines[2].split() == ["layer", "kind", "input", "output", "parameters"]
    assert lines[3] == "..."
    assert [line.split()[0] for line in lines[4:13]] == [str(n) for n in range(14, 23)]
    assert lines[10].endswith("<- GT109")
    assert lines[13] == "..."


def test_json_and_html() -> None:
    report = gt.check(Net(), SPEC)
    data = json.loads(report.to_json())
    assert data["ok"] is False
    assert [p["code"] for p in data["problems"]] == ["GT102", "GT105", "GT109"]
    assert data["problems"][2]["fix"] == "nn.Linear(1568, 100)"
    assert [at["source"] for at in data["problems"][2]["locations"]][1] == "self.fc1 = nn.Linear(512, 100)"
    assert data["layers"][-1]["layer"] == "fc2"
    page = report._repr_html_()
    assert page.count("<tr") == len(data["layers"]) + 1
    assert "fix: nn.Linear(1568, 100)" in page
    assert "&lt;- constructed here" in page


def test_a_code_can_be_ignored() -> None:
    assert [p.code for p in gt.check(Net(), SPEC, ignore={"GT105"}).problems] == ["GT102", "GT109"]


def test_no_fix_is_invented() -> None:
    report = gt.check(lambda x: x.reshape(7, 11), gt.TensorSpec((5, 3)))
    assert messages(report) == [("GT105", "", "")]


def test_a_model_that_prints_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Talks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: gt.Tensor) -> gt.Tensor:
            print("forward")
            return self.fc(x)  # type: ignore[no-any-return]

    assert not gt.check(Talks(), gt.TensorSpec((2, 5)))
    assert capsys.readouterr().out == "forward\n"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gt.check(gt.zeros(2)), "target must be a module or a function, got"),
        (lambda: gt.check(3, SPEC), "target must be a module or a function, got int 3"),
        (lambda: gt.check(Net(), SPEC, loss="mse"), "loss must be a module or a function, got str 'mse'"),
        (lambda: gt.check(Net(), SPEC, ignore="GT101"), "ignore must be a collection of codes"),
    ],
)
def test_what_it_refuses(call: object, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        call()  # type: ignore[operator]


# ---- what it is given ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": nn.CrossEntropyLoss, "targets": SPEC}, "loss must be a module or a function, got the class CrossEn"),
        ({"targets": SPEC}, "loss must be given where targets are"),
        ({"optimizer": gt.optim.SGD}, "optimizer must be an optimizer or a list of them, got the class SGD"),
        ({"optimizer": [nn.ReLU()]}, "optimizer must be an optimizer or a list of them, got ReLU"),
    ],
)
def test_what_is_no_loss_and_no_optimizer(given: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        gt.check(nn.Flatten(), SPEC, **given)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"got the class Net\n.*\n  construct it first: Net\(\.\.\.\)"):
        gt.check(Net, SPEC)


def test_a_tensor_without_dimensions() -> None:
    (problem,) = gt.check(nn.Linear(4, 3), gt.TensorSpec(())).problems
    assert problem.code in ("GT107", "GT109")
    (problem,) = gt.check(lambda x, y: x @ y, gt.TensorSpec((4,)), gt.TensorSpec(())).problems
    assert problem.code in ("GT107", "GT109")
