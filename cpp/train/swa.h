#pragma once

#include "core/cancel.h"
#include "data/dataset.h"
#include "train/evaluator.h"

namespace earlybird {

// Stochastic weight averaging (Izmailov et al., UAI 2018), as SWALP uses it (docs/reference.md#10).

/// Parameters of `mean` become (1 - share) * own + share * those of `added`, in float32: two products, one sum, each
/// rounded as the reference rounds them. Buffers stay. Throws ERR_SHAPE unless both networks have the same parameters,
/// on one device.
void average(Network& mean, const Network& added, double share);

/// Estimates the statistics of all BN layers again in one pass over training data: the mean of the batches' statistics,
/// weighted by their images. Batch counters continue. After an error, the statistics are those of the batches so far.
PassResult estimate_norms(Network& network, Dataset& dataset, uint64_t seed, int64_t epoch,
                          const EvaluateOptions& options, const CancelToken& cancel, const ProgressCallback& progress);

}  // namespace earlybird
