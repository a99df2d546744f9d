#pragma once

namespace earlybird {

/// The sums that PassSums makes over batches, float64. kPercent: percentage of correct answers in a batch.
enum Sum { kLossTimesImages, kLoss, kCorrect1, kCorrect5, kPercent1, kPercent5, kSums };

}  // namespace earlybird
