#include "data/input_table.h"

#include <ATen/ATen.h>

namespace earlybird {

at::Tensor input_table(const double* mean, const double* std, double threshold) {
  at::Tensor table = at::empty({3, 256}, at::kFloat);
  for (int c = 0; c < 3; ++c)
    for (int value = 0; value < 256; ++value) {
      float x = static_cast<float>(value) / 255.0f;
      if (threshold > 0 && !(x > static_cast<float>(threshold))) x = 0;
      table.data_ptr<float>()[c * 256 + value] = (x - static_cast<float>(mean[c])) / static_cast<float>(std[c]);
    }
  return table;
}

}  // namespace earlybird
