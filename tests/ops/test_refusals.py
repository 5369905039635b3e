"""What the public functions say to a wrong call; the whole texts stand in tests/golden/ops/public_refused.txt."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphtorch as gt
from graphtorch.ir import ops
from graphtorch.ir.errors import GraphTorchError

GOLDEN = Path(__file__).parents[1] / "golden" / "ops"


def z(*shape: int, dtype: Any = gt.float32) -> Any:
    return gt.zeros(*shape, dtype=dtype)


def F() -> Any:
    return gt.nn.functional


CALLS: dict[str, Callable[[], Any]] = {
    "add": lambda: z(2, 3) + z(4),
    "add of three shapes": lambda: gt.where(z(2) > 0, z(3), 0.0),
    "add of a string": lambda: gt.add(z(2), "a"),
    "cast": lambda: F().mse_loss(z(2, 3), z(3, 2)),
    "where": lambda: gt.where(z(2), 1.0, 0.0),
    "clamp": lambda: gt.clamp(z(2)),
    "sub of bools": lambda: z(2, dtype=gt.bool) - z(2, dtype=gt.bool),
    "expand": lambda: z(2, 3).expand(4, 2),
    "reshape": lambda: z(2, 3).reshape(4, -1),
    "reshape twice -1": lambda: z(2, 3).reshape(-1, -1),
    "reshape to sizes of floats": lambda: z(2, 3).reshape(1.5, 4),
    "permute": lambda: z(2, 3).permute(0, 0),
    "permute out of range": lambda: z(2, 3).permute(0, 2),
    "transpose": lambda: z(2, 3).transpose(0, 2),
    "t": lambda: z(2, 3, 5).t(),
    "flatten": lambda: z(2, 3).flatten(1, 0),
    "unsqueeze": lambda: z(2, 3).unsqueeze(4),
    "squeeze": lambda: z(2, 1).squeeze(2),
    "narrow": lambda: z(2, 3).narrow(1, 2, 2),
    "unflatten of a number": lambda: z().unflatten(0, (1, -1)),
    "narrow of a number": lambda: z().narrow(0, 0, 1),
    "cat": lambda: gt.cat([z(2, 3), z(2, 5)]),
    "cat of nothing": lambda: gt.cat([]),
    "stack": lambda: gt.stack([z(2, 3), z(3, 2)]),
    "stack of nothing": lambda: gt.stack([]),
    "pad value": lambda: F().pad(z(2, dtype=gt.float16), (1, 1), value=1e5),
    "full beyond what float32 has": lambda: gt.full((2,), 1e39),
    "masked_fill beyond what float16 has": lambda: z(2, dtype=gt.float16).masked_fill(z(2) == 0, -1e9),
    "clamp beyond what float16 has": lambda: z(2, dtype=gt.float16).clamp(max=65505),
    "arange of steps that are cut to 0": lambda: gt.arange(0, 3, 0.5, dtype=gt.int64),
    "pad mode": lambda: F().pad(z(2), (1, 1), mode="reflect"),
    "pad entries": lambda: F().pad(z(2), (1, 1, 1)),
    "index": lambda: z(2, 3)[2],
    "index_select": lambda: gt.index_select(z(5, 3), 0, z(2, 3, dtype=gt.int64)),
    "index_select out of range": lambda: gt.index_select(z(5, 3), 1, gt.tensor([0, 3])),
    "index_add out of range": lambda: z(5, 3).index_add(0, gt.tensor([-1]), z(1, 3)),
    "nonzero in a program": lambda: gt.trace(lambda x: gt.nonzero(x), z(2, 3)),
    "index_add of another shape": lambda: z(5, 3).index_add(0, gt.tensor([1]), z(3)),
    "embedding of floats": lambda: F().embedding(z(2), z(5, 3)),
    "embedding of a vector": lambda: F().embedding(gt.tensor([0]), z(5)),
    "embedding out of range": lambda: F().embedding(gt.tensor([[4], [5]]), z(5, 3)),
    "embedding with max_norm": lambda: F().embedding(gt.tensor([0]), z(5, 3), max_norm="1"),
    "embedding with sparse": lambda: F().embedding(gt.tensor([0]), z(5, 3), sparse=True),
    "embedding with scale_grad_by_freq": lambda: F().embedding(gt.tensor([0]), z(5, 3), scale_grad_by_freq=1),
    "embedding with padding_idx": lambda: F().embedding(gt.tensor([0]), z(5, 3), padding_idx=5),
    "layer_norm": lambda: F().layer_norm(z(2, 3), (2,)),
    "layer_norm's weight": lambda: F().layer_norm(z(2, 3), (3,), z(2)),
    "layer_norm of integers": lambda: F().layer_norm(z(2, 3, dtype=gt.int64), (3,)),
    "rms_norm": lambda: F().rms_norm(z(2, 3), ()),
    "group_norm": lambda: F().group_norm(z(2, 6), 4),
    "group_norm's bias": lambda: F().group_norm(z(2, 6), 3, None, z(3)),
    "group_norm of a vector": lambda: F().group_norm(z(6), 3),
    "gelu": lambda: F().gelu(z(2), approximate="erf"),
    "gelu of integers": lambda: F().gelu(z(2, dtype=gt.int64)),
    "silu of integers": lambda: F().silu(z(2, dtype=gt.int64)),
    "index of a float": lambda: z(2, 3)[0.5],
    "too many indices": lambda: z(2, 3)[0, 0, 0],
    "negative step": lambda: z(4)[::-1],
    "sum": lambda: z(2, 3).sum(2),
    "sum twice": lambda: z(2, 3).sum((0, 0)),
    "mean of integers": lambda: z(2, dtype=gt.int64).mean(),
    "var of integers": lambda: z(2, dtype=gt.int64).var(),
    "amax of nothing": lambda: z(0, 3).amax(0),
    "argmax": lambda: z(2).argmax(1),
    "softmax": lambda: F().softmax(z(2, dtype=gt.int64), 0),
    "log_softmax": lambda: F().log_softmax(z(2), 1),
    "matmul": lambda: z(2, 3) @ z(4, 5),
    "matmul of vectors": lambda: z(2, 3) @ z(4),
    "matmul of numbers": lambda: z(2, 3) @ z(),
    "matmul of dtypes": lambda: z(2, 3) @ z(3, 5, dtype=gt.float64),
    "matmul of batches": lambda: z(2, 3, 5) @ z(4, 5, 7),
    "mm": lambda: gt.mm(z(2, 3, 5), z(5, 7)),
    "linear": lambda: F().linear(z(2, 3), z(5, 4)),
    "linear weight": lambda: F().linear(z(2, 3), z(3)),
    "conv2d channels": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 2, 3, 5)),
    "conv2d dims": lambda: F().conv2d(z(3, 8), z(4, 2, 3, 5)),
    "conv2d weight": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 2)),
    "conv2d bias": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 3, 3, 5), z(3)),
    "conv2d stride": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 3, 3, 5), stride=0),
    "conv2d stride of three": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 3, 3, 5), stride=(1, 1, 1)),
    "conv2d padding": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 3, 3, 5), padding="full"),
    "conv2d same with a stride": lambda: F().conv2d(z(1, 3, 8, 9), z(4, 3, 3, 5), padding="same", stride=2),
    "conv2d groups": lambda: F().conv2d(z(1, 4, 8, 9), z(3, 2, 3, 5), groups=2),
    "conv2d no groups": lambda: F().conv2d(z(1, 4, 8, 9), z(3, 2, 3, 5), groups=0),
    "conv2d kernel": lambda: F().conv2d(z(1, 3, 2, 9), z(4, 3, 3, 5)),
    "conv1d dims": lambda: F().conv1d(z(3), z(4, 3, 2)),
    "conv1d weight": lambda: F().conv1d(z(3, 8), z(4, 3)),
    "conv1d stride": lambda: F().conv1d(z(3, 8), z(4, 3, 2), stride=(1, 2)),
    "conv1d kernel": lambda: F().conv1d(z(3, 8), z(4, 3, 9)),
    "conv3d channels": lambda: F().conv3d(z(3, 8, 4, 5), z(2, 4, 1, 2, 3)),
    "conv3d kernel": lambda: F().conv3d(z(3, 8, 4, 5), z(2, 3, 1, 5, 3)),
    "conv3d padding": lambda: F().conv3d(z(3, 8, 4, 5), z(2, 3, 1, 2, 3), padding=(1, 2)),
    "conv_transpose1d dims": lambda: F().conv_transpose1d(z(3), z(3, 4, 2)),
    "conv_transpose2d channels": lambda: F().conv_transpose2d(z(1, 3, 8, 9), z(4, 2, 3, 5)),
    "conv_transpose2d groups": lambda: F().conv_transpose2d(z(1, 3, 8, 9), z(3, 2, 4, 5), groups=2),
    "conv_transpose2d no groups": lambda: F().conv_transpose2d(z(1, 3, 8, 9), z(3, 2, 4, 5), groups=0),
    "conv_transpose2d output_padding": lambda: F().conv_transpose2d(
        z(1, 3, 8, 9), z(3, 2, 4, 5), stride=2, output_padding=(1, 2)
    ),
    "conv_transpose2d bias": lambda: F().conv_transpose2d(z(1, 3, 8, 9), z(3, 2, 4, 5), z(3)),
    "conv_transpose2d padding": lambda: F().conv_transpose2d(z(1, 3, 8, 9), z(3, 2, 4, 5), padding="same"),
    "conv_transpose3d size": lambda: F().conv_transpose3d(z(1, 3, 1, 2, 4), z(3, 2, 1, 2, 3), padding=2),
    "max_pool2d dims": lambda: F().max_pool2d(z(2, 3), 2),
    "max_pool2d dtype": lambda: F().max_pool2d(z(1, 2, 4, 6, dtype=gt.bool), 2),
    "max_pool2d kernel": lambda: F().max_pool2d(z(1, 2, 4, 6), 5),
    "max_pool2d padding": lambda: F().max_pool2d(z(1, 2, 4, 6), 2, padding=2),
    "max_pool2d stride": lambda: F().max_pool2d(z(1, 2, 4, 6), 2, stride="a"),
    "mse_loss reduction": lambda: F().mse_loss(z(2), z(2), reduction="avg"),
    "mse_loss weight": lambda: F().mse_loss(z(2, 3), z(2, 3), weight=z(3)),
    "l1_loss of integers": lambda: F().l1_loss(z(2, dtype=gt.int64), z(2, dtype=gt.int64)),
    "smooth_l1_loss beta": lambda: F().smooth_l1_loss(z(2), z(2), beta=-1),
    "huber_loss delta": lambda: F().huber_loss(z(2), z(2), delta=0),
    "huber_loss weight": lambda: F().huber_loss(z(2, 3), z(2, 3), weight=z(3)),
    "kl_div of integers": lambda: F().kl_div(z(2), z(2, dtype=gt.int64), reduction="sum"),
    "kl_div log_target": lambda: F().kl_div(z(2), z(2), reduction="sum", log_target=1),
    "poisson_nll_loss full": lambda: F().poisson_nll_loss(z(2), z(2), True, "yes"),
    "gaussian_nll_loss var": lambda: F().gaussian_nll_loss(z(2, 3), z(2, 3), z(3)),
    "gaussian_nll_loss of a negative var": lambda: F().gaussian_nll_loss(z(2), z(2), gt.tensor([1.0, -0.5])),
    "gaussian_nll_loss of a negative number": lambda: F().gaussian_nll_loss(z(2), z(2), -0.5),
    "binary_cross_entropy shape": lambda: F().binary_cross_entropy(z(2, 3), z(2)),
    "binary_cross_entropy dtype": lambda: F().binary_cross_entropy(z(2), z(2, dtype=gt.float64)),
    "binary_cross_entropy weight": lambda: F().binary_cross_entropy(z(2), z(2), z(3)),
    "binary_cross_entropy out of range": lambda: F().binary_cross_entropy(gt.tensor([0.5, 1.5]), z(2)),
    "binary_cross_entropy_with_logits shape": lambda: F().binary_cross_entropy_with_logits(z(2, 1), z(2)),
    "binary_cross_entropy_with_logits pos_weight": lambda: F().binary_cross_entropy_with_logits(
        z(2, 3), z(2, 3), pos_weight=z(2)
    ),
    "soft_margin_loss shape": lambda: F().soft_margin_loss(z(3, 1), z(1, 4)),
    "multilabel_soft_margin_loss of a number": lambda: F().multilabel_soft_margin_loss(z(), z()),
    "hinge_embedding_loss margin": lambda: F().hinge_embedding_loss(z(2), z(2), "1"),
    "margin_ranking_loss dims": lambda: F().margin_ranking_loss(z(2, 3), z(2, 3), z(2)),
    "multi_margin_loss p": lambda: F().multi_margin_loss(z(2, 3), z(2, dtype=gt.int64), 3),
    "multi_margin_loss dims": lambda: F().multi_margin_loss(z(2, 3, 4), z(2, dtype=gt.int64)),
    "multi_margin_loss target": lambda: F().multi_margin_loss(z(2, 3), z(3, dtype=gt.int64)),
    "multi_margin_loss dtype": lambda: F().multi_margin_loss(z(2, 3), z(2, dtype=gt.int32)),
    "multi_margin_loss weight": lambda: F().multi_margin_loss(z(2, 3), z(2, dtype=gt.int64), weight=z(2)),
    "multi_margin_loss out of range": lambda: F().multi_margin_loss(z(2, 3), gt.tensor([0, 3])),
    "multilabel_margin_loss target": lambda: F().multilabel_margin_loss(z(2, 3), z(2, dtype=gt.int64)),
    "multilabel_margin_loss out of range": lambda: F().multilabel_margin_loss(z(3), gt.tensor([0, -1, 5])),
    "cosine_embedding_loss target": lambda: F().cosine_embedding_loss(z(2, 3), z(2, 3), z(2, 3)),
    "cosine_embedding_loss dims": lambda: F().cosine_embedding_loss(z(3), z(3), z(3)),
    "cosine_similarity dim": lambda: F().cosine_similarity(z(3), z(3)),
    "cosine_similarity of integers": lambda: F().cosine_similarity(z(3, dtype=gt.int64), z(3, dtype=gt.int64), 0),
    "pairwise_distance p": lambda: F().pairwise_distance(z(2, 3), z(2, 3), "2"),
    "triplet_margin_loss margin": lambda: F().triplet_margin_loss(z(2, 3), z(2, 3), z(2, 3), 0),
    "triplet_margin_loss dims": lambda: F().triplet_margin_loss(z(2, 3), z(2, 3), z(3)),
    "triplet_margin_with_distance_loss swap": lambda: F().triplet_margin_with_distance_loss(
        z(2, 3), z(2, 3), z(2, 3), swap=1
    ),
    "hardtanh": lambda: F().hardtanh(z(2), 1.0, -1.0),
    "hardtanh of bytes": lambda: F().hardtanh(z(2, dtype=gt.uint8)),
    "hardtanh of bools": lambda: F().hardtanh(z(2, dtype=gt.bool)),
    "leaky_relu inplace": lambda: F().leaky_relu(z(2), 0.1, 1),
    "leaky_relu of integers": lambda: F().leaky_relu(z(2, dtype=gt.int64)),
    "celu alpha": lambda: F().celu(z(2), 0.0),
    "elu of integers": lambda: F().elu(z(2, dtype=gt.int64)),
    "prelu weight": lambda: F().prelu(z(2, 3), z(2)),
    "prelu weight dims": lambda: F().prelu(z(2, 3), z(1, 3)),
    "prelu dtype": lambda: F().prelu(z(2, 3), z(3, dtype=gt.float64)),
    "softshrink lambd": lambda: F().softshrink(z(2), -0.1),
    "threshold of a string": lambda: F().threshold(z(2), "0", 1.0),
    "glu odd": lambda: F().glu(z(2, 3)),
    "glu of a number": lambda: F().glu(z()),
    "rrelu": lambda: F().rrelu(z(2), 0.5, 0.25),
    "softplus beta": lambda: F().softplus(z(2), None),
    "logsigmoid of integers": lambda: F().logsigmoid(z(2, dtype=gt.int64)),
    "mish of integers": lambda: F().mish(z(2, dtype=gt.int64)),
    "nll_loss of a number": lambda: F().nll_loss(z(), z(dtype=gt.int64)),
    "cross_entropy swapped": lambda: F().cross_entropy(z(4, dtype=gt.int64), z(4, 5)),
    "cross_entropy dtype": lambda: F().cross_entropy(z(4, 5), z(4, dtype=gt.int32)),
    "cross_entropy shape": lambda: F().cross_entropy(z(4, 5), z(3, dtype=gt.int64)),
    "cross_entropy weight": lambda: F().cross_entropy(z(4, 5), z(4, dtype=gt.int64), z(4)),
    "cross_entropy smoothing": lambda: F().cross_entropy(z(4, 5), z(4, dtype=gt.int64), label_smoothing=2),
    "batch_norm dims": lambda: F().batch_norm(z(4), z(4), z(4)),
    "batch_norm channels": lambda: F().batch_norm(z(4, 5), z(4), z(5)),
    "batch_norm of one": lambda: F().batch_norm(z(1, 5), z(5), z(5), training=True),
    "zeros": lambda: gt.zeros(-1),
    "arange": lambda: gt.arange(0, 5, -1),
    "full": lambda: gt.full((2,), float("nan"), dtype=gt.int64),
    "normalize_dims": lambda: z(2, 3).sum("a"),
}


def refusal(call: Callable[[], Any]) -> str:
    """The text of the error, less the lines of this file that it shows."""
    with pytest.raises(GraphTorchError) as error:
        call()
    error.value.loc = error.value.created = None
    return str(error.value)


def test_texts(golden):
    golden("ops/public_refused.txt", "".join(f"{name}:\n{refusal(call)}\n\n" for name, call in CALLS.items()))


@pytest.mark.parametrize("name", CALLS)
def test_they_name_the_call_that_the_user_made(name):
    head = refusal(CALLS[name]).splitlines()[0]
    assert re.match(r"\w+ GT\d{3} in \w+: ", head), head
    for primitive in ("broadcast_to", "constant", "reduce_", "_op", "slice"):
        assert f" in {primitive}" not in head or name in ("expand", "full"), head


def test_every_code_of_the_ops_is_tested():
    used = {c for f in Path(next(iter(ops.__path__))).glob("*.py") for c in re.findall(r'"(GT\d{3})"', f.read_text())}
    tested = {c for f in GOLDEN.glob("*.txt") for c in re.findall(r"GT\d{3}", f.read_text())}
    warned = {"GT324"}  # tests/errors/test_loss_contract.py
    assert used - tested - warned <= {"GT808"}, "add a call to CALLS, or a row to REFUSED of samples.py"


def test_nothing_is_changed_by_a_failed_call():
    x = gt.tensor(np.ones((2, 3), np.float32))
    for change in (lambda: x.__iadd__(z(3, 2)), lambda: x.add_(z(5)), lambda: x.copy_(z(3, 3))):
        with pytest.raises(GraphTorchError):
            change()
    np.testing.assert_array_equal(x.numpy(), np.ones((2, 3)))
