#include "trainer_wrap.h"

#include <limits>

#include "bench/profile.h"
#include "dataset_wrap.h"
#include "environment.h"
#include "model/model.h"
#include "model_wrap.h"
#include "read_options.h"
#include "read_values.h"
#include "to_js.h"

namespace earlybird {
namespace {

Napi::Value to_js(Napi::Env env, const StepProfile& profile) {
  Napi::Array kernels = Napi::Array::New(env, profile.kernels.size());
  for (uint32_t i = 0; i < profile.kernels.size(); ++i) {
    const KernelUse& use = profile.kernels[i];
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", use.name);
    row.Set("calls", static_cast<double>(use.calls));
    row.Set("milliseconds", use.milliseconds);
    kernels.Set(i, row);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("source", profile.device_kernels ? "kernels" : "operators");
  out.Set("kernels", kernels);
  out.Set("launches", static_cast<double>(profile.launches));
  out.Set("span", profile.span);
  out.Set("busy", profile.busy);
  out.Set("gaps", static_cast<double>(profile.gaps));
  out.Set("longestGap", profile.longest_gap);
  out.Set("pass", earlybird::to_js(env, profile.pass));
  return out;
}

}  // namespace

Napi::Value create_trainer_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const auto model = network_of(info[0], "model");
    const Napi::Object object = object_argument(info, 1, "options");
    TrainerOptions options;
    options.momentum = number_in(object, "momentum");
    options.weight_decay = number_in(object, "weightDecay");
    options.l1 = number_in(object, "l1");
    options.bf16 = bf16_in(object);
    options.seed = static_cast<uint64_t>(integer_in(object, "seed"));
    options.graphs = graphs_in(object, device_of(*model));
    return Job::start(info.Env(), [model, options](Job&) -> Job::Finish {
      return [trainer = std::make_shared<Trainer>(model, options)](Napi::Env env) {
        return TrainerWrap::create(Environment::of(env)->trainer_class, trainer);
      };
    });
  });
}

Napi::Function TrainerWrap::define(Napi::Env env) {
  Properties properties = {
      InstanceMethod<&TrainerWrap::epoch>("epoch"),
      InstanceMethod<&TrainerWrap::position>("position"),
      InstanceMethod<&TrainerWrap::profile>("profile"),
      InstanceMethod<&TrainerWrap::step>("step"),
      InstanceMethod<&TrainerWrap::snapshot>("snapshot"),
      InstanceMethod<&TrainerWrap::restore_momentum>("restoreMomentum"),
      InstanceMethod<&TrainerWrap::share>("share"),
  };
  add_common(env, properties);
  return DefineClass(env, "Trainer", properties);
}

Napi::Value TrainerWrap::epoch(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const auto dataset = dataset_in(options);
    const int64_t epoch = integer_in(options, "epoch"), batch_size = integer_in(options, "batchSize");
    const int64_t steps = integer_in(options, "steps", std::numeric_limits<int64_t>::max());
    if (steps < 1) throw Error("ERR_USAGE", "\"steps\" must be at least 1.");
    const double lr = number_in(options, "lr");
    const PassPosition from = position_in(options, "from");
    return start(
        info.Env(),
        [trainer = native(), dataset, epoch, lr, batch_size, steps, from](Job& job) -> Job::Finish {
          const PassResult result =
              trainer->epoch(*dataset, epoch, lr, batch_size, steps, *job.token, job.progress(), from);
          return [result](Napi::Env env) { return to_js(env, result); };
        },
        options);
  });
}

Napi::Value TrainerWrap::position(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [trainer = native()](Job&) -> Job::Finish {
      return [position = trainer->position()](Napi::Env env) { return to_js(env, position); };
    });
  });
}

Napi::Value TrainerWrap::profile(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const auto dataset = dataset_in(options);
    const int64_t epoch = integer_in(options, "epoch"), batch_size = integer_in(options, "batchSize");
    const int64_t steps = integer_in(options, "steps");
    if (steps < 1) throw Error("ERR_USAGE", "\"steps\" must be at least 1.");
    const double lr = number_in(options, "lr");
    wake_profiler();
    return start(
        info.Env(),
        [trainer = native(), dataset, epoch, lr, batch_size, steps](Job& job) -> Job::Finish {
          return
              [profile = profile_steps(*trainer, *dataset, epoch, lr, batch_size, steps, *job.token, job.progress())](
                  Napi::Env env) -> Napi::Value { return to_js(env, profile); };
        },
        options);
  });
}

Napi::Value TrainerWrap::step(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    std::vector<Napi::Value> held = {options.Get("labels")};
    const HostTensor images = tensor_of(options.Get("images"), "images", held);
    const Bytes bytes = bytes_of(held.front(), "labels");
    const HostTensor labels = {
        Dtype::kInt32, {static_cast<int64_t>(bytes.size / sizeof(int32_t))}, bytes.data, bytes.size, nullptr};
    const double lr = number_in(options, "lr");
    const bool gradients = boolean_in(options, "gradients", false);
    return start(
        info.Env(),
        [trainer = native(), images, labels, lr, gradients](Job&) -> Job::Finish {
          return [result = trainer->step(images, labels, lr, gradients)](Napi::Env env) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("loss", result.loss);
            out.Set("correct", static_cast<double>(result.correct));
            if (result.gradients) out.Set("gradients", to_js(env, *result.gradients));
            return out;
          };
        },
        {}, held);
  });
}

Napi::Value TrainerWrap::snapshot(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [trainer = native()](Job&) -> Job::Finish {
      return [snapshot = trainer->snapshot()](Napi::Env env) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("state", to_js(env, snapshot.state));
        out.Set("momentum", to_js(env, snapshot.momentum));
        return out;
      };
    });
  });
}

Napi::Value TrainerWrap::restore_momentum(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    const HostState momentum = state_of(info[0], "momentum", held);
    return start(
        info.Env(),
        [trainer = native(), momentum](Job&) -> Job::Finish {
          trainer->restore_momentum(momentum);
          return [](Napi::Env env) { return env.Undefined(); };
        },
        {}, held);
  });
}

Napi::Value TrainerWrap::share(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    return start(info.Env(), [trainer = native()](Job&) -> Job::Finish {
      trainer->share_momentum();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

}  // namespace earlybird
