// The slow twin of the MX kernel: a loop over blocks, elements one by one, in integers.
#include <ATen/ATen.h>

#include "quant/mx.h"
#include "quant/mx_arithmetic.h"
#include "quant/mx_tensors.h"

namespace earlybird {

MxTensor mx_quantize(const at::Tensor& values, const MxRule& rule, const RandomLane& random) {
  using namespace mx;
  const at::Tensor dense =
      dense_of(values.scalar_type() == at::kBFloat16 ? values.to(at::kFloat) : values, rule, random);
  const MxFormat& format = *rule.format;
  const Rows rows = rows_of(dense, rule);
  const int64_t blocks = rows.blocks(format.block), count = rows.elements();
  MxTensor out{at::empty({rows.outer, blocks, rows.inner}, at::kByte), at::empty({count}, at::kByte),
               at::empty_like(dense)};
  const auto* from = dense.const_data_ptr<float>();
  auto* to = reinterpret_cast<uint32_t*>(out.values.data_ptr<float>());
  auto* codes = out.codes.data_ptr<uint8_t>();
  auto* scale = out.scale.data_ptr<uint8_t>();
  if (format.tensor_scale) {
    uint32_t top = 0;
    for (int64_t i = 0; i < count; ++i) top = std::max(top, quant::magnitude(from[i]));
    out.tensor_scale = tensor_scale(top);
  }
  const int64_t position = random.position.defined() ? *random.position.const_data_ptr<int64_t>() : 0;
  const quant::NoiseKey key = quant::noise_key(random.seed, position, random.lane);
  for (int64_t i = 0; i < rows.outer * blocks * rows.inner; ++i) {
    const int64_t row = i / (blocks * rows.inner), block = i / rows.inner % blocks, inner = i % rows.inner;
    const int64_t begin = block * format.block, end = std::min(begin + format.block, rows.length);
    const int64_t base = row * rows.length * rows.inner + inner;
    uint32_t top = 0;
    for (int64_t j = begin; j < end; ++j) top = std::max(top, quant::magnitude(from[base + j * rows.inner]));
    const Block here = block_of(top, format, rule.scale, out.tensor_scale);
    scale[i] = static_cast<uint8_t>(here.byte);
    for (int64_t j = begin; j < end; ++j) {
      const int64_t at = base + j * rows.inner;
      const uint32_t noise =
          rule.rounding == MxRounding::kStochastic ? quant::noise_at(key, at, quant::kHalfWordNoise) : 0;
      const uint32_t code = code_in(bits_of(from[at]), here, format, rule.rounding, noise);
      codes[at] = static_cast<uint8_t>(code);
      to[at] = value_in(code, here, format);
    }
  }
  return out;
}

}  // namespace earlybird
