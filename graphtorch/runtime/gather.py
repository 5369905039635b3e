"""The native call of a program, which reads the addresses of its numpy arrays itself: numpy takes 1 us for each.

It takes nothing on trust: whatever is no plain array that can be used as it is makes it decline, and the caller
looks for itself.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
#: flags of an array (NPY_ARRAY_...)
CONTIGUOUS, WRITEABLE = 0x0001, 0x0400

# plan: items, pairs, numpy's class of arrays; for each item {flags that it needs, bytes}; for each pair {a, b}: items
# that must not overlap
GATHER_IR = """
; Store where the arrays of a tuple lie. 0 where they are as the plan says, else 1.
define i64 @gt_gather(ptr %tuple, ptr %slots, ptr %plan) nounwind {
entry:
  %sizep = getelementptr i8, ptr %tuple, i64 $SIZE
  %size = load i64, ptr %sizep
  %items = getelementptr i8, ptr %tuple, i64 $ITEMS
  %count = load i64, ptr %plan
  %pairsp = getelementptr i64, ptr %plan, i64 1
  %pairs = load i64, ptr %pairsp
  %classp = getelementptr i64, ptr %plan, i64 2
  %class = load i64, ptr %classp
  %facts = getelementptr i64, ptr %plan, i64 3
  %words = shl i64 %count, 1
  %list = getelementptr i64, ptr %facts, i64 %words
  %fits = icmp eq i64 %size, %count
  br i1 %fits, label %next, label %bad
next:
  %i = phi i64 [0, %entry], [%i2, %store]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %item, label %pair
item:
  %itemp = getelementptr ptr, ptr %items, i64 %i
  %item1 = load ptr, ptr %itemp
  %typep = getelementptr i8, ptr %item1, i64 $TYPE
  %type = load i64, ptr %typep
  %array = icmp eq i64 %type, %class
  br i1 %array, label %flags, label %bad
flags:
  %at = shl i64 %i, 1
  %needp = getelementptr i64, ptr %facts, i64 %at
  %need = load i64, ptr %needp
  %flagsp = getelementptr i8, ptr %item1, i64 $FLAGS
  %has32 = load i32, ptr %flagsp
  %has = zext i32 %has32 to i64
  %both = and i64 %has, %need
  %all = icmp eq i64 %both, %need
  br i1 %all, label %store, label %bad
store:
  %datap = getelementptr i8, ptr %item1, i64 $DATA
  %data = load i64, ptr %datap
  %slot = getelementptr i64, ptr %slots, i64 %i
  store i64 %data, ptr %slot
  %i2 = add i64 %i, 1
  br label %next
pair:
  %p = phi i64 [0, %next], [%p2, %apart]
  %left = icmp ult i64 %p, %pairs
  br i1 %left, label %look, label %good
look:
  %p0 = shl i64 %p, 1
  %ap = getelementptr i64, ptr %list, i64 %p0
  %bp = getelementptr i64, ptr %ap, i64 1
  %a = load i64, ptr %ap
  %b = load i64, ptr %bp
  %alowp = getelementptr i64, ptr %slots, i64 %a
  %blowp = getelementptr i64, ptr %slots, i64 %b
  %alow = load i64, ptr %alowp
  %blow = load i64, ptr %blowp
  %a0 = shl i64 %a, 1
  %b0 = shl i64 %b, 1
  %a1 = add i64 %a0, 1
  %b1 = add i64 %b0, 1
  %abytesp = getelementptr i64, ptr %facts, i64 %a1
  %bbytesp = getelementptr i64, ptr %facts, i64 %b1
  %abytes = load i64, ptr %abytesp
  %bbytes = load i64, ptr %bbytesp
  %ahigh = add i64 %alow, %abytes
  %bhigh = add i64 %blow, %bbytes
  %ab = icmp ult i64 %alow, %bhigh
  %ba = icmp ult i64 %blow, %ahigh
  %overlap = and i1 %ab, %ba
  br i1 %overlap, label %bad, label %apart
apart:
  %p2 = add i64 %p, 1
  br label %pair
good:
  ret i64 0
bad:
  ret i64 1
}

; Gather, and launch the program. 1, and nothing has run, where that declines.
; call: pool, function, table, threads, epochs, slots, plan
define i64 @gt_call(ptr %tuple, ptr %call) nounwind {
entry:
  %slotsp = getelementptr ptr, ptr %call, i64 5
  %planp = getelementptr ptr, ptr %call, i64 6
  %slots = load ptr, ptr %slotsp
  %plan = load ptr, ptr %planp
  %declined = call i64 @gt_gather(ptr %tuple, ptr %slots, ptr %plan)
  %good = icmp eq i64 %declined, 0
  br i1 %good, label %run, label %out
run:
  %pool = load ptr, ptr %call
  %fnp = getelementptr ptr, ptr %call, i64 1
  %tablep = getelementptr ptr, ptr %call, i64 2
  %np = getelementptr ptr, ptr %call, i64 3
  %epochsp = getelementptr ptr, ptr %call, i64 4
  %fn = load ptr, ptr %fnp
  %table = load ptr, ptr %tablep
  %n = load i64, ptr %np
  %epochs = load ptr, ptr %epochsp
  call void @gt_launch(ptr %pool, ptr %fn, ptr %table, i64 %n, ptr %epochs)
  br label %out
out:
  ret i64 %declined
}
"""


def gather_ir() -> str:
    """The function, for where this Python's objects have their fields (CPython's and numpy's C headers say so)."""
    head = object.__basicsize__  # a count of references and the class, which comes last
    fields = {"SIZE": head, "ITEMS": tuple.__basicsize__, "TYPE": head - 8, "DATA": head, "FLAGS": head + 48}
    text = GATHER_IR
    for name, offset in fields.items():
        text = text.replace(f"${name}", str(offset))
    return text


def plan_of(needs: Sequence[tuple[int, int]], pairs: Sequence[tuple[int, int]] = ()) -> Array:
    """For `gather`: (flags, bytes) of each array, and pairs of arrays that must not overlap."""
    words = [len(needs), len(pairs), id(np.ndarray), *(w for pair in (*needs, *pairs) for w in pair)]
    return np.array(words, np.int64)


def load_launch(machine: Any) -> Callable[[int, int], int]:
    """``launch(id of a tuple of arrays, address of a call)``: 0 when the program has run on them, else 1."""
    pointer, word = ctypes.c_void_p, ctypes.c_int64
    gather = ctypes.PYFUNCTYPE(word, pointer, pointer, pointer)(machine.address("gt_gather"))
    if _works(gather):
        return ctypes.CFUNCTYPE(word, pointer, pointer)(machine.address("gt_call"))
    return lambda *_: 1


def _works(gather: Callable[[int, int, int], int]) -> bool:
    """Whether this Python keeps its objects where CPython does."""
    if sys.implementation.name != "cpython" or struct.calcsize("P") != 8:
        return False
    arrays, slots = (np.zeros((2, 3), np.float32), np.zeros(5)[1:]), np.zeros(2, np.int64)
    plan = plan_of([(CONTIGUOUS | WRITEABLE, a.nbytes) for a in arrays], [(0, 1)])
    found = gather(id(arrays), slots.ctypes.data, plan.ctypes.data)
    return found == 0 and slots.tolist() == [a.ctypes.data for a in arrays]
