"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphtorch.frontend.autograd import enable_grad, no_grad
from graphtorch.frontend.construction import from_numpy
from graphtorch.frontend.nn.arguments import at_least as whole_number
from graphtorch.frontend.nn.arguments import positive
from graphtorch.frontend.optim.optimizer import Group, Optimizer, at_least
from graphtorch.frontend.optim.strong_wolfe import Point, search
from graphtorch.frontend.tensor import Tensor
from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentError, ArgumentTypeError, TraceError, check
from graphtorch.ir.op import PUBLIC

#: pairs of changes whose product is no greater say nothing of the curvature
_LEAST_CURVATURE = 1e-10


class LBFGS(Optimizer):
    """The quasi-Newton method of limited memory (J. Nocedal, S. Wright, Numerical Optimization, algorithms 7.4, 7.5).

    `step` needs a closure, which clears the gradients, computes the loss and its gradients, and returns the loss; the
    first one is what `step` returns. It takes ``max_iter`` iterations at most, or as many as ``max_eval`` (None: 5/4 of
    that) calls of the closure allow. The step along a direction is ``lr`` (the first one no longer than ``lr``), or
    what a line search for the strong Wolfe conditions gives that begins there (``line_search_fn="strong_wolfe"``). It
    ends when no gradient is above ``tolerance_grad``, or when parameters or loss change by less than
    ``tolerance_change``. ``history_size`` pairs of vectors are kept. One group of parameters, and eager mode only: how
    often the closure is called depends on the loss (TraceError GT601). ArgumentError GT304 for options out of range,
    ArgumentTypeError GT301 for what is no int, and for no closure.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": whole_number(max_iter, "max_iter", 0) * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)

    def add_param_group(self, param_group: Group) -> None:
        """Refused (ArgumentError GT304) for a second group: the direction is one of all parameters."""
        check(
            not self.param_groups,
            "GT304",
            "LBFGS takes no second group of parameters",
            "expected all parameters in one group, without options of their own",
            kind=ArgumentError,
        )
        super().add_param_group(param_group)

    def _check(self, group: Group) -> None:
        for name in ("lr", "tolerance_grad", "tolerance_change"):
            at_least(group, name, 0)
        for name in ("max_iter", "max_eval"):
            whole_number(group[name], name, 0)
        positive(group["history_size"], "history_size")
        check(
            group["line_search_fn"] in (None, "strong_wolfe"),
            "GT304",
            f"line_search_fn={group['line_search_fn']!r} is not allowed",
            'expected None or "strong_wolfe"',
            kind=ArgumentError,
        )

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        if not callable(closure):
            raise ArgumentTypeError("GT301", f"closure must be a function, got {type(closure).__name__}")
        if bind.current().tracing:
            raise TraceError(
                "GT601",
                "LBFGS is for eager mode: how often step() calls its closure depends on the loss",
                ["call step() outside of gt.compile; what the closure calls may be compiled"],
            )
        with enable_grad():
            first = closure()
        with no_grad():
            self._iterate(closure, float(first), self._gradient())
        bind.current().stepped(self)
        return first

    def _iterate(self, closure: Callable[[], Any], loss: float, gradient: Tensor) -> None:
        group, state = self.param_groups[0], self._shared()
        state["func_evals"] += 1
        evals, small = 1, group["tolerance_change"]
        if _greatest(gradient) <= group["tolerance_grad"]:
            return
        for last in range(group["max_iter"] - 1, -1, -1):
            state["n_iter"] += 1
            direction, step = self._direction(gradient), self._first_step(gradient)
            state.update(d=direction, t=step, prev_flat_grad=gradient, prev_loss=loss)
            start = Point(0.0, loss, gradient, float(gradient.dot(direction)))
            if start.slope > -small:
                break
            end, calls = self._move(closure, start, step, group["max_eval"] - evals, evaluate=last > 0)
            state["t"] = end.step
            state["func_evals"] += calls
            evals += calls
            moved = _greatest(direction * end.step)
            done = _greatest(end.gradient) <= group["tolerance_grad"] or moved <= small or abs(end.loss - loss) < small
            loss, gradient = end.loss, end.gradient
            if done or evals >= group["max_eval"]:
                break

    def _shared(self) -> dict[str, Any]:
        """The state, which is that of all parameters, under the first one."""
        state = self.state[self.param_groups[0]["params"][0]]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        return state

    def _direction(self, gradient: Tensor) -> Tensor:
        """The inverse Hessian's estimate, times the gradient downhill: the two loops of algorithm 7.4."""
        state = self._shared()
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        else:
            self._learn(gradient)
        ys, ss = ([t.numpy() for t in state[name]] for name in ("old_dirs", "old_stps"))
        pairs = list(zip(ys, ss, map(float, state["ro"]), strict=True))
        r = -gradient.numpy()  # in numpy: there may be hundreds of short operations
        weights: list[float] = []
        for y, s, rho in reversed(pairs):
            weights.append(float(s @ r) * rho)
            r -= weights[-1] * y
        r *= float(state["H_diag"])
        for (y, s, rho), weight in zip(pairs, reversed(weights), strict=True):
            r += (weight - float(y @ r) * rho) * s
        return from_numpy(r)

    def _learn(self, gradient: Tensor) -> None:
        """Keep how the last step changed parameters and gradient, if it tells of a positive curvature."""
        state, size = self._shared(), self.param_groups[0]["history_size"]
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        curvature = float(y.dot(s))
        if not curvature > _LEAST_CURVATURE:  # nan says nothing either
            return
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / curvature)):
            state[name] = [*state[name], value][-size:]  # not in place: a state_dict may hold the list
        state["H_diag"] = curvature / float(y.dot(y))

    def _first_step(self, gradient: Tensor) -> float:
        """What to go along the direction: in the very first step it has no scale of its own."""
        lr = float(self.param_groups[0]["lr"])
        if self._shared()["n_iter"] > 1:
            return lr
        return min(1.0, 1.0 / float(gradient.abs().sum())) * lr

    def _move(
        self, closure: Callable[[], Any], start: Point, step: float, most: int, evaluate: bool
    ) -> tuple[Point, int]:
        """Move the parameters along the direction. Where that led, and how often the closure was called.

        Without a line search, loss and gradient are those at the start unless they are to be evaluated.
        """
        direction, group = self._shared()["d"], self.param_groups[0]
        if group["line_search_fn"] is None:
            self._add(direction, step)
            return (self._evaluate(closure, step, direction), 1) if evaluate else (start._replace(step=step), 0)
        origin, calls = [p.clone() for p in group["params"]], 0

        def at(step: float) -> Point:
            nonlocal calls
            calls += 1
            self._add(direction, step)
            point = self._evaluate(closure, step, direction)
            for p, value in zip(group["params"], origin, strict=True):
                p.copy_(value)
            return point

        end = search(at, start, step, group["tolerance_change"] / (_greatest(direction) or 1.0), most)
        self._add(direction, end.step)
        return end, calls

    def _evaluate(self, closure: Callable[[], Any], step: float, direction: Tensor) -> Point:
        with enable_grad():
            loss = float(closure())
        gradient = self._gradient()
        return Point(step, loss, gradient, float(gradient.dot(direction)))

    def _gradient(self) -> Tensor:
        """All gradients as one vector; zeros for a parameter that has none."""
        params = self.param_groups[0]["params"]
        parts = [PUBLIC["gt"]["zeros_like"](p.detach()) if p.grad is None else p.grad for p in params]
        return PUBLIC["gt"]["cat"]([part.reshape(-1) for part in parts]).clone()  # type: ignore[no-any-return]

    def _add(self, direction: Tensor, step: float) -> None:
        at = 0
        for p in self.param_groups[0]["params"]:
            p.add_(direction[at : at + p.numel()].reshape(p.shape), alpha=step)
            at += p.numel()

    def _state_shape(self, p: Tensor) -> tuple[int, ...]:
        return (sum(q.numel() for q in self.param_groups[0]["params"]),)


def _greatest(t: Tensor) -> float:
    return float(t.abs().max())
