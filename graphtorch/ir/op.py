"""The op class: everything that is known of an op stands in one place. And the public surface.

A primitive defines

    infer(self, *types, **attrs)      -> TensorType or a tuple of them; raises through `check`
    ref(self, *arrays, **attrs)       -> numpy array(s): eager mode on the CPU, and the oracle
    vjp(self, g, y, *operands, **attrs) -> a gradient (or None) for each operand, written with ops; a function of no
                                           arguments is called for the gradient only where that is wanted
    lower(self, *sources, **attrs)    -> what `compute` or `reduce` of ir/expr return

For an op of several results ``g`` and ``y`` are tuples. An operand of `vjp` whose name starts with an
underscore is looked at for its type alone, so that eager mode need not keep it unchanged.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from graphtorch.ir import bind
from graphtorch.ir.errors import ArgumentTypeError, DTypeError, GraphTorchError, not_a_tensor
from graphtorch.ir.loc import state
from graphtorch.ir.types import TensorType

OPS: dict[str, Op] = {}


class Op:
    """An op of the Graph IR; see the module's text for what a subclass defines."""

    name: ClassVar[str]
    #: the public namespaces: "gt", "Tensor", "F"
    surface: ClassVar[tuple[str, ...]] = ()
    #: results share the operand's storage in eager mode (torch's views)
    is_view: ClassVar[bool] = False
    #: no gradient by definition (comparisons, argmax): `vjp` is absent
    nondifferentiable: ClassVar[bool] = False
    #: reads each operand only at the index that it writes: may be fused and inlined freely
    elementwise: ClassVar[bool] = False

    #: the numpy function that `ref` is, where it is one: it can write its result in place of an operand
    ufunc: ClassVar[Callable[..., Any] | None] = None
    #: `vjp` looks at how operands lie in memory: there is not one formula for all operands of a type
    gradient_by_layout: ClassVar[bool] = False

    infer: Callable[..., Any]
    ref: Callable[..., Any]
    vjp: Callable[..., Any]
    lower: Callable[..., Any]
    #: of views: put(base, value, **attrs) is the base after ``value`` was written through the view
    put: Callable[..., Any]

    def prepare(self, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Turn the public call into operands and attributes (promotion, broadcasting, defaults)."""
        return args, kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            kwargs = _renamed(kwargs, parameters_of(self.prepare))
            if "out" in kwargs and into:
                return into(self, self.name, args, kwargs)
        if casting and (done := casting(self, self.name, args, kwargs)) is not NotImplemented:
            return done
        if intercept:
            args, kwargs = intercept(self.name, args, kwargs)
        try:
            operands, attrs = self.prepare(*args, **kwargs)
        except GraphTorchError as error:
            names = _positional(self.prepare) or self.operand_names
            describe(error, self.name, [*zip(names, args, strict=False), *kwargs.items()])
            raise
        except TypeError:
            _check_call(self.name, self.prepare, args, kwargs)
            raise
        return bind.bind(self, *operands, **attrs)

    def result_types(self, operands: Sequence[Any], attrs: dict[str, Any]) -> tuple[TensorType, ...]:
        """Run `infer`; an error leaves with the op's name, its operands and the user's line."""
        try:
            types = self.infer(*[_aval(o) for o in operands], **attrs)
        except GraphTorchError as error:
            describe(error, self.name, self._named(operands))
            raise
        return types if isinstance(types, tuple) else (types,)

    @functools.cached_property
    def operand_names(self) -> tuple[str, ...]:
        """The names of the tensor operands, as `infer` spells them."""
        return _positional(self.infer)

    @functools.cached_property
    def attribute_kinds(self) -> dict[str, str]:
        """The annotation of each attribute, as `infer` spells it."""
        params = inspect.signature(self.infer).parameters.values()
        return {p.name: str(p.annotation) for p in params if p.kind == inspect.Parameter.KEYWORD_ONLY}

    def _named(self, operands: Sequence[Any]) -> list[tuple[str, Any]]:
        """Operands with their names; those of a variadic op as one list."""
        names = self.operand_names
        return list(zip(names, operands, strict=False)) if names else [("tensors", operands)]

    @functools.cached_property
    def saved_for_backward(self) -> tuple[bool, tuple[bool, ...]]:
        """Whether `vjp` reads the data of the result, and of each operand."""
        params = _positional(self.vjp)
        return not params[1].startswith("_"), tuple(not n.startswith("_") for n in params[2:])

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return OPS.__getitem__, (self.name,)


def _aval(operand: Any) -> TensorType:
    try:
        return operand.aval  # type: ignore[no-any-return]
    except AttributeError:
        raise not_a_tensor(operand) from None


def _positional(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's positional parameters, less ``*args``."""
    params = inspect.signature(function).parameters.values()
    return tuple(p.name for p in params if p.kind == inspect.Parameter.POSITIONAL_OR_KEYWORD)


def parameters_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of all parameters, in order, off the code: hundreds of signatures take 20 ms of an import."""
    code = inspect.unwrap(function).__code__
    named, positional = code.co_argcount + code.co_kwonlyargcount, code.co_argcount
    starred = named + bool(code.co_flags & inspect.CO_VARARGS)
    rest = starred + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    names = code.co_varnames
    return (*names[:positional], *names[named:starred], *names[positional:named], *names[starred:rest])


OpT = TypeVar("OpT", bound=Op)
F = TypeVar("F", bound=Callable[..., Any])

#: namespace ("gt", "Tensor", "F", "linalg") -> public name -> function or op
PUBLIC: dict[str, dict[str, Callable[..., Any]]] = {"gt": {}, "Tensor": {}, "F": {}, "linalg": {}}


def register(op: OpT) -> OpT:
    """Enter a primitive into the registry, and under its name into its public namespaces."""
    if op.name in OPS:
        raise ValueError(f"the op {op.name!r} is registered twice")
    OPS[op.name] = op
    for namespace in op.surface:
        PUBLIC[namespace][op.name] = op
    return op


#: calls the functions of composites, with their arguments, in the place of Python: a trace sets it (frontend/watch.py)
around: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any] | None = None

#: does what ``out=`` asks for: from the function, its public name and its arguments. The frontend sets it, since it
#: writes into tensors (frontend/outputs.py)
into: Callable[[Callable[..., Any], str, tuple[Any, ...], dict[str, Any]], Any] | None = None

#: words the fix of an error that has a `Mend`: from the error, the public function and its arguments. The frontend sets
#: it, since it reads the user's source (frontend/diagnosis/mending.py)
fix_of: Callable[[GraphTorchError, str, list[tuple[str, Any]]], str] | None = None

#: performs a call of a composite, from how that is done and what it is done to, so that what it makes is made where its
#: tensors are: set by the frontend once there are tensors on a GPU (frontend/placement.py)
placed: Callable[[Callable[..., Any], Callable[..., Any], str, Any, Any], Any] | None = None

#: does what ``device=`` asks for: from a public function and its arguments. The frontend sets it
asked: Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any] | None = None

#: performs a call of a public function on operands of the dtype that autocast has for it, from the function, its name
#: and its arguments; NotImplemented where there is none. Set while somebody uses autocast (frontend/autocast.py)
casting: Callable[[Callable[..., Any], str, tuple[Any, ...], dict[str, Any]], Any] | None = None

#: sees the name and the arguments of every call of a public function, and gives those to go on with: while a model is
#: diagnosed, and only then (frontend/diagnosis/abstract.py)
intercept: Callable[[str, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]] | None = None


def composite(*surface: str, name: str = "", whole: bool = False, noted: bool = False) -> Callable[[F], F]:
    """Publish a function that is written with other ops; where it is a ``whole``, it does nothing else, and
    eager mode may run it in one step. The interpreter is told of calls of one that is ``noted``.

    An error that leaves it carries this function's name, and so does the origin of its result: they say
    ``cross_entropy`` and never the name of a primitive that the user did not call.
    """

    def decorate(function: F) -> F:
        public = name or function.__name__
        operand_names = parameters_of(function)
        perform = _as_whole if whole else _plainly

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                kwargs = _renamed(kwargs, operand_names)
                if "out" in kwargs and into:
                    return into(call, public, args, kwargs)
                if asked and kwargs.get("device") is not None:
                    return asked(call, args, kwargs)
            if casting and (done := casting(call, public, args, kwargs)) is not NotImplemented:
                return done
            if intercept:
                args, kwargs = intercept(public, args, kwargs)
            try:
                out = (
                    placed(perform, function, public, args, kwargs)
                    if placed
                    else perform(function, public, args, kwargs)
                )
            except GraphTorchError as error:
                describe(error, public, [*zip(operand_names, args, strict=False), *kwargs.items()])
                raise
            except TypeError:
                _check_call(public, function, args, kwargs)
                raise
            for result in out if isinstance(out, tuple | list) else (out,):
                if getattr(result, "_origin", None) is not None and not any(result is a for a in args):
                    result._origin = public, state.scope
            if noted:
                bind.current().noted(public, {**dict(zip(operand_names, args, strict=False)), **kwargs}, out)
            return out

        for namespace in surface:
            PUBLIC[namespace][public] = call
        return call  # type: ignore[return-value]

    return decorate


def _plainly(function: Callable[..., Any], _name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return around(function, args, kwargs) if around else function(*args, **kwargs)


def _as_whole(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return around(function, args, kwargs) if around else bind.current().whole(function, name, args, kwargs)


#: numpy's names of arguments, which torch takes for its own
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def _renamed(kwargs: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """``kwargs`` under the function's own ``names``, where they came under numpy's."""
    if _ALIASES.keys().isdisjoint(kwargs):
        return kwargs
    found = {n: _ALIASES[n] for n in kwargs if n not in names and _ALIASES.get(n) in names}
    renamed = {found.get(n, n): v for n, v in kwargs.items()}
    return renamed if len(renamed) == len(kwargs) else kwargs  # one that is given twice is refused by its alias


def describe(error: GraphTorchError, op: str, operands: list[tuple[str, Any]]) -> None:
    """Fill in what the raiser could not know. The outermost op on the way out gives its name."""
    error.op = op
    if isinstance(error, ArgumentTypeError) and error.no_tensor:
        _name_parameter(error, [*operands, *(named for pair in operands for named in _each(*pair))])
    tensors = [(name, o) for pair in operands for name, o in _each(*pair) if hasattr(o, "aval")]
    if tensors:
        error.tensors, width = tensors, max(len(name) for name, _ in tensors)
        error.operands = [f"{name:<{width}} {o.aval}{_origin(o)}" for name, o in tensors]
    if error.mend is not None and fix_of is not None:
        error.fix = fix_of(error, op, operands)
    if isinstance(error, DTypeError):
        bind.current().explain(error)


def _name_parameter(error: ArgumentTypeError, operands: list[tuple[str, Any]]) -> None:
    (given,) = error.no_tensor
    names = [name for name, o in operands if o is given]
    if names:
        error.message = f"{names[0]} must be a tensor, got {type(given).__name__}"


def _check_call(op: str, prepare: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """ArgumentTypeError GT301 for a call that does not fit the parameters; it names the public function."""
    signature = inspect.signature(prepare)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as wrong:
        expected = f"expected {op}({', '.join(p.name for p in signature.parameters.values())})"
        error = ArgumentTypeError("GT301", str(wrong), [expected])
        describe(error, op, [])
        raise error from None


def _each(name: str, operand: Any) -> list[tuple[str, Any]]:
    """A list of tensors as its members: ``tensors[0]``, ``tensors[1]``."""
    if isinstance(operand, list | tuple):
        return [(f"{name}[{i}]", o) for i, o in enumerate(operand)]
    return [(name, operand)]


def _origin(operand: Any) -> str:
    """`   (from relu "features.2")`, where the operand knows."""
    made_by = getattr(operand, "_made_by", None)
    return f"   (from {made_by()})" if made_by and made_by() else ""
