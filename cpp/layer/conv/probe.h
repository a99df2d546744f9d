#pragma once

#include "layer/conv/choice.h"

namespace earlybird {

/// Returns fastest() of `best` where that of `medians` agrees; otherwise other programs disturbed the measurement, and
/// the preferred one is returned if its result is right.
Algorithm settled(Algorithm preferred, const Times& best, const Times& medians);

/// Times the candidates of a class on its example, behind BatchNorm and ReLU as networks have it, since our kernels
/// normalise while they read: forward pass and all gradients, the best of a few rounds in turns, on the threads of
/// training. Takes some 50 ms a candidate, up to a second for the widest. A candidate whose result or gradients differ
/// from the direct convolution's by more than a share of their largest value is refused (5e-5 in float32, 1/32 in
/// bfloat16): nobody has run it on this kind of processor. For bfloat16 autocast has to be on.
Answer measure(const ShapeClass& shapes);

/// Milliseconds of processor time of a training step of one convolution, all threads together: the best of a few. Other
/// programs change it little, and one implementation at several widths spreads its work alike. Autocast as above.
double time_convolution(const ConvShape& shape, int64_t batch);

/// Images of a timed batch: enough for the tiles and small enough for a short probe.
int64_t batch_for(const ConvShape& shape);

}  // namespace earlybird
