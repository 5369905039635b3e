// The table of a module's kernels, which is put behind the text of the kernels.
#pragma once

namespace emu {
template <class... A>
struct Signature {
  static constexpr Parameter parameters[] = {{sizeof(A), std::is_pointer_v<A>}..., {0, false}};
  template <void (*kernel)(A...), size_t... I>
  static void call(void* const* arguments, std::index_sequence<I...>) {
    kernel(*(A*)arguments[I]...);
  }
};

template <auto kernel>
struct Entry;
template <class... A, void (*kernel)(A...)>
struct Entry<kernel> {
  static void call(void* const* arguments) {
    Signature<A...>::template call<kernel>(arguments, std::index_sequence_for<A...>());
  }
  static constexpr Kernel of(const char* name, unsigned most_threads) {
    return {name, most_threads, sizeof...(A), Signature<A...>::parameters, call};
  }
};
}  // namespace emu

#define EMU_KERNEL(name, most_threads) emu::Entry<name>::of(#name, most_threads),
#define EMU_MODULE(...)                                                                                        \
  static const emu::Kernel emu_kernels[] = {__VA_ARGS__{}};                                                    \
  extern "C" __attribute__((visibility("default"))) const emu::Module emu_module = {                           \
      emu::VERSION, emu_kernels, &emu::place, &emu::runtime, emu::dynamic_shared};
