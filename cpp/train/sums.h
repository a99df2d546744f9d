#pragma once

namespace earlybird {

/// What a meter sums up over batches, as float64. "Percent" is of correct answers in a batch.
enum Sum { kLossTimesImages, kLoss, kCorrect1, kCorrect5, kPercent1, kPercent5, kSums };

}  // namespace earlybird
