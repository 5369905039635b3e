// Orders in which threads and blocks go on.
#include <algorithm>
#include <numeric>
#include <random>

#include "scheduler.h"

namespace emu {

std::string Order::name() const {
  return kind == FORWARD ? "forward" : kind == REVERSE ? "reverse" : "shuffled by " + std::to_string(seed);
}

std::vector<unsigned> Order::of(size_t count, uint64_t salt) const {
  std::vector<unsigned> found(count);
  std::iota(found.begin(), found.end(), 0u);
  if (kind == REVERSE) std::reverse(found.begin(), found.end());
  if (kind == SHUFFLED) std::shuffle(found.begin(), found.end(), std::mt19937_64(seed * 1000003 + salt));
  return found;
}

Order Order::parse(const std::string& text) {
  if (text == "forward") return {};
  if (text == "reverse") return {REVERSE, 0};
  return {SHUFFLED, std::stoull(text)};
}

}  // namespace emu
