// Shared memory of a launch: filled with 0xFF before each block, and what lies behind the dynamic part is not to be touched.
#include <cstring>

#include "asan.h"
#include "scheduler.h"

namespace emu {

void poison(const Launch& l) {
  for (const Range& r : l.shared) memset(r.start, 0xFF, r.size);
  memset(l.image.dynamic_shared, 0xFF, l.dynamic_shared);
}

// What the launch did not ask for of the dynamic shared memory may not be touched.
void limit_dynamic(const Launch& l) {
  unsigned char* end = l.image.dynamic_shared + l.dynamic_shared;
  size_t rest = MOST_DYNAMIC_SHARED - l.dynamic_shared;
  if (!sanitized()) {
    memset(end, 0xFF, rest);
    return;
  }
  __asan_unpoison_memory_region(l.image.dynamic_shared, l.dynamic_shared);
  __asan_poison_memory_region(end, rest);
}

std::string beyond_dynamic(const Launch& l) {
  for (size_t i = l.dynamic_shared; i < MOST_DYNAMIC_SHARED && !sanitized(); ++i)
    if (l.image.dynamic_shared[i] != 0xFF)
      return std::string("kernel ") + l.kernel->name + ": byte " + std::to_string(i) +
             " of dynamic shared memory was written, the launch gave " + std::to_string(l.dynamic_shared);
  return "";
}

}  // namespace emu
