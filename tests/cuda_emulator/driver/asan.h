// AddressSanitizer's runtime, if the process was started with it: it then looks at memory in place of the driver.
#pragma once

#include <cstddef>

#define EMU_ASAN __attribute__((weak, visibility("default")))
extern "C" {
EMU_ASAN void __asan_poison_memory_region(const volatile void*, size_t);
EMU_ASAN void __asan_unpoison_memory_region(const volatile void*, size_t);
EMU_ASAN void __asan_set_death_callback(void (*)());
}
#undef EMU_ASAN

namespace emu {
inline bool sanitized() { return __asan_poison_memory_region != nullptr; }
}  // namespace emu
