"""GradScaler: gradients that float16 would round to 0 come of a larger loss, and a step that overflows is left out.

The scale, and whether an overflow was found, are tensors: a compiled step chooses between the old and the new state on
the device, and nothing waits. Eager mode asks for one number at each step, as torch does.
"""

from __future__ import annotations

from typing import Any

from graphtorch.frontend import autograd
from graphtorch.frontend.construction import tensor
from graphtorch.frontend.optim.optimizer import Optimizer
from graphtorch.frontend.placement import at
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.device import check_device
from graphtorch.ir.device import device as Device
from graphtorch.ir.errors import ArgumentError, AutogradError, check
from graphtorch.ir.loc import warn_user
from graphtorch.ir.op import PUBLIC
from graphtorch.ir.types import float16, float32, int32


class GradScaler:
    """Scales a loss, and steps only where the gradients are finite; torch's names and defaults.

    ``device``: where the gradients are. The scale begins as ``init_scale``, is multiplied by ``growth_factor`` after
    ``growth_interval`` steps without an overflow, and by ``backoff_factor`` after one. With ``enabled=False``, and on a
    GPU that is not there, nothing is scaled and every step is made.

    ArgumentError GT304 unless growth_factor > 1, 0 < backoff_factor < 1 and growth_interval > 0.

        scaler = gt.amp.GradScaler("cuda")
        with gt.autocast("cuda"):
            loss = loss_fn(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _check(growth_factor > 1, "growth_factor", growth_factor, "more than 1")
        _check(0 < backoff_factor < 1, "backoff_factor", backoff_factor, "between 0 and 1")
        _check(growth_interval > 0, "growth_interval", growth_interval, "at least 1")
        self._place = _place(device) if enabled else None
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        #: for each optimizer whether its gradients overflowed, since the last update; and those that made their step
        self._found: dict[int, Tensor] = {}
        self._stepped: set[int] = set()
        if self._place is not None:
            with bind.suspended(), at(self._place):
                self._scale = tensor(float(init_scale), dtype=float32)
                self._growth_tracker = tensor(0, dtype=int32)

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._place is not None

    def scale(self, outputs: Any) -> Any:
        """A tensor, or tensors in lists and tuples, times the scale, of their dtype."""
        if not self.is_enabled():
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, list | tuple):
            return type(outputs)([self.scale(x) for x in outputs])
        raise ArgumentError("GT304", f"outputs must be tensors, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of an optimizer by the scale, so that they can be clipped before `step`.

        AutogradError GT514 where that was done since the last `update`, or for gradients of float16.
        """
        if not self.is_enabled():
            return
        if id(optimizer) in self._found or id(optimizer) in self._stepped:
            raise AutogradError(
                "GT514",
                "the gradients of this optimizer were divided by the scale already",
                ["unscale_() and step() are called once between two calls of update()"],
                "call scaler.update() after scaler.step(optimizer)",
            )
        inverse = 1.0 / self._scale
        found: Tensor | None = None
        with autograd.no_grad():
            for p in _with_gradients(optimizer):
                found = self._unscaled(p, inverse, found)
        if found is None:
            raise AutogradError("GT514", "no parameter of the optimizer has a gradient", ["call backward() before"])
        self._found[id(optimizer)] = found

    def _unscaled(self, p: Tensor, inverse: Tensor, found: Tensor | None) -> Tensor:
        grad = p.grad
        assert grad is not None  # `_with_gradients` has looked
        if grad.dtype == float16:
            raise AutogradError(
                "GT514",
                "gradients of float16 cannot be divided by the scale: they would be 0",
                [f"got {grad.aval}"],
                "keep parameters in float32, and let gt.autocast choose the dtype of what is computed",
            )
        bad: Tensor = PUBLIC["gt"]["logical_not"](PUBLIC["gt"]["isfinite"](grad)).any()
        grad.mul_(inverse)
        return bad if found is None else found | bad

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)``, but where a gradient is not finite; the gradients are divided by the
        scale first unless `unscale_` did that. What the optimizer's step gives, or None.

        AutogradError GT514 for a second step before `update`; ArgumentError GT304 for a closure.
        """
        if not self.is_enabled():
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise ArgumentError(
                "GT304", "a closure is not taken by GradScaler.step", ["gradients are scaled outside of it"]
            )
        if id(optimizer) in self._stepped:
            raise AutogradError(
                "GT514", "step() was called twice for this optimizer", [], "call scaler.update() after scaler.step()"
            )
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        found = self._found[id(optimizer)]
        if bind.current().tracing:
            return _chosen_step(optimizer, found, kwargs)
        return None if found.item() else optimizer.step(**kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the scale for the next step: as the last ones went, or to ``new_scale``.

        AutogradError GT514 where no step was made since the last update.
        """
        if not self.is_enabled():
            return
        if new_scale is None and not self._found:
            raise AutogradError("GT514", "there is nothing to update by", ["call scaler.step(optimizer) before"])
        where = PUBLIC["gt"]["where"]
        with autograd.no_grad():
            if new_scale is not None:
                self._scale.fill_(new_scale) if not isinstance(new_scale, Tensor) else self._scale.copy_(new_scale)
            else:
                bad, *others = self._found.values()
                for other in others:
                    bad = bad | other
                good = self._growth_tracker + 1
                grows = good == self._growth_interval
                larger = self._scale * self._growth_factor
                grown = where(grows & larger.isfinite(), larger, self._scale)
                self._scale.copy_(where(bad, self._scale * self._backoff_factor, grown))
                self._growth_tracker.copy_(where(bad | grows, 0, good).to(int32))
        self._found.clear()
        self._stepped.clear()

    # ---- settings -----------------------------------------------------------------------------------

    def get_scale(self) -> float:
        """The scale, which a GPU is waited for; 1.0 where nothing is scaled."""
        return float(self._scale.item()) if self.is_enabled() else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """For the updates that come; a compiled step keeps the one that it was made with."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """As `set_growth_factor`."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """As `set_growth_factor`."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Python numbers, under torch's names; empty where nothing is scaled."""
        if not self.is_enabled():
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.item()),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave; ArgumentError GT304 for an empty one where a scale is wanted."""
        if not self.is_enabled():
            return
        check(
            len(state_dict) > 0,
            "GT304",
            "state_dict is empty",
            "expected that of a GradScaler that was enabled",
            kind=ArgumentError,
        )
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._scale.fill_(state_dict["scale"])
        self._growth_tracker.fill_(state_dict["_growth_tracker"])


def _chosen_step(optimizer: Optimizer, bad: Tensor, kwargs: dict[str, Any]) -> Any:
    """The step in a trace: everything is computed, and what was there is kept where ``bad``."""
    tracer: Any = bind.current()
    with autograd.no_grad():
        before = {key: t.clone() for key, t in _changed(optimizer).items()}
        result = optimizer.step(**kwargs)
        for key, t in _changed(optimizer).items():
            old = before[key] if key in before else tracer.at_entry(t)  # the trace of this step made it
            t.copy_(PUBLIC["gt"]["where"](bad, old, t))
    return result


def _changed(optimizer: Optimizer) -> dict[tuple[int, str], Tensor]:
    """What a step may write: parameters, and their state by name."""
    found = {(id(p), ""): p for p in _with_gradients(optimizer)}
    for p, values in optimizer.state.items():
        found |= {(id(p), name): t for name, t in values.items() if isinstance(t, Tensor)}
    return found | {(id(p), "beside"): t for p, t in optimizer._beside().items()}


def _with_gradients(optimizer: Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def _place(device: str) -> Device | None:
    """Where the scale is; None where there is no such device, with a warning."""
    from graphtorch.frontend import cuda

    if Device(device).type == "cuda" and not cuda.is_available():
        warn_user(f"GradScaler is off: there is no GPU ({cuda.why_unavailable()})", UserWarning)
        return None
    return check_device(device)


def _check(good: bool, name: str, got: Any, expected: str) -> None:
    check(good, "GT304", f"{name}={got!r} is not allowed", f"expected {expected}", kind=ArgumentError)
