// The handle of a model: its making, weights, passes. The methods that rank and cut channels are in model_prune.cpp.
#include "model_wrap.h"

#include "core/device.h"
#include "dataset_wrap.h"
#include "environment.h"
#include "group_wrap.h"
#include "model/model.h"
#include "network_data.h"
#include "read_options.h"
#include "read_values.h"
#include "to_js.h"
#include "train/swa.h"

namespace earlybird {

std::shared_ptr<Network> network_of(const Napi::Value& value, const char* name) {
  return ModelWrap::of(value, Environment::of(value.Env())->model_class, name)->network();
}

Napi::Value create_model_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object object = object_argument(info, 0, "spec");
    ModelSpec spec;
    spec.network = network_data_in(object, "arch");
    spec.arch = spec.network ? spec.network->name : string_in(object, "arch");
    spec.depth = integer_in(object, "depth");
    spec.classes = integer_in(object, "classes");
    spec.cfg = cfg_of(object.Get("cfg"));
    spec.seed = static_cast<uint64_t>(integer_in(object, "seed"));
    if (!object.Get("imageSize").IsUndefined()) spec.image_size = integer_in(object, "imageSize");
    spec.device = string_in(object, "device");
    if (!object.Get("formats").IsUndefined()) spec.formats = formats_in(object, "formats");
    spec.kernels = strings_in(object, "kernels");
    spec.ranks = ranks_in(object, "ranks");
    spec.sync_norms = boolean_in(object, "syncNorms", false);
    return Job::start(info.Env(), [spec](Job&) mutable -> Job::Finish {
      spec.device = checked_device(spec.device);
      return [model = create_model(spec)](Napi::Env env) { return ModelWrap::wrap(env, model); };
    });
  });
}

Napi::Value ModelWrap::wrap(Napi::Env env, std::shared_ptr<Network> network) {
  return create(Environment::of(env)->model_class, std::make_shared<Evaluator>(std::move(network)));
}

Napi::Function ModelWrap::define(Napi::Env env) {
  Properties properties = {
      InstanceMethod<&ModelWrap::describe>("describe"),
      InstanceMethod<&ModelWrap::state_dict>("stateDict"),
      InstanceMethod<&ModelWrap::load_state_dict>("loadStateDict"),
      InstanceMethod<&ModelWrap::share>("share"),
      InstanceMethod<&ModelWrap::reinitialise>("reinitialise"),
      InstanceMethod<&ModelWrap::set_formats>("setFormats"),
      InstanceMethod<&ModelWrap::scores>("scores"),
      InstanceMethod<&ModelWrap::masks>("masks"),
      InstanceMethod<&ModelWrap::soft_prune>("softPrune"),
      InstanceMethod<&ModelWrap::plan>("plan"),
      InstanceMethod<&ModelWrap::prune>("prune"),
      InstanceMethod<&ModelWrap::choose_kernels>("chooseKernels"),
      InstanceMethod<&ModelWrap::time_widths>("timeWidths"),
      InstanceMethod<&ModelWrap::forward>("forward"),
      InstanceMethod<&ModelWrap::evaluate>("evaluate"),
      InstanceMethod<&ModelWrap::average>("average"),
      InstanceMethod<&ModelWrap::estimate_norms>("estimateNorms"),
  };
  add_common(env, properties);
  return DefineClass(env, "Model", properties);
}

Napi::Value ModelWrap::describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return to_js(info.Env(), earlybird::describe(*network())); });
}

Napi::Value ModelWrap::state_dict(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [model = network()](Job&) -> Job::Finish {
      return [state = earlybird::state_dict(*model)](Napi::Env env) { return to_js(env, state); };
    });
  });
}

Napi::Value ModelWrap::load_state_dict(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostState state = state_of(info[0], "state", held);
    return start(
        info.Env(),
        [model = network(), state](Job&) -> Job::Finish {
          earlybird::load_state_dict(*model, state);
          return [](Napi::Env env) { return env.Undefined(); };
        },
        {}, held);
  });
}

Napi::Value ModelWrap::share(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [model = network()](Job&) -> Job::Finish {
      earlybird::share_state(*model);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value ModelWrap::reinitialise(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    if (!info[0].IsNumber()) throw Error("ERR_USAGE", "\"seed\" must be a number.");
    const auto seed = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    return start(info.Env(), [model = network(), seed](Job&) -> Job::Finish {
      earlybird::reinitialise(*model, seed);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value ModelWrap::set_formats(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    return start(info.Env(), [model = network(), formats = formats_in(options, "formats")](Job&) -> Job::Finish {
      earlybird::set_formats(*model, formats);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value ModelWrap::choose_kernels(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const bool bf16 = bf16_in(options);
    const auto given = strings_in(options, "given");
    return start(info.Env(), [model = network(), bf16, given](Job&) -> Job::Finish {
      return [names = earlybird::choose_kernels(*model, bf16, given)](Napi::Env env) { return to_js(env, names); };
    });
  });
}

Napi::Value ModelWrap::forward(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostTensor images = tensor_of(info[0], "images", held);
    const Napi::Object options = info[1].IsObject() ? info[1].As<Napi::Object>() : Napi::Object::New(info.Env());
    const bool train = boolean_in(options, "train", false), bf16 = bf16_in(options);
    return start(
        info.Env(),
        [model = network(), images, train, bf16](Job&) -> Job::Finish {
          return
              [logits = earlybird::forward(*model, images, train, bf16)](Napi::Env env) { return to_js(env, logits); };
        },
        {}, held);
  });
}

Napi::Value ModelWrap::evaluate(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const auto dataset = dataset_in(options);
    EvaluateOptions how{integer_in(options, "batchSize"), bf16_in(options)};
    if (!options.Get("rounding").IsUndefined()) how.rounding = rounding_in(options);
    how.graphs = graphs_in(options, dataset->device());
    return start(
        info.Env(),
        [evaluator = native(), dataset, how](Job& job) -> Job::Finish {
          const PassResult result = evaluator->evaluate(*dataset, how, *job.token, job.progress());
          return [result](Napi::Env env) { return to_js(env, result); };
        },
        options);
  });
}

Napi::Value ModelWrap::average(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const auto added = network_of(info[0], "model");
    if (!info[1].IsNumber()) throw Error("ERR_USAGE", "\"share\" must be a number.");
    const double share = info[1].As<Napi::Number>();
    return start(info.Env(), [model = network(), added, share](Job&) -> Job::Finish {
      earlybird::average(*model, *added, share);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

Napi::Value ModelWrap::estimate_norms(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const auto dataset = dataset_in(options);
    const EvaluateOptions how{integer_in(options, "batchSize"), bf16_in(options)};
    const auto seed = static_cast<uint64_t>(integer_in(options, "seed"));
    const int64_t epoch = integer_in(options, "epoch");
    return start(
        info.Env(),
        [model = network(), dataset, how, seed, epoch](Job& job) -> Job::Finish {
          const PassResult result =
              earlybird::estimate_norms(*model, *dataset, seed, epoch, how, *job.token, job.progress());
          return [result](Napi::Env env) { return to_js(env, result); };
        },
        options);
  });
}

}  // namespace earlybird
