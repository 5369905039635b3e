"""The worker pool's native code, in LLVM IR: waiting, workers, the launch of a program.

Sections are in section_ir.py, and what it reads of Python's objects is in gather.py.

    pool  gate @0 (launch << 16 | closed << 15 | workers inside), waiters @16, bell @64, sleepers @128,
          busy @192, {function, argument, threads, epoch} @256

Launches are numbered. A worker enters the launch that the gate shows, while it is open; the launching thread closes it
when the program is done, and waits for those who are inside. Who comes too late has missed nothing.
"""

from __future__ import annotations

import platform
import sys
from string import Template

from graphtorch.runtime.gather import gather_ir
from graphtorch.runtime.section_ir import SECTION_IR

_SYSCALL = {"x86_64": 202, "aarch64": 98, "arm64": 98}.get(platform.machine(), 0) if sys.platform == "linux" else 0

_FUTEX = """
declare i64 @syscall(i64, ...)

; Sleep while the word is %seen, until a wake-up for one of %bits.
define internal void @gt_sleep(ptr %word, i32 %seen, i32 %bits) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $SYSCALL, ptr %word, i64 137, i32 %seen, ptr null, ptr null, i32 %bits)
  ret void
}

define internal void @gt_wake(ptr %word, i32 %bits) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $SYSCALL, ptr %word, i64 138, i64 2147483647, ptr null, ptr null, i32 %bits)
  ret void
}
"""
_POLL = """
declare i32 @usleep(i32)

define internal void @gt_sleep(ptr %word, i32 %seen, i32 %bits) nounwind {
  %r = call i32 @usleep(i32 50)
  ret void
}

define internal void @gt_wake(ptr %word, i32 %bits) nounwind {
  ret void
}
"""

_WAIT = """
@gt_rounds = internal global i64 1000

; How often a waiting thread looks before it sleeps.
define void @gt_set_rounds(i64 %rounds) nounwind {
  store i64 %rounds, ptr @gt_rounds
  ret void
}

define void @gt_spin(i64 %rounds) nounwind {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i2, %loop]
  $RELAX
  %i2 = add i64 %i, 1
  %more = icmp ult i64 %i2, %rounds
  br i1 %more, label %loop, label %out
out:
  ret void
}

; Wake who sleeps until the word is what it has just become.
define internal void @gt_notify(ptr %word) nounwind {
  %waiters = getelementptr i8, ptr %word, i64 16
  %w = load atomic i32, ptr %waiters seq_cst, align 4
  %any = icmp ne i32 %w, 0
  br i1 %any, label %wake, label %out
wake:
  call void @gt_wake(ptr %word, i32 -1)
  br label %out
out:
  ret void
}
"""

_UNTIL = """; Until the word is %want ($WHAT). Who sleeps is counted before it looks for the last time: see gt_notify.
define internal void @$NAME(ptr %word, i64 %want) nounwind {
entry:
  %waiters = getelementptr i8, ptr %word, i64 16
  %rounds = load i64, ptr @gt_rounds
  br label %look
look:
  %i = phi i64 [0, %entry], [%i2, %relax], [%i, %up]
  %now = load atomic i64, ptr %word acquire, align 8
  %there = icmp $TEST i64 %now, %want
  br i1 %there, label %out, label %wait
wait:
  %long = icmp uge i64 %i, %rounds
  br i1 %long, label %count, label %relax
relax:
  $RELAX
  %i2 = add i64 %i, 1
  br label %look
count:
  %w1 = atomicrmw add ptr %waiters, i32 1 seq_cst
  %last = load atomic i64, ptr %word seq_cst, align 8
  %late = icmp $TEST i64 %last, %want
  br i1 %late, label %up, label %sleep
sleep:
  %seen = trunc i64 %last to i32
  call void @gt_sleep(ptr %word, i32 %seen, i32 -1)
  br label %up
up:
  %w2 = atomicrmw sub ptr %waiters, i32 1 seq_cst
  br label %look
out:
  ret void
}
"""
#: what a thread may wait for: the gate's exact word, or a count, which others may take further meanwhile
_UNTILS = (
    {"NAME": "gt_until", "TEST": "eq", "WHAT": "exactly"},
    {"NAME": "gt_reached", "TEST": "uge", "WHAT": "or more"},
)

_POOL = """
; A worker: look for a new launch, sleep when none comes, enter while the gate is open.
define void @gt_worker(ptr %pool, i64 %id, i64 %first) nounwind {
entry:
  %bellp = getelementptr i8, ptr %pool, i64 64
  %sleepersp = getelementptr i8, ptr %pool, i64 128
  %fnp = getelementptr i8, ptr %pool, i64 256
  %argp = getelementptr i8, ptr %pool, i64 264
  %np = getelementptr i8, ptr %pool, i64 272
  %epochp = getelementptr i8, ptr %pool, i64 280
  %place = call i64 @llvm.umin.i64(i64 %id, i64 31)
  %bit0 = shl i64 1, %place
  %bit = trunc i64 %bit0 to i32
  br label %poll
poll:
  %seen = phi i64 [%first, %entry], [%seen, %relax], [%seen, %up], [%seen, %enter], [%number, %new], [%number, %spin]
  %i = phi i64 [0, %entry], [%i2, %relax], [%i, %up], [%i, %enter], [%i, %new], [0, %spin]
  %gate = load atomic i64, ptr %pool acquire, align 8
  %number = lshr i64 %gate, 16
  %same = icmp eq i64 %number, %seen
  br i1 %same, label %wait, label %new
wait:
  %rounds = load i64, ptr @gt_rounds
  %long = icmp uge i64 %i, %rounds
  br i1 %long, label %count, label %relax
relax:
  $RELAX
  %i2 = add i64 %i, 1
  br label %poll
count:
  %s1 = atomicrmw add ptr %sleepersp, i32 1 seq_cst
  %rung = load atomic i32, ptr %bellp seq_cst, align 4
  %gate2 = load atomic i64, ptr %pool seq_cst, align 8
  %number2 = lshr i64 %gate2, 16
  %quiet = icmp eq i64 %number2, %seen
  br i1 %quiet, label %sleep, label %up
sleep:
  call void @gt_sleep(ptr %bellp, i32 %rung, i32 %bit)
  br label %up
up:
  %s2 = atomicrmw sub ptr %sleepersp, i32 1 seq_cst
  br label %poll
new:
  %n = load atomic i64, ptr %np monotonic, align 8
  %mine = icmp ult i64 %id, %n
  br i1 %mine, label %knock, label %poll
knock:
  %closed0 = and i64 %gate, 32768
  %closed = icmp ne i64 %closed0, 0
  br i1 %closed, label %spin, label %enter
enter:
  %inside = add i64 %gate, 1
  %swap = cmpxchg ptr %pool, i64 %gate, i64 %inside acq_rel monotonic
  %in = extractvalue {i64, i1} %swap, 1
  br i1 %in, label %run, label %poll
run:
  %fn = load ptr, ptr %fnp
  %arg = load ptr, ptr %argp
  %epoch = load i64, ptr %epochp
  call void %fn(ptr %arg, i64 %id, i64 %n, i64 %epoch)
  %old = atomicrmw sub ptr %pool, i64 1 seq_cst
  %low = and i64 %old, 65535
  %last = icmp eq i64 %low, 32769
  br i1 %last, label %call, label %spin
call:
  call void @gt_notify(ptr %pool)
  br label %spin
spin:
  br label %poll
}

; Run %fn on %n threads: this one, and the workers that come before all is done. Alone where the pool is taken.
define void @gt_launch(ptr %pool, ptr %fn, ptr %arg, i64 %n, ptr %epochs) nounwind {
entry:
  %busyp = getelementptr i8, ptr %pool, i64 192
  %single = icmp sle i64 %n, 1
  br i1 %single, label %alone, label %lock
lock:
  %taken = atomicrmw xchg ptr %busyp, i32 1 acq_rel
  %busy = icmp ne i32 %taken, 0
  br i1 %busy, label %alone, label %start
alone:
  call void %fn(ptr %arg, i64 0, i64 1, i64 0)
  ret void
start:
  %bellp = getelementptr i8, ptr %pool, i64 64
  %sleepersp = getelementptr i8, ptr %pool, i64 128
  %fnp = getelementptr i8, ptr %pool, i64 256
  store ptr %fn, ptr %fnp
  %argp = getelementptr i8, ptr %pool, i64 264
  store ptr %arg, ptr %argp
  %np = getelementptr i8, ptr %pool, i64 272
  store atomic i64 %n, ptr %np monotonic, align 8
  %last = load i64, ptr %epochs
  %epoch = add i64 %last, 1
  store i64 %epoch, ptr %epochs
  %epochp = getelementptr i8, ptr %pool, i64 280
  store i64 %epoch, ptr %epochp
  %before = load atomic i64, ptr %pool monotonic, align 8
  %number = lshr i64 %before, 16
  %number2 = add i64 %number, 1
  %open = shl i64 %number2, 16
  %was = atomicrmw xchg ptr %pool, i64 %open seq_cst
  %s = load atomic i32, ptr %sleepersp seq_cst, align 4
  %any = icmp ne i32 %s, 0
  br i1 %any, label %ring, label %run
ring:
  %rung = atomicrmw add ptr %bellp, i32 1 seq_cst
  %few = icmp ult i64 %n, 32
  %n0 = shl i64 1, %n
  %n1 = sub i64 %n0, 1
  %n2 = select i1 %few, i64 %n1, i64 -1
  %bits = trunc i64 %n2 to i32
  call void @gt_wake(ptr %bellp, i32 %bits)
  br label %run
run:
  call void %fn(ptr %arg, i64 0, i64 %n, i64 %epoch)
  %closing = atomicrmw or ptr %pool, i64 32768 seq_cst
  %left = or i64 %open, 32768
  call void @gt_until(ptr %pool, i64 %left)
  store atomic i32 0, ptr %busyp release, align 4
  ret void
}
"""


def pool_ir() -> str:
    """The pool's LLVM IR for this machine."""
    relax = 'call void asm sideeffect "pause", ""()' if platform.machine() in ("x86_64", "AMD64") else ""
    waiting = _WAIT + "".join(Template(_UNTIL).safe_substitute(each) for each in _UNTILS)
    text = (_FUTEX if _SYSCALL else _POLL) + waiting + SECTION_IR + _POOL + gather_ir()
    return text.replace("$RELAX", relax).replace("$SYSCALL", str(_SYSCALL))
