#include "fiber.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

asm(R"(
.text
.globl emu_switch
.hidden emu_switch
.type emu_switch, @function
emu_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size emu_switch, .-emu_switch
)");

namespace emu {

constexpr size_t GUARD = 4096;

Stack::Stack(size_t size) : size_(size + GUARD) {
  void* got = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
  memory_ = (char*)got;
  mprotect(memory_, GUARD, PROT_NONE);
}

Stack::~Stack() {
  if (memory_) munmap(memory_, size_);
}

void* Stack::begin(void (*entry)()) const {
  auto** sp = (void**)top();
  *--sp = nullptr;  // where `entry` would return to; it also sets the alignment that the ABI asks for
  *--sp = (void*)entry;
  for (int i = 0; i < 6; ++i) *--sp = nullptr;
  return sp;
}

bool Stack::guards(const void* address) const { return address >= memory_ && address < memory_ + GUARD; }

}  // namespace emu
