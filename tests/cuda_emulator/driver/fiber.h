// Stacks to switch between, x86-64 System V.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emu {

// Saves the callee's registers and the stack pointer in *from, and goes on where `to` was left.
extern "C" void emu_switch(void** from, void* to);

// A stack with a page before it that may not be touched.
class Stack {
 public:
  explicit Stack(size_t size);
  ~Stack();
  Stack(Stack&& other) noexcept : memory_(other.memory_), size_(other.size_) { other.memory_ = nullptr; }
  Stack(const Stack&) = delete;
  // The stack pointer of a fiber that begins with `entry`, which must not return.
  void* begin(void (*entry)()) const;
  bool guards(const void* address) const;
  char* top() const { return memory_ + size_; }

 private:
  char* memory_;
  size_t size_;
};

}  // namespace emu
