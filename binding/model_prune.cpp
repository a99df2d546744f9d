// The methods of a model that rank, mask and cut channels.
#include <cmath>

#include "dataset_wrap.h"
#include "model/model.h"
#include "model_wrap.h"
#include "prune/mask.h"
#include "prune/overlap.h"
#include "prune/planned.h"
#include "prune/proof.h"
#include "prune/scores.h"
#include "prune/surgery.h"
#include "read_options.h"
#include "read_values.h"
#include "to_js.h"

namespace earlybird {
namespace {

Napi::Value mask_to_js(Napi::Env env, const Mask& mask) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("ratio", mask.ratio);
  out.Set("threshold", static_cast<double>(mask.threshold));
  out.Set("kept", static_cast<double>(mask.kept));
  out.Set("total", static_cast<double>(mask.total));
  Napi::Array layers = Napi::Array::New(env);
  for (const int64_t kept : mask.kept_per_layer) layers.Set(layers.Length(), static_cast<double>(kept));
  out.Set("keptPerLayer", layers);
  out.Set("bits", to_js(env, mask.bits));
  return out;
}

WidthCosts width_costs_in(const Napi::Object& object) {
  WidthCosts out;
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    const Napi::Value value = object.Get(name);
    const auto list = value.IsArray() ? value.As<Napi::Array>() : Napi::Array::New(object.Env());
    if (list.Length() != kMultiples.size())
      throw Error("ERR_USAGE", "\"widthCosts\" must hold " + std::to_string(kMultiples.size()) + " numbers a class.");
    for (uint32_t k = 0; k < kMultiples.size(); ++k) out[name][k] = list.Get(k).ToNumber().DoubleValue();
  }
  return out;
}

Napi::Value to_js(Napi::Env env, const WidthCosts& costs) {
  Napi::Object out = Napi::Object::New(env);
  for (const auto& [name, values] : costs) {
    Napi::Array list = Napi::Array::New(env, values.size());
    for (uint32_t k = 0; k < values.size(); ++k) list.Set(k, values[k]);
    out.Set(name, list);
  }
  return out;
}

Napi::Value to_js(Napi::Env env, const std::vector<PrunedLayer>& layers) {
  Napi::Array out = Napi::Array::New(env);
  for (const PrunedLayer& layer : layers) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("key", layer.key);
    item.Set("total", static_cast<double>(layer.total));
    item.Set("kept", static_cast<double>(layer.kept));
    item.Set("clamped", static_cast<double>(layer.clamped));
    item.Set("width", static_cast<double>(layer.width));
    item.Set("removed", layer.removed);
    out.Set(out.Length(), item);
  }
  return out;
}

/// Copied, because the work outlives the memory of the caller.
std::vector<uint8_t> mask_in(const Napi::Object& object) {
  const Bytes bytes = bytes_of(object.Get("mask"), "mask");
  return {bytes.data, bytes.data + bytes.size};
}

PruneOptions prune_options_in(const Napi::Object& object) {
  PruneOptions out;
  const std::string empty = string_in(object, "emptyLayers");
  if (empty != "keep-one" && empty != "remove") throw Error("ERR_USAGE", "\"emptyLayers\" must be keep-one or remove.");
  if (empty == "remove") out.empty_layers = EmptyLayers::kRemove;
  if (!object.Get("surgery").IsUndefined()) {
    const std::string surgery = string_in(object, "surgery");
    if (surgery != "reference" && surgery != "exact")
      throw Error("ERR_USAGE", "\"surgery\" must be reference or exact.");
    if (surgery == "exact") out.surgery = Surgery::kExact;
  }
  out.scores = floats_in(object, "scores");
  if (!object.Get("roundTo").IsUndefined()) out.round_to = integer_in(object, "roundTo");
  if (out.round_to < 1) throw Error("ERR_USAGE", "\"roundTo\" must be at least 1.");
  if (!object.Get("widthCosts").IsUndefined()) out.width_costs = width_costs_in(object_in(object, "widthCosts"));
  return out;
}

}  // namespace

Napi::Value mask_overlap_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Bytes masks = bytes_of(info[0], "masks");
    const double count = info[1].ToNumber().DoubleValue(), bits = info[2].ToNumber().DoubleValue();
    if (!(count >= 0 && count < 1e6 && bits >= 0 && bits < 1e12) ||
        masks.size != static_cast<size_t>(count) * ((static_cast<size_t>(bits) + 7) / 8))
      throw Error("ERR_SHAPE", "\"masks\" must hold count * ceil(bits / 8) bytes.");
    const auto overlap = mask_overlap(masks.data, static_cast<size_t>(count), static_cast<size_t>(bits));
    auto out = Napi::Float64Array::New(info.Env(), overlap.size());
    std::copy(overlap.begin(), overlap.end(), out.Data());
    return out;
  });
}

Napi::Value ModelWrap::scores(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    ScoreOptions how{string_in(options, "criterion"), static_cast<uint64_t>(integer_in(options, "seed"))};
    std::shared_ptr<Dataset> dataset;
    if (!options.Get("dataset").IsUndefined()) {
      dataset = dataset_in(options);
      how.images = {dataset.get(), how.seed, integer_in(options, "batches"), integer_in(options, "batchSize")};
      if (how.images.batches < 1) throw Error("ERR_USAGE", "\"batches\" must be at least 1.");
    }
    return start(
        info.Env(),
        [model = network(), dataset, how](Job& job) -> Job::Finish {
          return [scores = channel_scores(*model, how, *job.token)](Napi::Env env) -> Napi::Value {
            Napi::Array out = Napi::Array::New(env, scores.size());
            for (uint32_t i = 0; i < scores.size(); ++i) out.Set(i, static_cast<double>(scores[i]));
            return out;
          };
        },
        options);
  });
}

Napi::Value ModelWrap::masks(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    if (!info[0].IsArray()) throw Error("ERR_USAGE", "\"ratios\" must be a list of numbers.");
    const auto list = info[0].As<Napi::Array>();
    std::vector<double> ratios;
    for (uint32_t i = 0; i < list.Length(); ++i) ratios.push_back(list.Get(i).ToNumber().DoubleValue());
    const Napi::Object options = info[1].IsObject() ? info[1].As<Napi::Object>() : Napi::Object::New(info.Env());
    const MaskOptions how{boolean_in(options, "protective", false), boolean_in(options, "uniform", false),
                          floats_in(options, "scores")};
    return start(info.Env(), [model = network(), ratios, how](Job&) -> Job::Finish {
      auto masks = earlybird::masks(*model, ratios, how);
      prove_equal(*model, masks);
      return [masks = std::move(masks)](Napi::Env env) -> Napi::Value {
        Napi::Array out = Napi::Array::New(env);
        for (const Mask& mask : masks) out.Set(out.Length(), mask_to_js(env, mask));
        return out;
      };
    });
  });
}

Napi::Value ModelWrap::soft_prune(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    if (!info[0].IsNumber()) throw Error("ERR_USAGE", "\"ratio\" must be a number.");
    const double ratio = info[0].As<Napi::Number>();
    return start(info.Env(), [model = network(), ratio](Job&) -> Job::Finish {
      earlybird::soft_prune(*model, ratio);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value ModelWrap::plan(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const std::vector<uint8_t> mask = mask_in(options);
    const PruneOptions how = prune_options_in(options);
    WidthCosts costs;
    if (!options.Get("stepCosts").IsUndefined()) costs = width_costs_in(object_in(options, "stepCosts"));
    return start(info.Env(), [model = network(), mask, how, costs](Job&) -> Job::Finish {
      const PrunePlan plan = plan_of(*model, mask, how);
      const auto network = planned_layers(earlybird::describe(*model), plan);
      const double time = time_of(network, costs);
      return [layers = plan.layers, network, time](Napi::Env env) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("layers", to_js(env, layers));
        out.Set("network", to_js(env, network));
        out.Set("time", std::isfinite(time) ? Napi::Value(Napi::Number::New(env, time)) : env.Null());
        return out;
      };
    });
  });
}

Napi::Value ModelWrap::prune(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const std::vector<uint8_t> mask = mask_in(options);
    const PruneOptions prune_options = prune_options_in(options);
    std::shared_ptr<Network> dense = network(), weights = dense;
    if (const Napi::Value from = options.Get("weightsFrom"); !from.IsUndefined())
      weights = network_of(from, "weightsFrom");
    return start(info.Env(), [dense, weights, mask, prune_options](Job&) -> Job::Finish {
      return [pruned = earlybird::prune(*dense, mask, prune_options, *weights)](Napi::Env env) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("model", wrap(env, pruned.network));
        out.Set("layers", to_js(env, pruned.layers));
        out.Set("mask", to_js(env, pruned.mask));
        out.Set("cutsLiveChannels", pruned.cuts_live_channels);
        return out;
      };
    });
  });
}

Napi::Value ModelWrap::time_widths(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const bool bf16 = bf16_in(options);
    const WidthCosts known = width_costs_in(object_in(options, "known"));
    return start(
        info.Env(),
        [model = network(), bf16, known](Job& job) -> Job::Finish {
          return [costs = earlybird::time_widths(*model, bf16, known, *job.token)](Napi::Env env) {
            return to_js(env, costs);
          };
        },
        options);
  });
}

}  // namespace earlybird
