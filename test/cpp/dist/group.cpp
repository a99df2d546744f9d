// Ranks sum alike, tensors of the network over the device and words over the host.
#include "dist/group.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "check.h"
#include "core/error.h"
#include "two_ranks.h"

using namespace earlybird;

namespace {

at::Tensor waves(at::IntArrayRef sizes) {
  return at::arange(c10::multiply_integers(sizes), at::kFloat).mul(0.37).sin().view(sizes).requires_grad_(true);
}

/// The parameters fill two buckets: the last two one, the first the other. No generator draws them, since ranks are
/// threads.
std::vector<at::Tensor> parameters() { return {waves({700, 700}), waves({700, 400}), waves({400})}; }

at::Tensor images_of(int rank) { return (at::arange(4 * 700).view({4, 700}) * 0.01 + rank).cos(); }

at::Tensor loss_of(const std::vector<at::Tensor>& of, const at::Tensor& images) {
  return (images.mm(of[0]).tanh().mm(of[1]) + of[2]).pow(2).mean();
}

std::vector<at::Tensor> gradients(Group& group) {
  const auto of = parameters();
  const auto reduction = group.reduce(of);
  for (int step = 0; step < 2; ++step) {
    for (at::Tensor parameter : of) parameter.mutable_grad() = at::Tensor();
    const at::Tensor loss = loss_of(of, images_of(group.rank()));
    reduction->run([&] { loss.backward(); });
  }
  std::vector<at::Tensor> out;
  for (const at::Tensor& parameter : of) out.push_back(parameter.grad().clone());
  return out;
}

void compare_gradients(const std::string& name, FakeDevice* device, bool bf16, double tolerance) {
  std::vector<at::Tensor> got[2];
  two_ranks([&](const std::shared_ptr<Group>& group) { got[group->rank()] = gradients(*group); }, device, bf16);
  std::vector<at::Tensor> want;
  const auto of = parameters();
  (loss_of(of, images_of(0)) + loss_of(of, images_of(1))).backward();
  for (size_t i = 0; i < of.size(); ++i) {
    check(at::equal(got[0][i], got[1][i]), name + ": the same bits on both ranks", 0);
    const double off = ((got[0][i] - of[i].grad()).abs().max() / of[i].grad().abs().max()).item<double>();
    check(off < tolerance, name + ": the sum of both ranks", off);
  }
}

}  // namespace

EB_TEST("dist: gradients of two ranks are summed") {
  compare_gradients("host", nullptr, false, 1e-6);
  compare_gradients("host, bf16", nullptr, true, 1e-2);
  for (const bool bf16 : {false, true}) {
    FakeDevice device;
    compare_gradients(bf16 ? "device, bf16" : "device", &device, bf16, bf16 ? 1e-2 : 1e-6);
    // There are two steps of two buckets on two ranks.
    check(device.made == 2 && device.sums == 8, "gradients go over the device", device.sums);
  }
}

EB_TEST("dist: a fault of a rank's own operators is not called one of the ranks") {
  std::string code[2];
  two_ranks([&](const std::shared_ptr<Group>& group) {
    const auto of = parameters();
    const auto reduction = group->reduce(of);
    try {
      reduction->run([] { TORCH_CHECK(false, "an operator of its own"); });
    } catch (const Error& error) {
      code[group->rank()] = error.code();
    } catch (const c10::Error& error) {
      code[group->rank()] = error.what_without_backtrace();
    }
  });
  for (const std::string& one : code) check(one == "an operator of its own", one, 0);
}

EB_TEST("dist: tensors of the network go over the device, words over the host") {
  FakeDevice device;
  at::Tensor shared[2], summed[2];
  double numbers[2] = {1, 2};
  std::vector<std::string> texts[2];
  std::string refused[2];
  two_ranks(
      [&](const std::shared_ptr<Group>& group) {
        const int rank = group->rank();
        group->sum(&numbers[rank], 1, "numbers");
        texts[rank] = group->gather(rank == 0 ? "a" : "longer", "texts");
        if (rank == 0) check(device.sums == 0 && device.broadcasts == 0, "words", device.sums);
        (void)group->gather("", "the end of the words");
        shared[rank] = at::full({3}, rank + 7);
        group->broadcast({shared[rank]}, "tensors");
        summed[rank] = at::full({3}, rank + 1.0, at::kDouble);
        group->sum(summed[rank], "sums");
        (void)group->gather("", "the end of the tensors");
        group->close();
        try {
          group->sum(summed[rank], "more sums");
        } catch (const Error& error) {
          refused[rank] = error.code() + " " + error.what();
        }
      },
      &device);
  for (const int rank : {0, 1}) {
    check(numbers[rank] == 3, "the sum of numbers", numbers[rank]);
    check(texts[rank] == std::vector<std::string>{"a", "longer"}, "the texts", 0);
    check(at::equal(shared[rank], at::full({3}, 7)), "the tensor of rank 0", 0);
    check(at::equal(summed[rank], at::full({3}, 3.0, at::kDouble)), "the sum of tensors", 0);
    check(refused[rank] == "ERR_RANKS The ranks were parted before more sums.", refused[rank], 0);
  }
  check(device.sums == 2 && device.broadcasts == 2, "tensors", device.sums);
  check(device.aborted == 2, "collectives that run on the device are given up", device.aborted);
}
