"""autocast against torch's, on the CPU: which functions choose which dtype, nesting, gradients, compiled functions."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch import nn
from graphtorch.errors import ArgumentError, DTypeError

torch = pytest.importorskip("torch")

LOW, FULL = gt.bfloat16, gt.float32
#: name -> shapes of the operands, and what else is given
FUNCTIONS: dict[str, tuple[list[tuple[int, ...]], tuple[Any, ...]]] = {
    "matmul": ([(3, 4), (4, 5)], ()), "mm": ([(3, 4), (4, 5)], ()), "bmm": ([(2, 3, 4), (2, 4, 5)], ()),
    "mv": ([(3, 4), (4,)], ()), "dot": ([(7,), (7,)], ()), "baddbmm": ([(2, 3, 5), (2, 3, 4), (2, 4, 5)], ()),
    "addmm": ([(3, 5), (3, 4), (4, 5)], ()), "tensordot": ([(3, 4), (4, 5)], (1,)), "prelu": ([(3, 4), (1,)], ()),
    "exp": ([(3, 4)], ()), "sum": ([(3, 4)], ()), "prod": ([(3, 4)], ()), "cumsum": ([(3, 4)], (1,)),
    "add": ([(3, 4), (3, 4)], ()), "mul": ([(3, 4), (4,)], ()), "sqrt": ([(3, 4)], ()), "where": ([], ()),
    "pow": ([(3, 4), (4,)], ()), "atan2": ([(3, 4), (4,)], ()), "logsumexp": ([(3, 4)], (1,)), "cdist": ([(3, 4), (5, 4)], ()),
}  # fmt: skip
LAYERS: dict[str, tuple[list[tuple[int, ...]], tuple[Any, ...]]] = {
    "linear": ([(3, 4), (5, 4), (5,)], ()), "conv1d": ([(2, 3, 9), (4, 3, 3)], ()),
    "conv2d": ([(2, 3, 9, 8), (4, 3, 3, 3)], ()), "conv_transpose2d": ([(2, 3, 9, 8), (3, 4, 3, 3)], ()),
    "softmax": ([(3, 4)], (1,)), "log_softmax": ([(3, 4)], (1,)), "layer_norm": ([(3, 4)], ((4,),)), "gelu": ([(3, 4)], ()),
    "mse_loss": ([(3, 4), (3, 4)], ()), "l1_loss": ([(3, 4), (3, 4)], ()), "smooth_l1_loss": ([(3, 4), (3, 4)], ()),
    "binary_cross_entropy": ([(3, 4), (3, 4)], ()), "binary_cross_entropy_with_logits": ([(3, 4), (3, 4)], ()),
    "kl_div": ([(3, 4), (3, 4)], ()), "scaled_dot_product_attention": ([(2, 3, 4), (2, 5, 4), (2, 5, 4)], ()),
    "relu": ([(3, 4)], ()), "avg_pool2d": ([(2, 3, 8, 8)], (2,)), "adaptive_avg_pool3d": ([(2, 3, 4, 6, 6)], (2,)),
    "cosine_similarity": ([(3, 4), (3, 4)], ()), "softplus": ([(3, 4)], ()),
}  # fmt: skip
CASES = [("", n, *c) for n, c in FUNCTIONS.items() if c[0]] + [("F", n, *c) for n, c in LAYERS.items()]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("space", "name", "shapes", "others"), CASES, ids=[c[1] for c in CASES])
def test_dtypes_are_torchs(space: str, name: str, shapes: list[tuple[int, ...]], others: tuple[Any, ...]) -> None:
    for kinds in (["float32"] * len(shapes), ["bfloat16"] * len(shapes)):
        arrays = [np.random.default_rng(i).random(s, np.float32) for i, s in enumerate(shapes)]
        found = []
        for lib, functional in ((torch, torch.nn.functional), (gt, nn.functional)):
            tensors = [lib.from_numpy(a).to(getattr(lib, k)) for a, k in zip(arrays, kinds, strict=True)]
            with lib.autocast("cpu"):
                found.append(getattr(functional if space else lib, name)(*tensors, *others))
        theirs, ours = found
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1], kinds
        np.testing.assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=2e-2, atol=2e-2)


def test_lists_of_tensors_take_the_widest() -> None:
    low, full = gt.ones(2, dtype=LOW), gt.ones(2)
    with gt.autocast("cpu"):
        assert gt.cat([low, full]).dtype == gt.stack([full, low]).dtype == FULL
        assert gt.cat([low, low]).dtype == LOW
        assert gt.einsum("ij,jk->ik", gt.ones(2, 3), gt.ones(3, 2)).dtype == LOW


def test_blocks_nest_and_end() -> None:
    x = gt.ones(3, 3)
    assert not gt.is_autocast_enabled("cpu") and gt.get_autocast_dtype("cpu") == LOW
    assert gt.get_autocast_dtype("cuda") == gt.float16
    with gt.autocast("cpu"):
        with gt.autocast("cpu", enabled=False):
            assert (x @ x).dtype == FULL and not gt.is_autocast_enabled("cpu")
        with gt.autocast("cpu", dtype=gt.float16):
            assert (x @ x).dtype == gt.float16 == gt.get_autocast_dtype("cpu")
        with gt.autocast("cuda"):
            assert (x @ x).dtype == LOW and gt.is_autocast_enabled("cuda")
        assert (x @ x).dtype == LOW and gt.is_autocast_enabled("cpu")
    with gt.autocast("cuda"):
        assert (x @ x).dtype == FULL  # which is on the CPU
    with pytest.raises(ZeroDivisionError), gt.autocast("cpu"):
        _ = 1 // 0
    assert (x @ x).dtype == FULL


def test_float64_and_integers_stay() -> None:
    with gt.autocast("cpu"):
        x = gt.ones(3, 3, dtype=gt.float64)
        assert (x @ x).dtype == gt.float64 and gt.ones(3, dtype=gt.int64).sum().dtype == gt.int64
        assert gt.ones(3).bfloat16().sum(dtype=LOW).dtype == LOW


def test_it_decorates_and_belongs_to_its_thread() -> None:
    @gt.autocast("cpu")
    def product(x: gt.Tensor) -> gt.Tensor:
        return x @ x

    assert product(gt.ones(2, 2)).dtype == LOW
    found: list[Any] = []
    with gt.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((gt.ones(2, 2) @ gt.ones(2, 2)).dtype))
        thread.start()
        thread.join()
    assert found == [FULL]


def test_what_is_not_a_dtype_or_device_is_refused() -> None:
    with pytest.raises(DTypeError, match="GT202"):
        gt.autocast("cpu", dtype=gt.float32)
    with pytest.raises(ArgumentError, match="GT401"):
        gt.autocast("tpu")


def net_of(lib: Any) -> Any:
    return lib.nn.Sequential(
        lib.nn.Conv2d(2, 5, 3, padding=1), lib.nn.BatchNorm2d(5), lib.nn.ReLU(), lib.nn.Flatten(),
        lib.nn.Linear(5 * 6 * 7, 11), lib.nn.LayerNorm(11), lib.nn.GELU(), lib.nn.Linear(11, 4),
    )  # fmt: skip


def trained(lib: Any, compiled: bool, scaled: bool, steps: int = 4) -> tuple[list[float], list[Any]]:
    model = net_of(lib)
    for name, t in model.state_dict().items():
        if t.ndim:
            rng = np.random.default_rng(len(name) + t.ndim)
            spread = np.prod(tuple(t.shape)[1:]) ** -0.5 if t.ndim > 1 else 0.1
            array = (rng.random(tuple(t.shape)) * spread + (0.5 if t.ndim == 1 else -0.3 * spread)).astype(np.float32)
            t.detach().copy_(lib.from_numpy(array))
    optimizer = lib.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scaler = lib.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2, enabled=scaled)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        with lib.autocast("cpu", dtype=lib.bfloat16):
            loss = lib.nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    run = lib.compile(step) if compiled else step
    rng, losses = np.random.default_rng(3), []
    for _ in range(steps):
        x, y = rng.standard_normal((9, 2, 6, 7), np.float32), rng.integers(0, 4, 9)
        losses.append(run(lib.from_numpy(x), lib.from_numpy(y)).item())
    return losses, [p.detach().numpy().copy() for p in model.parameters()] + [np.float32(scaler.get_scale())]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_training_is_torchs(compiled: bool, scaled: bool) -> None:
    """To the precision of bfloat16; and the scale to the last bit."""
    losses, parameters = trained(gt, compiled, scaled)
    want_losses, want = trained(torch, False, scaled)
    np.testing.assert_allclose(losses, want_losses, rtol=3e-2)
    for a, b in zip(parameters, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-2, atol=2e-2)
    assert parameters[-1] == want[-1]


def test_a_compiled_function_has_a_program_for_each_mode() -> None:
    f = gt.compile(lambda x: x @ x)
    x = gt.ones(3, 3)
    for _ in range(3):
        assert f(x).dtype == FULL
        with gt.autocast("cpu"):
            assert f(x).dtype == LOW
        with gt.autocast("cpu", dtype=gt.float16):
            assert f(x).dtype == gt.float16
    assert [s.reason for s in f.stats][1:] == [
        "new arguments: autocast is on for cpu (graphtorch.bfloat16)",
        "new arguments: autocast is on for cpu (graphtorch.float16)",
    ]


def test_gradients_have_the_dtype_of_their_leaf() -> None:
    w, x = gt.ones(3, 4, requires_grad=True), gt.ones(2, 3)
    with gt.autocast("cpu"):
        out = (x @ w).relu().sum()
        out.backward()
    assert w.grad is not None and w.grad.dtype == FULL and out.dtype == LOW
    assert [(d == 2).all().item() for d in (w.grad,)] == [True]


def test_choices_of_functions_on_a_gpu() -> None:
    """The lists that need no GPU to be looked at."""
    from graphtorch.frontend.autocast import _choice

    assert {n: _choice(n, "cuda", True) for n in ("exp", "layer_norm", "sum", "mv", "dot", "add", "batch_norm")} == {
        "exp": FULL, "layer_norm": FULL, "sum": FULL, "mv": "lower", "dot": FULL, "add": None, "batch_norm": None,
    }  # fmt: skip
    with pytest.raises(DTypeError, match="with_logits"):
        _choice("binary_cross_entropy", "cuda", True)


def test_every_name_is_a_public_function() -> None:
    from graphtorch.frontend import autocast
    from graphtorch.ir.op import PUBLIC

    public = set().union(*PUBLIC.values()) | set(dir(nn.functional))
    lists = itertools.chain(*(autocast._BY_DEVICE[d] for d in ("cpu", "cuda")), autocast._WIDEST.values())
    assert not set().union(*lists, *autocast._AS_GIVEN.values()) - public - {"cross", "frobenius_norm"}
