"""Averages of a model's weights over training: stochastic weight averaging, and exponential moving averages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphtorch.frontend.autograd import no_grad
from graphtorch.frontend.nn.arguments import flag, number
from graphtorch.frontend.nn.batchnorm import _BatchNorm
from graphtorch.frontend.nn.instancenorm import _InstanceNorm
from graphtorch.frontend.nn.module import Module
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, check
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import DType, int64

#: the average so far, the current value and how many values the average is of, to the new average
Average = Callable[[Tensor, Tensor, Tensor], Tensor]
#: the same for many tensors of one dtype, in place
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """An exponential moving average: decay * average + (1 - decay) * current. ArgumentError GT304 outside of [0, 1]."""
    number(decay, "decay", 0, 1)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        with no_grad():
            out: Tensor = decay * ema_param + (1 - decay) * current_param
            return out

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all values so far (P. Izmailov et al., UAI 2018)."""

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        with no_grad():
            out: Tensor = averaged_param + (current_param - averaged_param) / (num_averaged + 1)
            return out

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """`get_ema_avg_fn` for a list of tensors, in place."""
    return _each(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> MultiAverage:
    """`get_swa_avg_fn` for a list of tensors, in place."""
    return _each(get_swa_avg_fn())


def _each(average: Average) -> MultiAverage:
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
        with no_grad():
            for old, new in zip(averaged, current, strict=True):
                old.copy_(average(old, new, num_averaged))

    return update


class AveragedModel(Module):
    """A copy of ``model`` whose parameters are averages of those that `update_parameters` is given.

    ``avg_fn(average, current, n_averaged)`` gives a new average, or ``multi_avg_fn`` writes many of one dtype in place;
    without either it is the mean. The first update copies, and does not use what the function gives: it is called all
    the same, since updates may be a part of a compiled step. Buffers are averaged with ``use_buffers``, else copied.
    ArgumentError GT304 for both functions.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        check(
            avg_fn is None or multi_avg_fn is None,
            "GT304",
            "avg_fn is not allowed with multi_avg_fn",
            "expected one of them at most",
            kind=ArgumentError,
        )
        self.module = copy.deepcopy(_checked(model))
        self.register_buffer("n_averaged", PUBLIC["gt"]["zeros"]((), dtype=int64))
        if device is not None:
            self.to(device)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = flag(use_buffers, "use_buffers")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Average with the parameters that ``model``, of the same architecture, has now."""
        pairs = _pairs(self.module.parameters(), _checked(model).parameters(), "parameters")
        buffers = _pairs(self.module.buffers(), model.buffers(), "buffers")
        with no_grad():
            self._average([*pairs, *buffers] if self.use_buffers else pairs)
            for own, new in () if self.use_buffers else buffers:
                own.copy_(new)
            self.n_averaged.add_(1)

    def _average(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        first, where = self.n_averaged == 0, PUBLIC["gt"]["where"]
        average = self.avg_fn or get_swa_avg_fn()
        if self.multi_avg_fn is None:
            for own, new in pairs:
                own.copy_(where(first, new, average(own, new, self.n_averaged).to(own.dtype)))
            return
        by_dtype: dict[DType, list[tuple[Tensor, Tensor]]] = {}
        for pair in pairs:
            by_dtype.setdefault(pair[0].dtype, []).append(pair)
        for same in by_dtype.values():
            owns, news = zip(*same, strict=True)
            self.multi_avg_fn(owns, news, self.n_averaged)
            for own, new in same:
                own.copy_(where(first, new, own))


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Let the running statistics of all batch norms be those of ``loader``: the means over its batches.

    A batch is an input, or a tuple or list that begins with it. Modes and momenta are as before in the end.
    """
    momenta: dict[_BatchNorm, float | None] = {}
    for module in _checked(model).modules():
        if isinstance(module, _BatchNorm) and not isinstance(module, _InstanceNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    try:
        for module in momenta:
            module.momentum = None
        model.train()
        _run(loader, model, device)
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


def _run(loader: Iterable[Any], model: Module, device: Any) -> None:
    with no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, list | tuple) else batch
            model(x if device is None else x.to(device))


def _checked(model: Any) -> Module:
    if not isinstance(model, Module):
        raise ArgumentTypeError("GT301", f"model must be a Module, got {type(model).__name__}")
    return model


def _pairs(own: Iterable[Tensor], new: Iterable[Tensor], what: str) -> list[tuple[Tensor, Tensor]]:
    """Each with each, detached; ArgumentError GT304 for others of another number."""
    owns, news = list(own), list(new)
    check(
        len(owns) == len(news),
        "GT304",
        f"model has {len(news)} {what}",
        f"expected the {len(owns)} of the averaged model",
        kind=ArgumentError,
    )
    return [(a.detach(), b.detach()) for a, b in zip(owns, news, strict=True)]
