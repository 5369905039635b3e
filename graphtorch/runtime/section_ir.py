"""How threads share a section of a program, in LLVM IR that is part of the worker pool's (pool_ir.py).

    section  one line {chunks done @0, waiters @16}, then one line per thread {epoch << 16 | chunks taken @0}
    work     what a thread has of a section: {start, stop, share it takes from, chunks taken and not yet told}

A section of ``extent`` iterations is cut into at most ``CHUNKS`` chunks for each thread, of equal size but for one
iteration; each thread's share is a run of neighbouring chunks.

Each run of a section on several threads has an epoch, counted from 1: that of the program's run, kept in the program's
own memory; within a loop that of the round, counted over all rounds of all runs. What an earlier run left in a share
counts as zero; what is done is counted on from run to run, and is complete at ``epoch * chunks``. So nothing has to be
reset.

A thread that the system holds back may come to a section of a loop when others are rounds ahead. All of its iterations
are done then, or the others would wait for them: a share of a later epoch has nothing left, and who waits for a count
goes on when it is reached or passed.
"""

from __future__ import annotations

#: a thread's share of a loop is claimed in at most this many chunks; 256 threads' must fit into 16 bits
CHUNKS = 8

SECTION_IR = """
declare i64 @llvm.umin.i64(i64, i64)

define internal i64 @gt_chunks(i64 %extent, i64 %threads) nounwind alwaysinline {
  %most = mul i64 %threads, $CHUNKS
  %chunks = call i64 @llvm.umin.i64(i64 %extent, i64 %most)
  ret i64 %chunks
}

; Iterations for this thread into %work: a chunk of its own share, else of another's. False when none are left.
; Who is through with a share tells at once: whoever completes the section need not look at the other shares.
define i1 @gt_claim(ptr %section, i64 %thread, i64 %threads, i64 %epoch, i64 %extent, ptr %work) nounwind {
entry:
  %stopp = getelementptr i8, ptr %work, i64 8
  %fromp = getelementptr i8, ptr %work, i64 16
  %minep = getelementptr i8, ptr %work, i64 24
  %from0 = load i64, ptr %fromp
  %single = icmp sle i64 %threads, 1
  br i1 %single, label %alone, label %many
alone:
  %again = icmp ne i64 %from0, 0
  %none = icmp sle i64 %extent, 0
  %over = or i1 %again, %none
  br i1 %over, label %no, label %all
all:
  store i64 0, ptr %work
  store i64 %extent, ptr %stopp
  store i64 1, ptr %fromp
  ret i1 true
many:
  %mine0 = load i64, ptr %minep
  %stamp = shl i64 %epoch, 16
  %chunks = call i64 @gt_chunks(i64 %extent, i64 %threads)
  br label %share
share:
  %from = phi i64 [%from0, %many], [%following, %next]
  %mine = phi i64 [%mine0, %many], [0, %next]
  %sum = add i64 %thread, %from
  %beyond = icmp uge i64 %sum, %threads
  %wrapped = sub i64 %sum, %threads
  %v = select i1 %beyond, i64 %wrapped, i64 %sum
  %lowm = mul i64 %v, %chunks
  %low = udiv i64 %lowm, %threads
  %highm = add i64 %lowm, %chunks
  %high = udiv i64 %highm, %threads
  %size = sub i64 %high, %low
  %empty = icmp eq i64 %size, 0
  br i1 %empty, label %gone, label %look
look:
  %offset = shl i64 %v, 6
  %line = getelementptr i8, ptr %section, i64 %offset
  %taken = getelementptr i8, ptr %line, i64 64
  %first = load atomic i64, ptr %taken monotonic, align 8
  br label %try
try:
  %word = phi i64 [%first, %look], [%found, %take]
  %of = lshr i64 %word, 16
  %fresh = icmp eq i64 %of, %epoch
  %low16 = and i64 %word, 65535
  %count = select i1 %fresh, i64 %low16, i64 0
  %some = icmp ult i64 %count, %size
  %past = icmp ugt i64 %of, %epoch
  %left = select i1 %past, i1 false, i1 %some
  br i1 %left, label %take, label %gone
take:
  %count2 = add i64 %count, 1
  %new = or i64 %stamp, %count2
  %swap = cmpxchg ptr %taken, i64 %word, i64 %new monotonic monotonic
  %found = extractvalue {i64, i1} %swap, 0
  %got = extractvalue {i64, i1} %swap, 1
  br i1 %got, label %yes, label %try
yes:
  %chunk = add i64 %low, %count
  %startm = mul i64 %chunk, %extent
  %start = udiv i64 %startm, %chunks
  %stopm = add i64 %startm, %extent
  %stop = udiv i64 %stopm, %chunks
  %mine2 = add i64 %mine, 1
  store i64 %start, ptr %work
  store i64 %stop, ptr %stopp
  store i64 %from, ptr %fromp
  store i64 %mine2, ptr %minep
  ret i1 true
gone:
  %idle = icmp eq i64 %mine, 0
  br i1 %idle, label %next, label %tell
tell:
  %before = atomicrmw add ptr %section, i64 %mine seq_cst
  %after = add i64 %before, %mine
  %total = mul i64 %epoch, %chunks
  %complete = icmp eq i64 %after, %total
  br i1 %complete, label %call, label %next
next:
  %following = add i64 %from, 1
  %more = icmp ult i64 %following, %threads
  br i1 %more, label %share, label %no
call:
  call void @gt_notify(ptr %section)
  br label %no
no:
  ret i1 false
}

; Until all iterations of a section are done, by whomever.
define void @gt_await(ptr %section, i64 %threads, i64 %epoch, i64 %extent) nounwind {
  %single = icmp sle i64 %threads, 1
  br i1 %single, label %out, label %wait
wait:
  %chunks = call i64 @gt_chunks(i64 %extent, i64 %threads)
  %total = mul i64 %epoch, %chunks
  call void @gt_reached(ptr %section, i64 %total)
  br label %out
out:
  ret void
}
""".replace("$CHUNKS", str(CHUNKS))
