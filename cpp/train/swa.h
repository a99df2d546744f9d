#pragma once

#include "core/cancel.h"
#include "data/dataset.h"
#include "train/evaluate.h"

namespace earlybird {

// Stochastic weight averaging (Izmailov et al., UAI 2018), as SWALP uses it (spec section 10).

/// Parameters of `mean` become (1 - share) * own + share * those of `added`, in float32: two products, one sum, each
/// rounded as the release rounds them. Buffers stay. Throws ERR_SHAPE unless both networks have the same parameters, on
/// one device.
void average(Network& mean, const Network& added, double share);

/// Estimates the statistics of all BN layers anew by one pass over training data: each is the mean over images of what
/// their batches had. Counters of batches go on. After an error, the statistics are those of the batches so far.
PassResult estimate_norms(Network& network, Dataset& dataset, uint64_t seed, int64_t epoch,
                          const EvaluateOptions& options, const CancelToken& cancel, const ProgressCallback& progress);

}  // namespace earlybird
