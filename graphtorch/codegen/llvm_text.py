"""LLVM IR written as text: modules, functions, and a builder of instructions.

An instruction is a line of its block as soon as it is made, and a value is a type and a name. (llvmlite.ir keeps an
object for each and prints them in the end, which took as long as all the rest of emission.) Pointers are opaque in
the text; here they know what they point to, and a cast from one to another is no instruction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from graphtorch.codegen.llvm_types import (
    DOUBLE,
    FLOAT,
    I1,
    VOID,
    Constant,
    Type,
    Value,
    array,
    integer,
    pointer,
    poison,
    vector,
)

__all__ = [
    "DOUBLE", "FLOAT", "VOID", "Block", "Builder", "Constant", "Function", "Module", "Phi", "Type", "Value",
    "array", "integer", "pointer", "poison", "vector",
]  # fmt: skip

# ---- modules and functions ------------------------------------------------------------------------


class Module:
    """``globals`` holds functions and data by name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.globals: dict[str, Any] = {}

    def __str__(self) -> str:
        return "\n".join((f'; ModuleID = "{self.name}"', *map(str, self.globals.values()), ""))

    def declare(self, name: str, result: Type, args: Sequence[Type]) -> Function:
        """The external function ``name``, declared once."""
        found: Function = self.globals.get(name) or Function(self, name, result, args)
        return found

    def constant(self, name: str, value: Constant) -> Value:
        """Data of this module alone, made once."""
        if name not in self.globals:
            self.globals[name] = _Data(name, value)
        found: _Data = self.globals[name]
        return found.place


class _Data:
    def __init__(self, name: str, value: Constant) -> None:
        self.place = Value(pointer(value.type), f"@{name}")
        self.text = f"@{name} = internal constant {value.type.text} {value.ref}"

    def __str__(self) -> str:
        return self.text


class Function:
    """Defined once it has a block, and declared before."""

    def __init__(self, module: Module, name: str, result: Type, args: Sequence[Type]) -> None:
        self.name, self.result = name, result
        self.args = [Value(type, f"%a{i}") for i, type in enumerate(args)]
        #: what stands before the types of arguments ("noalias"), after the arguments, and before the result
        self.argument_attributes = [""] * len(args)
        self.attributes = self.linkage = ""
        self.blocks: list[Block] = []
        self.named = 0
        module.globals[name] = self

    def block(self, name: str) -> Block:
        """A new one behind the others."""
        block = Block(f"{name}.{len(self.blocks)}")
        self.blocks.append(block)
        return block

    def __str__(self) -> str:
        args = ", ".join(
            f"{a.type.text}{extra}{f' {a.ref}' if self.blocks else ''}"
            for a, extra in zip(self.args, self.argument_attributes, strict=True)
        )
        head = f"{self.linkage} {self.result.text} @{self.name}({args}){self.attributes}".lstrip()
        if not self.blocks:
            return f"declare {head}"
        return "\n".join((f"define {head} {{", *(line for b in self.blocks for line in b.text()), "}"))


class Block:
    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.phis: list[Phi] = []

    def text(self) -> Iterator[str]:
        yield f"{self.name}:"
        yield from map(str, self.phis)
        yield from self.lines


class Phi(Value):
    """At the head of its block."""

    __slots__ = ("incoming",)

    def __init__(self, type: Type, ref: str) -> None:
        super().__init__(type, ref)
        self.incoming: list[str] = []

    def add(self, value: Value, block: Block) -> None:
        self.incoming.append(f"[{value.ref}, %{block.name}]")

    def __str__(self) -> str:
        return f"  {self.ref} = phi {self.type.text} {', '.join(self.incoming)}"


# ---- instructions ---------------------------------------------------------------------------------


class Builder:
    """Writes instructions to the end of ``block``."""

    def __init__(self, function: Function, block: Block) -> None:
        self.function, self.block = function, block

    def _made(self, type: Type, text: str) -> Value:
        function = self.function
        function.named += 1
        ref = f"%v{function.named}"
        self.block.lines.append(f"  {ref} = {text}")
        return Value(type, ref)

    def binary(self, name: str, a: Value, b: Value) -> Value:
        """``name`` with its flags: "add", "fmul contract"."""
        return self._made(a.type, f"{name} {a.type.text} {a.ref}, {b.ref}")

    def compare(self, name: str, a: Value, b: Value) -> Value:
        """``name`` with its predicate: "icmp slt", "fcmp oeq"."""
        kind = a.type
        result = vector(I1, kind.count) if kind.kind == "vector" else I1
        return self._made(result, f"{name} {kind.text} {a.ref}, {b.ref}")

    def convert(self, name: str, x: Value, type: Type) -> Value:
        """``name`` is "zext", "bitcast" and the like. Between pointers it is another view of the same value."""
        if type.kind == "pointer":
            return Value(type, x.ref)
        return self._made(type, f"{name} {x.type.text} {x.ref} to {type.text}")

    def negative(self, x: Value) -> Value:
        """Of a floating-point number."""
        return self._made(x.type, f"fneg {x.type.text} {x.ref}")

    def complement(self, x: Value) -> Value:
        """Of all bits."""
        if x.type.kind == "vector":
            return self.binary("xor", x, self.splat(Constant(x.type.element, -1), x.type.count))
        return self.binary("xor", x, Constant(x.type, -1))

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        kind = a.type.text
        return self._made(a.type, f"select {condition.type.text} {condition.ref}, {kind} {a.ref}, {kind} {b.ref}")

    # ---- memory

    def alloca(self, type: Type, align: int) -> Value:
        return self._made(pointer(type), f"alloca {type.text}, align {align}")

    def load(self, address: Value, align: int = 0) -> Value:
        """``align`` bytes; 0 for what is natural to the type."""
        kind = address.type.element
        return self._made(kind, f"load {kind.text}, ptr {address.ref}{f', align {align}' if align else ''}")

    def store(self, value: Value, address: Value, align: int = 0) -> None:
        end = f", align {align}" if align else ""
        self.block.lines.append(f"  store {value.type.text} {value.ref}, ptr {address.ref}{end}")

    def stream(self, value: Value, address: Value, align: int) -> None:
        """A store past the caches; `fence` before another thread reads it."""
        end = f"align {align}, !nontemporal !{{i32 1}}"
        self.block.lines.append(f"  store {value.type.text} {value.ref}, ptr {address.ref}, {end}")

    def fence(self) -> None:
        """All stores before it are seen before any after it."""
        self.block.lines.append("  fence seq_cst")

    def gep(self, base: Value, *indices: Value, inbounds: bool = False) -> Value:
        """The address of an element: of what ``base`` points to the first, of an array in it the second index."""
        kind = to = base.type.element
        for _ in indices[1:]:
            to = to.element
        text = "".join(f", {i.type.text} {i.ref}" for i in indices)
        flag = "inbounds " if inbounds else ""
        return self._made(pointer(to), f"getelementptr {flag}{kind.text}, ptr {base.ref}{text}")

    # ---- vectors

    def extract(self, x: Value, lane: int) -> Value:
        return self._made(x.type.element, f"extractelement {x.type.text} {x.ref}, i32 {lane}")

    def insert(self, x: Value, one: Value, lane: int) -> Value:
        return self._made(x.type, f"insertelement {x.type.text} {x.ref}, {one.type.text} {one.ref}, i32 {lane}")

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Lanes of both, those of ``b`` numbered behind those of ``a``."""
        kind = a.type.text
        if not any(lanes):
            mask = "zeroinitializer"
        else:
            mask = f"<{', '.join(f'i32 {lane}' for lane in lanes)}>"
        result = vector(a.type.element, len(lanes))
        return self._made(result, f"shufflevector {kind} {a.ref}, {kind} {b.ref}, <{len(lanes)} x i32> {mask}")

    def splat(self, x: Value, count: int) -> Value:
        """``x`` in every lane."""
        if isinstance(x, Constant):
            return Constant(vector(x.type, count), [x] * count)
        nothing = poison(vector(x.type, count))
        return self.shuffle(self.insert(nothing, x, 0), nothing, [0] * count)

    # ---- control

    def call(
        self, function: Function, args: Sequence[Value], align: Mapping[int, int] | None = None, flags: str = ""
    ) -> Value:
        """``align``: how pointers among the arguments are aligned, by number; ``flags`` of fast math, and a space."""
        align = align or {}
        given = ", ".join(
            f"{x.type.text}{f' align {align[i]}' if i in align else ''} {x.ref}" for i, x in enumerate(args)
        )
        text = f"call {flags}{function.result.text} @{function.name}({given})"
        if function.result is not VOID:
            return self._made(function.result, text)
        self.block.lines.append(f"  {text}")
        return Value(VOID, "")

    def phi(self, type: Type) -> Phi:
        self.function.named += 1
        made = Phi(type, f"%v{self.function.named}")
        self.block.phis.append(made)
        return made

    def branch(self, to: Block) -> None:
        self.block.lines.append(f"  br label %{to.name}")

    def branch_if(self, condition: Value, then: Block, other: Block) -> None:
        self.block.lines.append(f"  br i1 {condition.ref}, label %{then.name}, label %{other.name}")

    def give(self, value: Value | None = None) -> None:
        """Return."""
        self.block.lines.append("  ret void" if value is None else f"  ret {value.type.text} {value.ref}")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is written inside runs where the condition holds."""
        then, after = self.function.block("if"), self.function.block("endif")
        self.branch_if(condition, then, after)
        self.block = then
        yield
        self.branch(after)
        self.block = after
