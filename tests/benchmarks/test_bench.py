"""The benchmark program: that it runs, and its arithmetic. No test looks at a time."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from benchmarks import compile_time, machine, nets, peak, peers, report, run, workloads
from benchmarks.workloads import BY_NAME, WORKLOADS
from graphtorch.codegen.target import target_for
from graphtorch.runtime.cpu import assembly


def test_one_round_of_graphtorch_alone(tmp_path, capsys):
    files = {kind: str(tmp_path / kind) for kind in ("json", "markdown")}
    run.main([
        "--workloads", "tiny-train,tiny-infer", "--peers", "graphtorch", "--rounds", "1", "--burst", "0.01",
        "--threads", "1", "--json", files["json"], "--markdown", files["markdown"],
    ])  # fmt: skip
    with open(files["json"]) as file:
        result = json.load(file)
    assert result["rounds"] == 1 and result["threads"] == 1 and result["missing"] == {}
    assert result["versions"][0].startswith("graphtorch ")
    assert all(result["machine"][key] > 0 for key in ("fma_gflops_1", "fma_gflops", "copy_gb_s", "cpus"))
    assert [found["name"] for found in result["workloads"]] == ["tiny-train", "tiny-infer"]
    for found in result["workloads"]:
        assert found["left_out"] == {} and found["reference"] in peers.REFERENCES
        assert found["best"] is None and found["ratio"] is None and len(found["peak_gflops"]) == 1
        (row,) = found["peers"].values()
        assert row["ratio"] == 1 and row["error"] <= run.TOLERANCE and len(row["rounds_ms"]) == 1
        assert all(
            row[key] > 0 for key in ("median_ms", "min_ms", "first_call_s", "peak_mb", "build_mb", "peak_fraction")
        )
    with open(files["markdown"]) as file:
        text = file.read()
    assert "| tiny, train | median ms |" in text and "FMA peak" in text
    assert "tiny, inference\n" in capsys.readouterr().out


def test_one_that_computes_something_else_or_fails_is_left_out(monkeypatch, tmp_path):
    class Stub:
        def __init__(self, name, result):
            self.name, self.facts = name, {}
            self.task = {"result_file": str(tmp_path / f"{name}.npy")}
            np.save(self.task["result_file"], np.array(result))

        def kill(self):
            pass

        def burst(self, seconds):
            raise run.Refused("no answer within 900 s")

    group = run.Group(lambda text: None)
    made = {"torch": [1.0, 2.0], "good": [1.0005, 2.0], "bad": [1.0, 2.01], "nan": [1.0, np.nan], "shape": [1.0]}
    group.running = [Stub(name, result) for name, result in made.items()]
    settings = run.Run(run.arguments([]), str(tmp_path), lambda text: None)
    assert settings._check(BY_NAME["tiny-train"], group) == "torch"
    assert [p.name for p in group.running] == ["torch", "good"]
    assert group.left_out["bad"] == "differs from torch by 5.0e-03"
    assert set(group.left_out) == {"bad", "nan", "shape"}
    assert group.each(lambda p: p.burst(0.1)) == {}
    assert group.running == [] and group.left_out["good"] == "no answer within 900 s"


def test_a_worker_that_fails_says_why(tmp_path):
    settings = run.Run(run.arguments([]), str(tmp_path), lambda text: None)
    with pytest.raises(run.Refused, match="KeyError: 'nothing'"):
        settings.start("nothing", BY_NAME["tiny-infer"])


OURS = [[1.0, 2.0, 9.0], [4.0], [3.0, 3.0]]
THEIRS = [[4.0], [5.0, 3.0], [12.0]]


def test_medians_and_ratios_are_taken_round_by_round():
    assert report.medians(OURS) == [2, 4, 3]
    assert report.ratio(OURS, THEIRS) == 0.5  # of 0.5, 1.0 and 0.25
    assert report.ratio(OURS, OURS) == 1


def test_fraction_of_the_peak_is_that_of_the_same_round():
    rates = [[50.0, 100.0], [100.0], [200.0]]
    # 3e8 operations in 2, 4 and 3 ms are 150, 75 and 100 GFLOP/s
    assert report.fraction(300_000_000, OURS, rates) == pytest.approx(0.75)


def found(theirs=THEIRS, reach=0.5):
    work = workloads.Workload("w", "a title", "matmul", ((5, 7), (7, 3)), reach)
    facts = {"version": "x 1", "first_call_s": 0.5, "peak_mb": 100.0}
    rounds = {"graphtorch": OURS, "graphtorch-eager": [[0.1]] * 3, "torch": theirs, "jax": [[50.0]] * 3}
    names = dict.fromkeys(rounds, facts)
    return report.workload(work, "torch", names, rounds, [[100.0]] * 3, {"openvino": "ended with 1: no"})


def test_the_best_other_library_is_the_one_to_reach():
    result = found()
    assert (result["best"], result["ratio"], result["met"]) == ("torch", 0.5, True)
    assert result["peers"]["graphtorch"]["median_ms"] == 3 and result["peers"]["graphtorch"]["min_ms"] == 1
    assert result["flops"] == 2 * 5 * 7 * 3
    result = found(reach=0.4)
    assert (result["ratio"], result["met"]) == (0.5, False)
    assert found(reach=None)["met"] is None


def test_table():
    lines = report.table(found()).splitlines()
    assert lines[0] == "a title"
    assert lines[1].split() == "median ms min ms ratio reach of peak first call s memory MB".split()
    assert lines[2].split() == ["graphtorch", "3", "1", "1.00", "0%", "0.50", "100"]
    assert lines[4].split() == ["torch", "4", "3", "0.50", "0.50", "met", "0%", "0.50", "100"]
    assert lines[5].split() == ["jax", "50", "50", "0.06", "0%", "0.50", "100"]
    assert lines[-1] == "openvino: left out, ended with 1: no"


def test_operations():
    expected = {"vgg16-infer": 30.94e9, "resnet18-infer": 3.628e9, "matmul-512": 2 * 512**3}
    for name, flops in expected.items():
        assert BY_NAME[name].flops == pytest.approx(flops, rel=1e-3)
    assert BY_NAME["conv-64"].flops == 2 * (8 * 64 * 56 * 56) * (64 * 3 * 3)
    tokens, width = 8 * 128, 256
    layer = 2 * tokens * width * (3 + 1 + 4 + 4) * width + 2 * tokens * 128 * width  # half of the scores are seen
    assert BY_NAME["gpt-train"].flops == 3 * (4 * layer + 2 * tokens * width * 256)
    first, rest = 2 * 4 * 8 * 6, 2 * 4 * 6 * 3
    assert BY_NAME["softmax"].bytes == 2 * 4 * 4096 * 1024 and BY_NAME["elementwise"].bytes == 3 * 4 * 4096 * 1024
    assert BY_NAME["column-sum"].bytes == 4 * (4096 * 1024 + 1024) and BY_NAME["matmul-512"].bytes == 0
    assert BY_NAME["tiny-train"].flops == 3 * (first + rest) - first


def test_the_nets_have_the_same_parameters_in_every_library():
    from benchmarks.layers import namespace
    from graphtorch import nn

    kinds = ("conv2d", "max_pool2d", "linear", "batch_norm", "relu", "flatten", "embedding", "layer_norm")
    table = dict.fromkeys(kinds, lambda layer, x: x)
    for net in (nets.seed, nets.lenet5, nets.resnet18, nets.mlp_small, nets.gpt):
        ours = {name: tuple(t.shape) for name, t in net(nn).state_dict().items() if t.ndim}
        plain = net(namespace(table)).layers()
        assert ours == {prefix + name: shape for prefix, layer in plain for name, shape in layer.shapes.items()}


def test_values_depend_on_the_name_alone():
    first, again, other = (np.empty((4, 3), np.float32) for _ in range(3))
    workloads.fill("0.weight", first)
    workloads.fill("0.weight", again)
    workloads.fill("1.weight", other)
    assert (first == again).all() and (first != other).all()


def test_names_are_checked(capsys):
    with pytest.raises(SystemExit, match="workload 'vgg' is not known; expected some of seed-train-64, "):
        run.choose("vgg", BY_NAME, "workload")
    assert [work.name for work in run.choose("conv-64,matmul-512", BY_NAME, "workload")] == ["conv-64", "matmul-512"]
    assert len(run.choose(None, BY_NAME, "workload")) == len(WORKLOADS) - 2
    with pytest.raises(SystemExit):
        run.arguments(["--rounds", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_the_machine_is_named_by_kind():
    assert machine.cpu_name("model name\t: AMD EPYC\n", "znver5") == "Zen 5, AMD EPYC"
    assert machine.cpu_name("", "neoverse-n1") == "neoverse-n1"
    assert "host" not in machine.describe()


def test_the_peak_is_of_as_many_multiply_adds_as_are_counted() -> None:
    """LLVM must not find two sums to be one: 12 sums that begin alike came to a peak 1.6 times the processor's."""
    text = assembly(peak.kernel(8, 12), target_for("x86_64-unknown-linux-gnu", "haswell", {"avx2": True, "fma": True}))
    assert len(re.findall(r"\bvfmadd\w+ps\b", text)) == 12


def test_phases_of_a_first_call() -> None:
    """No pass runs, and nothing is scheduled, emitted or compiled, where the code is in the cache."""
    found = compile_time.measure("tiny-train", 1)
    (cold,), (cached,) = found["cold"], found["cached"]
    made = {"lower", "schedule", "legalize", "emit", "emit, text", "LLVM, parse", "LLVM, passes", "LLVM, code"}
    made |= {"verify", "pass fuse", "plan memory"}
    assert made <= cold["cpu"].keys() and made.isdisjoint(cached["cpu"])
    assert {"trace", "print", "load", "first run"} <= cached["cpu"].keys()
    table = compile_time.table("tiny-train", found)
    assert "first call, all threads" in table and "| LLVM, code |" in table
