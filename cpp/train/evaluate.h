#pragma once

#include "core/cancel.h"
#include "data/dataset.h"
#include "train/metrics.h"

namespace earlybird {

class Network;

/// One pass in evaluation mode, in dataset order, without gradients.
PassResult evaluate(Network& network, Dataset& dataset, int64_t batch_size, bool bf16, const CancelToken& cancel,
                    const ProgressCallback& progress);

/// Throws ERR_SHAPE when the model and the dataset do not fit together (size, classes, device).
void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size);

}  // namespace earlybird
