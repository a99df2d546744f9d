// Captured steps, with a stand-in for a CUDA graph, so that the rules of captures are tested without a GPU.
#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <set>

#include "check.h"
#include "core/error.h"
#include "data/resident/resident_dataset.h"
#include "dist/two_ranks.h"
#include "model/network.h"
#include "prune/mask.h"
#include "prune/score_networks.h"
#include "prune/surgery.h"
#include "train/evaluator.h"
#include "train/trainer.h"

using namespace earlybird;

namespace {

struct Counts {
  int captures = 0, replays = 0;
  std::set<std::string> reads;  // operators that make the host wait
};

Counts counts;
std::mutex counting;  // ranks are threads here

/// Operators that no graph can hold: they wait for the device, or the size of their result depends on data.
bool reads_back(const std::string& name) {
  return name == "aten::item" || name == "aten::_local_scalar_dense" || name == "aten::nonzero" ||
         name == "aten::is_nonzero" || name == "aten::masked_select" || name == "aten::equal" || name == "aten::unique";
}

/// Records the operators that read back while it lives. LibTorch's optimiser is excused: it reads a learning rate on
/// the CPU, but not one on a GPU.
class Watch {
 public:
  Watch() {
    static const auto added =
        at::addGlobalCallback(at::RecordFunctionCallback(
                                  [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
                                    const std::string name = function.name();
                                    const bool excused =
                                        std::find(within.begin(), within.end(), "aten::_fused_sgd_") != within.end();
                                    if (watching && reads_back(name) && !excused) {
                                      const std::lock_guard lock(counting);
                                      counts.reads.insert(name + (within.empty() ? "" : " in " + within.back()));
                                    }
                                    within.push_back(name);
                                    return nullptr;
                                  },
                                  [](const at::RecordFunction&, at::ObserverContext*) { within.pop_back(); })
                                  .scopes({at::RecordScope::FUNCTION}));
    (void)added;
    watching = true;
  }
  ~Watch() { watching = false; }

 private:
  static inline thread_local bool watching = false;
  static inline thread_local std::vector<std::string> within;  // the operators that are running
};

/// A real capture does not change memory; this one does the work, and a replay does it again.
class StandIn final : public Graph {
 public:
  explicit StandIn(bool fails) : fails_(fails) {}

  void capture(const std::function<void()>& warm_up, const std::function<void()>& work) override {
    warm_up();
    warm_up();
    {
      const Watch watch;
      work();
    }
    if (fails_) throw Error("ERR_INTERNAL", "operation not permitted when stream is capturing");
    work_ = work;
    const std::lock_guard lock(counting);
    ++counts.captures;
  }

  void replay() override {
    {
      const std::lock_guard lock(counting);
      ++counts.replays;
    }
    work_();
  }

 private:
  bool fails_;
  std::function<void()> work_;
};

/// A graph that keeps nothing of its work alive, as a CUDA graph does; its replay only counts.
class Forgetful final : public Graph {
 public:
  void capture(const std::function<void()>& warm_up, const std::function<void()>&) override {
    warm_up();
    ++counts.captures;
  }
  void replay() override { ++counts.replays; }
};

GraphFactory stand_ins(bool fail = false) {
  return [fail] { return std::make_unique<StandIn>(fail); };
}

constexpr int64_t kImages = 23, kBatch = 5;

std::shared_ptr<ResidentDataset> images(const std::string& filter = "none", int64_t rank = 0, int64_t ranks = 1) {
  DatasetSpec spec;
  spec.rank = rank;
  spec.world_size = ranks;
  const at::Tensor pixels = at::randint(0, 256, {kImages, 32, 32, 3}, at::kByte);
  const at::Tensor labels = at::randint(0, 10, {kImages}, at::kInt);
  spec.images = {Dtype::kUInt8, pixels.sizes().vec(), pixels.const_data_ptr<uint8_t>(),
                 static_cast<size_t>(pixels.numel()), nullptr};
  spec.labels = {Dtype::kInt32,
                 {kImages},
                 reinterpret_cast<const uint8_t*>(labels.const_data_ptr<int32_t>()),
                 kImages * sizeof(int32_t),
                 nullptr};
  spec.classes = 10;
  spec.device = "cpu";
  spec.padding = 4;
  spec.flip = true;
  spec.filter = filter;
  return std::make_shared<ResidentDataset>(spec);
}

std::shared_ptr<Network> network(const NumberFormats* formats = nullptr, std::shared_ptr<Ranks> ranks = nullptr) {
  ModelSpec spec;
  spec.ranks = std::move(ranks);
  spec.arch = "resnet";
  spec.depth = 11;
  spec.classes = 10;
  spec.seed = 3;
  spec.device = "cpu";
  if (formats) spec.formats = *formats;
  return create_model(spec);
}

/// The same images and weights for both ranks, which are threads and would draw from one generator at once.
std::pair<std::shared_ptr<ResidentDataset>, std::shared_ptr<Network>> of_rank(const std::shared_ptr<Group>& group) {
  static std::mutex drawing;
  const std::lock_guard lock(drawing);
  at::manual_seed(2);
  auto data = images("none", group->rank(), 2);
  return {data, network(nullptr, group)};
}

const CancelToken kNever{};

struct Outcome {
  Snapshot snapshot;
  PassResult trained, tested;
};

Outcome two_epochs(const std::shared_ptr<Network>& model, Dataset& data, const GraphFactory& graphs, bool bf16) {
  Trainer trainer(model, {.l1 = 1e-4, .bf16 = bf16, .seed = 7, .graphs = graphs});
  Evaluator evaluator(model);
  Outcome out;
  for (int epoch = 0; epoch < 2; ++epoch) {
    out.trained = trainer.epoch(data, epoch, 0.1 / (1 + epoch), kBatch, INT64_MAX, kNever, {});
    out.tested = evaluator.evaluate(data, {.batch_size = 6, .bf16 = bf16, .graphs = graphs}, kNever, {});
  }
  out.snapshot = trainer.snapshot();
  return out;
}

bool same(const HostState& a, const HostState& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].second.bytes != b[i].second.bytes ||
        std::memcmp(a[i].second.data, b[i].second.data, a[i].second.bytes) != 0)
      return false;
  return a.size() == b.size();
}

void compare(const std::string& name, const NumberFormats* formats, bool bf16, const std::string& filter = "none") {
  const auto data = images(filter);
  counts = {};
  const Outcome eager = two_epochs(network(formats), *data, {}, bf16);
  check(counts.captures == 0 && !eager.trained.captured && eager.trained.why_eager.empty(), name + "no graphs on a CPU",
        counts.captures);
  const Outcome captured = two_epochs(network(formats), *data, stand_ins(), bf16);
  check(captured.trained.captured && captured.tested.captured,
        name + "captured: " + captured.trained.why_eager + captured.tested.why_eager, 0);
  check(counts.captures == 2, name + "one capture a phase, for all epochs", counts.captures);
  // 23 images: four full batches of five in training, three of six in evaluation; the ragged ones are eager.
  check(counts.replays == 2 * (4 + 3), name + "replays", counts.replays);
  for (const std::string& reader : counts.reads)
    check(false, name + "waits for the device in " + reader, static_cast<double>(counts.reads.size()));
  check(same(eager.snapshot.state, captured.snapshot.state), name + "weights and statistics, eager and captured", 0);
  check(same(eager.snapshot.momentum, captured.snapshot.momentum), name + "momentum, eager and captured", 0);
  check(eager.trained.loss == captured.trained.loss && eager.trained.images == captured.trained.images,
        name + "loss of the epoch", captured.trained.loss - eager.trained.loss);
  check(eager.tested.loss == captured.tested.loss && eager.tested.top1 == captured.tested.top1,
        name + "loss of the evaluation", captured.tested.loss - eager.tested.loss);
}

}  // namespace

EB_TEST("train: a step that cannot be captured runs eagerly") {
  const auto data = images();
  const Outcome eager = two_epochs(network(), *data, {}, false);
  counts = {};
  const Outcome fallen = two_epochs(network(), *data, stand_ins(/*fail=*/true), false);
  check(!fallen.trained.captured && counts.replays == 0, "a failed capture is not replayed", counts.replays);
  check(fallen.trained.why_eager == "capture failed: operation not permitted when stream is capturing",
        "the reason: " + fallen.trained.why_eager, 0);
  check(same(eager.snapshot.state, fallen.snapshot.state), "a failed capture leaves no trace", 0);
}

EB_TEST("train: another shape, dataset or network is captured anew") {
  const auto data = images(), other = images();
  const auto model = network();
  Trainer trainer(model, {.graphs = stand_ins()});
  counts = {};
  const auto epoch = [&](Dataset& dataset, int64_t batch) {
    return trainer.epoch(dataset, 0, 0.01, batch, INT64_MAX, kNever, {});
  };
  epoch(*data, kBatch);
  epoch(*data, kBatch);
  check(counts.captures == 1, "captured once", counts.captures);
  epoch(*data, 4);
  check(counts.captures == 2, "another batch size is captured", counts.captures);
  epoch(*other, 4);
  check(counts.captures == 3, "another dataset is captured", counts.captures);
  const PassResult few = epoch(*data, kImages + 1);
  check(!few.captured && few.why_eager == "no full batch lies on the device", "no full batch: " + few.why_eager, 0);
  check(counts.captures == 3, "nothing to capture", counts.captures);

  // A ticket is another network with another trainer: its graph is its own.
  const Mask mask = masks(*model, {0.5}).front();
  const auto ticket = prune(*model, mask.bits, {}, *model).network;
  Trainer small(ticket, {.graphs = stand_ins()});
  small.epoch(*data, 1, 0.01, kBatch, INT64_MAX, kNever, {});
  check(counts.captures == 4, "a pruned network is captured", counts.captures);
}

EB_TEST("train: a graph is not replayed for images of another kind once its own are gone") {
  auto data = images();
  Trainer trainer(network(), {.graphs = [] { return std::make_unique<Forgetful>(); }});
  counts = {};
  trainer.epoch(*data, 0, 0.01, kBatch, INT64_MAX, kNever, {});
  check(counts.captures == 1 && counts.replays == kImages / kBatch, "captured", counts.replays);
  data.reset();
  Fixed without_feed(batches_of({kBatch, kBatch}));
  counts = {};
  const PassResult result = trainer.epoch(without_feed, 1, 0.01, kBatch, INT64_MAX, kNever, {});
  check(counts.replays == 0 && !result.captured && result.loss > 0, "eager", counts.replays);
}

EB_TEST("train: captured steps of two ranks equal eager ones") {
  // 23 images in batches of five: three and two, and at the end two and one, which is eager on both.
  const auto train = [](const GraphFactory& graphs) {
    std::array<Outcome, 2> out;
    counts = {};
    two_ranks([&](const std::shared_ptr<Group>& group) {
      const auto [data, model] = of_rank(group);
      out[group->rank()] = two_epochs(model, *data, graphs, false);
    });
    return out;
  };
  const auto eager = train({});
  const auto captured = train(stand_ins());
  for (const int rank : {0, 1}) {
    check(captured[rank].trained.captured && captured[rank].tested.captured,
          "captured: " + captured[rank].trained.why_eager, 0);
    check(same(eager[rank].snapshot.state, captured[rank].snapshot.state), "weights and statistics of a rank", 0);
    check(same(eager[rank].snapshot.momentum, captured[rank].snapshot.momentum), "momentum of a rank", 0);
    check(eager[rank].trained.loss == captured[rank].trained.loss, "loss of all ranks", captured[rank].trained.loss);
    check(eager[rank].tested.top1 == captured[rank].tested.top1, "top-1 of all ranks", captured[rank].tested.top1);
  }
  check(counts.captures == 2 * 2 && counts.replays == 2 * 2 * (4 + 3), "replays", counts.replays);
}

EB_TEST("train: where one rank has no full batch, none captures") {
  std::array<PassResult, 2> out;
  counts = {};
  two_ranks([&](const std::shared_ptr<Group>& group) {
    // A batch has 24 images, and the epoch 23: rank 0 has its 12, rank 1 has only 11.
    const auto [data, model] = of_rank(group);
    Trainer trainer(model, {.graphs = stand_ins()});
    out[group->rank()] = trainer.epoch(*data, 0, 0.01, kImages + 1, INT64_MAX, kNever, {});
  });
  for (const PassResult& result : out)
    check(!result.captured && result.why_eager == "no full batch lies on the device", "reason: " + result.why_eager, 0);
  check(counts.captures == 0, "nothing is captured", counts.captures);
}

EB_TEST("train: where the capture fails on one rank, none replays") {
  std::array<PassResult, 2> out;
  counts = {};
  two_ranks([&](const std::shared_ptr<Group>& group) {
    const auto [data, model] = of_rank(group);
    Trainer trainer(model, {.graphs = stand_ins(/*fail=*/group->rank() == 1)});
    for (int epoch = 0; epoch < 2; ++epoch)
      out[group->rank()] = trainer.epoch(*data, epoch, 0.01, kBatch, INT64_MAX, kNever, {});
  });
  check(out[0].why_eager == "the capture failed on another rank", "reason: " + out[0].why_eager, 0);
  check(out[1].why_eager.starts_with("capture failed: "), "reason: " + out[1].why_eager, 0);
  check(!out[0].captured && !out[1].captured && counts.replays == 0, "nothing is replayed", counts.replays);
}

EB_TEST("train: captured steps equal eager ones, fp32") { compare("fp32: ", nullptr, false); }

EB_TEST("train: captured steps equal eager ones, bf16") { compare("bf16: ", nullptr, true); }

EB_TEST("train: captured steps equal eager ones, low precision") {
  const NumberFormats eight{8, 8, 8, 8, 8};
  compare("low precision: ", &eight, false);
}

EB_TEST("train: captured steps equal eager ones, MX formats and NVFP4") {
  for (const char* name : {"mxint8", "nvfp4"}) {
    NumberFormats formats;
    const MxFormat* format = &mx_format(name);
    formats.operands = {format, format, format, format};
    formats.operands.keep_weights = true;
    for (const bool bf16 : {false, true}) compare(std::string(name) + (bf16 ? " bf16: " : ": "), &formats, bf16);
  }
}

EB_TEST("train: after a change of formats a trainer equals one that was made with them, and captures anew") {
  const NumberFormats eight{8, 8, 8, 8, 8};
  NumberFormats five = eight;
  five.activate = five.operands.weight_bits = 5;
  const auto data = images();
  const auto epoch = [&](Trainer& trainer, int64_t index) {
    return trainer.epoch(*data, index, 0.05, kBatch, INT64_MAX, kNever, {});
  };
  for (const bool captures : {false, true}) {
    const std::string name = captures ? "captured: " : "eager: ";
    const GraphFactory graphs = captures ? stand_ins() : GraphFactory{};
    const EvaluateOptions testing{.batch_size = 6, .graphs = graphs};
    const auto model = network(&eight);
    Trainer trainer(model, {.seed = 7, .graphs = graphs});
    Evaluator evaluator(model);
    epoch(trainer, 0);
    evaluator.evaluate(*data, testing, kNever, {});
    const Snapshot before = trainer.snapshot();

    const auto made = network(&five);
    load_state_dict(*made, before.state);
    Trainer other(made, {.seed = 7, .graphs = graphs});
    other.restore_momentum(before.momentum);
    const PassResult expected = epoch(other, 1);
    const PassResult tested = Evaluator(made).evaluate(*data, testing, kNever, {});

    counts = {};
    set_formats(*model, five);
    const PassResult result = epoch(trainer, 1);
    const PassResult retested = evaluator.evaluate(*data, testing, kNever, {});
    check(counts.captures == (captures ? 2 : 0), name + "both passes are captured anew", counts.captures);
    const Snapshot after = trainer.snapshot();
    check(same(after.state, other.snapshot().state), name + "weights and statistics", 0);
    check(same(after.momentum, other.snapshot().momentum), name + "momentum", 0);
    check(result.loss == expected.loss && retested.loss == tested.loss, name + "losses", result.loss - expected.loss);

    set_formats(*model, five);
    epoch(trainer, 2);
    check(counts.captures == (captures ? 2 : 0), name + "equal formats need no capture", counts.captures);
    set_formats(*model, eight);
    load_state_dict(*model, before.state);
    trainer.restore_momentum(before.momentum);
    epoch(trainer, 1);
    check(!same(trainer.snapshot().state, after.state), name + "formats decide the result", 0);
  }
  std::string refused;
  try {
    set_formats(*network(), eight);
  } catch (const Error& error) {
    refused = error.code();
  }
  check(refused == "ERR_USAGE", "a network in full precision is refused: " + refused, 0);
}

EB_TEST("train: captured steps equal eager ones, low-pass filter") {
  compare("low-pass filter: ", nullptr, false, "lowpass");
}
