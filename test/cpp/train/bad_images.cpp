// A pass in which images do not decode, on two ranks: what counts as a step, and where all ranks stop alike.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "check.h"
#include "core/error.h"
#include "dist/two_ranks.h"
#include "prune/score_networks.h"
#include "train/forward_work.h"

namespace {

using namespace earlybird;

/// A rank's part of a batch: images that decode, and others.
struct Share {
  int64_t good, bad;
};

class DamagedPass final : public Pass {
 public:
  DamagedPass(std::vector<Share> shares, int64_t most_bad) : shares_(std::move(shares)), most_bad_(most_bad) {}
  int64_t steps() const override { return static_cast<int64_t>(shares_.size()); }
  int64_t batches() const override { return next_; }
  bool advance() override {
    if (next_ == steps()) return false;
    bad_.resize(bad_.size() + static_cast<size_t>(shares_[next_++].bad));
    return true;
  }
  int64_t size() const override { return shares_[next_ - 1].good; }
  Batch batch() override { return {at::ones({size(), 3, 32, 32}), at::zeros({size()}, at::kLong)}; }
  const std::vector<BadImage>& bad() const override { return bad_; }
  void check_bad(int64_t count) const override {
    if (count > most_bad_) throw Error("ERR_DATASET", "too many");
  }

 private:
  std::vector<Share> shares_;
  int64_t most_bad_, next_ = 0;
  std::vector<BadImage> bad_;
};

struct Evaluated {
  int64_t images = 0, steps = 0;
  std::string error;
};

/// Evaluates on two ranks; `shares` of each.
std::array<Evaluated, 2> evaluated(const std::array<std::vector<Share>, 2>& shares, int64_t most_bad,
                                   int64_t most_steps = 99) {
  std::array<Evaluated, 2> out;
  const std::shared_ptr<Network> networks_of_ranks[] = {networks()[0], networks()[0]};
  two_ranks([&](const std::shared_ptr<Group>& group) {
    const int rank = group->rank();
    Network& network = *networks_of_ranks[rank];
    network.ranks = group;
    network.eval();
    const at::NoGradGuard no_grad;
    DamagedPass pass(shares[rank], most_bad);
    ForwardWork forward(network);
    PassWork work = forward.start(pass, 4, /*bf16=*/false, "a test");
    work.most_steps = most_steps;
    CapturedWork eager({});
    try {
      const PassResult result = run_pass(std::move(work), eager, forward.sums, forward.numbers, CancelToken(), {});
      out[rank] = {result.images, result.steps, ""};
    } catch (const Error& error) {
      out[rank].error = error.code() + " " + error.what();
    }
    network.ranks.reset();
  });
  return out;
}

}  // namespace

EB_TEST("train: a batch that lost its images on all ranks is no step") {
  const std::array<std::vector<Share>, 2> shares = {{{{0, 2}, {2, 0}, {1, 1}}, {{0, 2}, {2, 0}, {2, 0}}}};
  for (const Evaluated& one : evaluated(shares, 5)) {
    check(one.error.empty(), one.error, 0);
    check(one.images == 7 && one.steps == 2, "images and steps of both ranks", static_cast<double>(one.steps));
  }
  // So many steps are of batches with images.
  for (const Evaluated& one : evaluated(shares, 5, 1))
    check(one.images == 4 && one.steps == 1, "the first step: " + one.error, static_cast<double>(one.images));
}

EB_TEST("train: bad images count over all ranks, and all of them stop") {
  for (const Evaluated& one : evaluated({{{{1, 1}, {1, 1}}, {{1, 1}, {2, 0}}}}, 2))
    check(one.error == "ERR_DATASET too many", one.error, 0);
  for (const Evaluated& one : evaluated({{{{0, 2}}, {{0, 2}}}}, 9))
    check(one.error.starts_with("ERR_DATASET None of the 4 images of a test could be decoded"), one.error, 0);
}
