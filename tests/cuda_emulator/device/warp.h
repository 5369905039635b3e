// Barriers and warp primitives. Each primitive is one collective: every lane brings a payload, and the last lane to come
// computes all results.
#pragma once

namespace emu {

inline int lane_id() {
  const Place& p = place;
  return (int)((p.thread.z * p.block_size.y + p.thread.y) * p.block_size.x + p.thread.x) % WARP;
}

template <class T>
struct Exchange {
  T value;
  int from;  // the lane whose value this one takes
  T result;
};

template <class T>
void exchange(void* const* lanes) {
  for (int i = 0; i < WARP; ++i) {
    auto* mine = (Exchange<T>*)lanes[i];
    if (!mine) continue;
    auto* other = mine->from >= 0 && mine->from < WARP ? (Exchange<T>*)lanes[mine->from] : nullptr;
    if (other) mine->result = other->value;
  }
}

// The value of a lane that takes no part is undefined: here all its bits are set, so that floats are nan.
template <class T>
inline T shuffle(const char* name, unsigned mask, T value, int from, int line) {
  Exchange<T> mine{value, from, {}};
  std::memset((void*)&mine.result, 0xFF, sizeof mine.result);
  runtime->collective(name, mask, line, &mine, exchange<T>);
  return mine.result;
}

// Lanes come in segments of `width`; outside of its own a lane keeps its value.
template <class T>
inline T shfl(unsigned mask, T value, int from, int width, int line) {
  return shuffle("__shfl_sync", mask, value, (lane_id() & ~(width - 1)) | (from & (width - 1)), line);
}
template <class T>
inline T shfl_up(unsigned mask, T value, unsigned by, int width, int line) {
  int me = lane_id(), from = me - (int)by;
  return shuffle("__shfl_up_sync", mask, value, from < (me & ~(width - 1)) ? me : from, line);
}
template <class T>
inline T shfl_down(unsigned mask, T value, unsigned by, int width, int line) {
  int me = lane_id(), from = me + (int)by;
  return shuffle("__shfl_down_sync", mask, value, from > (me | (width - 1)) ? me : from, line);
}
template <class T>
inline T shfl_xor(unsigned mask, T value, int by, int width, int line) {
  int me = lane_id(), from = me ^ by;
  return shuffle("__shfl_xor_sync", mask, value, from > (me | (width - 1)) ? me : from, line);
}

template <class T, class Fold>
void fold(void* const* lanes) {
  T total{};
  bool any = false;
  for (int i = 0; i < WARP; ++i) {
    if (!lanes[i]) continue;
    total = any ? Fold::of(total, *(T*)lanes[i]) : *(T*)lanes[i];
    any = true;
  }
  for (int i = 0; i < WARP; ++i)
    if (lanes[i]) *(T*)lanes[i] = total;
}

template <class Fold, class T>
inline T reduced(const char* name, unsigned mask, T value, int line) {
  runtime->collective(name, mask, line, &value, fold<T, Fold>);
  return value;
}

#define EMU_FOLD(name, result) \
  struct name {                \
    template <class T>         \
    static T of(T a, T b) {    \
      return result;           \
    }                          \
  };
EMU_FOLD(Add, a + b)
EMU_FOLD(Min, b < a ? b : a)
EMU_FOLD(Max, b > a ? b : a)
EMU_FOLD(And, a& b)
EMU_FOLD(Or, a | b)
EMU_FOLD(Xor, a ^ b)
#undef EMU_FOLD

// As mma.sync and ldmatrix: all 32 lanes.
constexpr unsigned ALL = 0xffffffffu;

inline void nothing(void* const*) {}
inline void sync_warp(int line, unsigned mask = ALL) { runtime->collective("__syncwarp", mask, line, nullptr, nothing); }
inline int voted(const char* name, unsigned mask, unsigned votes, int line) {
  return (int)reduced<Or>(name, mask, votes, line);
}
}  // namespace emu

#define __syncthreads() emu::runtime->barrier(0, 0, __LINE__)
#define __syncwarp(...) emu::sync_warp(__LINE__, ##__VA_ARGS__)
#define __activemask() emu::ALL

#define EMU_SHFL(name, By)                                                                   \
  template <class T>                                                                         \
  inline T emu_##name(int line, unsigned mask, T value, By by, int width = emu::WARP) {      \
    return emu::name(mask, value, by, width, line);                                          \
  }
EMU_SHFL(shfl, int)
EMU_SHFL(shfl_up, unsigned)
EMU_SHFL(shfl_down, unsigned)
EMU_SHFL(shfl_xor, int)
#undef EMU_SHFL
#define __shfl_sync(...) emu_shfl(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) emu_shfl_up(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) emu_shfl_down(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) emu_shfl_xor(__LINE__, __VA_ARGS__)

#define __ballot_sync(mask, p) \
  ((unsigned)emu::voted("__ballot_sync", mask, (p) ? 1u << emu::lane_id() : 0u, __LINE__))
#define __any_sync(mask, p) emu::voted("__any_sync", mask, (p) ? 1u : 0u, __LINE__)
#define __all_sync(mask, p) (!emu::voted("__all_sync", mask, (p) ? 0u : 1u, __LINE__))
#define __reduce_add_sync(mask, v) emu::reduced<emu::Add>("__reduce_add_sync", mask, v, __LINE__)
#define __reduce_min_sync(mask, v) emu::reduced<emu::Min>("__reduce_min_sync", mask, v, __LINE__)
#define __reduce_max_sync(mask, v) emu::reduced<emu::Max>("__reduce_max_sync", mask, v, __LINE__)
#define __reduce_and_sync(mask, v) emu::reduced<emu::And>("__reduce_and_sync", mask, v, __LINE__)
#define __reduce_or_sync(mask, v) emu::reduced<emu::Or>("__reduce_or_sync", mask, v, __LINE__)
#define __reduce_xor_sync(mask, v) emu::reduced<emu::Xor>("__reduce_xor_sync", mask, v, __LINE__)
