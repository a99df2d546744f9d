#include "layer/conv/pointwise_operands.h"

#include <bit>
#include <cstring>

#include "core/every_cpu.h"

namespace earlybird::pointwise {

EB_EVERY_CPU void widen(const at::BFloat16* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = static_cast<uint32_t>(from[i].x) << 16;
    std::memcpy(to + i, &bits, sizeof(float));
  }
}

EB_EVERY_CPU void narrow(const float* from, at::BFloat16* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, from + i, sizeof(float));
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to[i].x = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

EB_EVERY_CPU void add(float* to, const float* more, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += more[i];
}

EB_EVERY_CPU void add(at::BFloat16* to, const at::BFloat16* more, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t left = static_cast<uint32_t>(to[i].x) << 16, right = static_cast<uint32_t>(more[i].x) << 16;
    const uint32_t bits = std::bit_cast<uint32_t>(std::bit_cast<float>(left) + std::bit_cast<float>(right));
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    to[i].x = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
  }
}

}  // namespace earlybird::pointwise
