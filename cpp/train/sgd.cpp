#include "train/sgd.h"

#include <ATen/ATen.h>

namespace earlybird {

void low_precision_sgd(const SgdStep& step, const NumberFormats& formats) { plain_low_precision_sgd(step, formats); }

}  // namespace earlybird
