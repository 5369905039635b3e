#include "scheduler.h"

#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>

#include "asan.h"
#include "fiber.h"

namespace emu {
namespace {

constexpr size_t STACK = 1 << 19;  // AddressSanitizer makes frames larger

struct Copy {
  void* to;
  const void* from;
  unsigned size, given;
};

struct Fiber {
  enum State { READY, AT_BARRIER, IN_WARP, DONE } state;
  void* sp;
  uint3 thread;
  // where it waits, and for what
  const char* what;
  int line;
  unsigned barrier, mask;
  void* payload;
  std::deque<std::vector<Copy>> groups;  // the last one is not committed yet
};

struct Scheduler {
  const Launch* launch;
  std::vector<Stack> stacks;  // kept from launch to launch
  std::vector<Fiber> fibers;
  size_t count, current, done;
  unsigned waiting[16];  // threads at each named barrier
  void* sp;
  std::string report;
};
thread_local Scheduler* self;

std::string text(uint3 v) {
  return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) + ")";
}

Fiber& running() { return self->fibers[self->current]; }

void leave() { emu_switch(&running().sp, self->sp); }

std::string place_of(const Fiber& f) {
  return "kernel " + std::string(self->launch->kernel->name) + ", block " + text(self->launch->image.place->block) +
         ", thread " + text(f.thread);
}

std::string waits(const Fiber& f) { return "thread " + text(f.thread) + " waits in " + f.what + " in line " + std::to_string(f.line); }

// The launch is over.
void give_up(const std::string& report) {
  if (self->report.empty()) self->report = report;
  leave();
}

void begin() {
  self->launch->kernel->call(self->launch->arguments);
  Fiber& f = running();
  f.state = Fiber::DONE;
  ++self->done;
  leave();
}

// ---- what modules call ------------------------------------------------------------------------

void fail(int line, const char* what) {
  give_up(place_of(running()) + ", line " + std::to_string(line) + ": " + what);
}

void barrier(unsigned id, unsigned threads, int line) {
  Fiber& me = running();
  if (id > 15) fail(line, "there are barriers 0 to 15");
  unsigned wanted = threads ? threads : (unsigned)self->count;
  me.state = Fiber::AT_BARRIER;
  me.what = "a barrier";
  me.barrier = id;
  me.line = line;
  if (++self->waiting[id] < wanted) return leave();
  const Fiber* other = nullptr;
  for (Fiber& f : self->fibers) {
    if (f.state != Fiber::AT_BARRIER || f.barrier != id) continue;
    if (f.line != line && !threads) other = &f;
    f.state = Fiber::READY;
  }
  self->waiting[id] = 0;
  if (other) give_up(place_of(me) + ", line " + std::to_string(line) + ": a divergent barrier: " + waits(*other));
}

bool same_call(const Fiber& a, const Fiber& b) {
  return a.state == Fiber::IN_WARP && a.what == b.what && a.mask == b.mask && a.line == b.line;
}

void collective(const char* name, unsigned mask, int line, void* payload, Combine combine) {
  Fiber& me = running();
  size_t first = self->current / WARP * WARP, lanes = std::min<size_t>(WARP, self->count - first);
  if (lanes < WARP) mask &= (1u << lanes) - 1;
  if (!(mask >> (self->current - first) & 1)) fail(line, "a lane calls a warp primitive whose mask leaves it out");
  me.state = Fiber::IN_WARP;
  me.what = name;
  me.line = line;
  me.mask = mask;
  me.payload = payload;
  void* payloads[WARP] = {};
  for (size_t i = 0; i < lanes; ++i) {
    if (!(mask >> i & 1)) continue;
    const Fiber& f = self->fibers[first + i];
    if (!same_call(f, me)) return leave();  // `stuck` says what is wrong if it never comes
    payloads[i] = f.payload;
  }
  for (size_t i = 0; i < lanes; ++i)
    if (mask >> i & 1) self->fibers[first + i].state = Fiber::READY;
  combine(payloads);
}

void copy_async(void* to, const void* from, unsigned size, unsigned given, int) {
  memset(to, 0xFF, size);
  running().groups.back().push_back({to, from, size, given});
}

void commit_copies() { running().groups.emplace_back(); }

void land(std::vector<Copy>& group) {
  for (const Copy& c : group) {
    memcpy(c.to, c.from, c.given);
    memset((char*)c.to + c.given, 0, c.size - c.given);
  }
  group.clear();
}

// Groups land in order; the last one is not committed.
void wait_copies(unsigned pending) {
  auto& groups = running().groups;
  while (groups.size() > pending + 1) {
    land(groups.front());
    groups.pop_front();
  }
}

const Runtime RUNTIME = {barrier, collective, copy_async, commit_copies, wait_copies, fail};

// ---- faults -----------------------------------------------------------------------------------

thread_local const void* fault;
thread_local bool misaligned;  // modules are compiled so that such an access is an illegal instruction

void escape() {
  std::string where = misaligned ? "an access that is not aligned to its size" : "";
  for (size_t i = 0; i < self->count; ++i)
    if (self->stacks[i].guards(fault)) where = "its stack is full";
  give_up(place_of(running()) + ": " + (where.empty() ? describe_address(fault) : where));
}

void on_fault(int signal, siginfo_t* info, void* context) {
  auto* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  fault = info->si_addr;
  misaligned = signal == SIGILL;
  // The frames of the fiber are lost; on its stack goes `escape`, as if it had been called.
  registers[REG_RSP] = (greg_t)(self->stacks[self->current].top() - 8);
  registers[REG_RIP] = (greg_t)escape;
}

void on_death() {
  if (self && self->launch) fprintf(stderr, "in %s\n", place_of(running()).c_str());
}

// Faults of kernels end the launch instead of the process. AddressSanitizer has a report of its own.
class Faults {
 public:
  Faults() {
    if (sanitized()) {
      __asan_set_death_callback(on_death);
      return;
    }
    static thread_local char memory[1 << 16];
    stack_t stack = {memory, 0, sizeof memory};
    sigaltstack(&stack, &old_stack_);
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &old_);
    sigaction(SIGILL, &action, &old_ill_);
  }
  ~Faults() {
    if (sanitized()) return;
    sigaction(SIGSEGV, &old_, nullptr);
    sigaction(SIGILL, &old_ill_, nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  struct sigaction old_, old_ill_;
  stack_t old_stack_;
};

// ---- one block --------------------------------------------------------------------------------

// No thread can go on: of those that wait, the first one and why.
std::string stuck() {
  const Fiber *barrier = nullptr, *warp = nullptr, *ended = nullptr;
  for (const Fiber& f : self->fibers) {
    if (f.state == Fiber::DONE) ended = ended ? ended : &f;
    if (f.state == Fiber::AT_BARRIER) barrier = barrier ? barrier : &f;
    if (f.state == Fiber::IN_WARP) warp = warp ? warp : &f;
  }
  const Fiber* waiting = warp ? warp : barrier;
  std::string head = place_of(*waiting) + ", line " + std::to_string(waiting->line) + ": ";
  if (warp) {
    size_t first = (warp - &self->fibers[0]) / WARP * WARP;
    for (size_t i = 0; i < WARP && first + i < self->count; ++i) {
      const Fiber& f = self->fibers[first + i];
      if (!(warp->mask >> i & 1) || same_call(f, *warp)) continue;
      bool done = f.state == Fiber::DONE;
      return head + warp->what + " never ends: " + (done ? "thread " + text(f.thread) + " has ended" : waits(f));
    }
    return head + warp->what + " never ends";
  }
  if (ended) return head + "a barrier that thread " + text(ended->thread) + " never reaches: it has ended";
  for (const Fiber& f : self->fibers)
    if (f.state == Fiber::AT_BARRIER && f.line != barrier->line) return head + "a divergent barrier: " + waits(f);
  return head + "a barrier that too few threads reach";
}

bool run_block(const Launch& l, const std::vector<unsigned>& order) {
  poison(l);
  Scheduler& s = *self;
  s.done = 0;
  memset(s.waiting, 0, sizeof s.waiting);
  for (size_t i = 0; i < s.count; ++i) {
    Fiber& f = s.fibers[i];
    f.state = Fiber::READY;
    f.sp = s.stacks[i].begin(begin);
    f.groups.resize(1);
    f.groups.front().clear();
    f.thread = {(unsigned)(i % l.block.x), (unsigned)(i / l.block.x % l.block.y), (unsigned)(i / l.block.x / l.block.y)};
  }
  while (s.done < s.count) {
    bool moved = false;
    for (unsigned i : order) {
      Fiber& f = s.fibers[i];
      if (f.state != Fiber::READY) continue;
      moved = true;
      s.current = i;
      l.image.place->thread = f.thread;
      emu_switch(&s.sp, f.sp);
      if (!s.report.empty()) return false;
    }
    if (moved) continue;
    s.report = stuck();
    return false;
  }
  return true;
}

}  // namespace

std::string run(const Launch& l, const Order& order) {
  thread_local Scheduler scheduler;
  Scheduler& s = scheduler;
  self = &s;
  s.launch = &l;
  s.report.clear();
  s.count = (size_t)l.block.x * l.block.y * l.block.z;
  s.fibers.resize(s.count);
  while (s.stacks.size() < s.count) s.stacks.emplace_back(STACK);
  *l.image.runtime = &RUNTIME;
  Place& place = *l.image.place;
  place.block_size = l.block;
  place.grid_size = l.grid;
  Faults faults;
  limit_dynamic(l);
  size_t blocks = (size_t)l.grid.x * l.grid.y * l.grid.z;
  std::vector<unsigned> threads = order.of(s.count, 0);
  for (unsigned i : order.of(blocks, 1)) {
    place.block = {i % l.grid.x, i / l.grid.x % l.grid.y, i / l.grid.x / l.grid.y};
    if (!run_block(l, threads)) break;
  }
  if (s.report.empty()) s.report = beyond_dynamic(l);
  s.launch = nullptr;
  return s.report;
}

}  // namespace emu
