// The addon's exports; src/native/types.ts is their type.
#include <cstdlib>

#include "convert.h"
#include "core/device.h"
#include "core/host_memory.h"
#include "data/stream/jpeg_decoder.h"
#include "dataset_wrap.h"
#include "environment.h"
#include "bench.h"
#include "energy_meter_wrap.h"
#include "model_wrap.h"
#include "prune/overlap.h"
#include "trainer_wrap.h"

namespace earlybird {
namespace {

Napi::Value runtime_to_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Runtime runtime = earlybird::runtime();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("threads", runtime.threads);
    out.Set("cpuCapability", runtime.cpu_capability);
    out.Set("bf16", runtime.bf16);
    out.Set("cudaBuilt", runtime.cuda_built);
    out.Set("cudaPlugin", runtime.cuda_plugin);
    out.Set("jpeg", jpeg_plugin_version());
    Napi::Array devices = Napi::Array::New(info.Env());
    for (const CudaDevice& device : runtime.cuda_devices) {
      Napi::Object item = Napi::Object::New(info.Env());
      item.Set("index", device.index);
      item.Set("name", device.name);
      item.Set("memoryBytes", static_cast<double>(device.memory_bytes));
      item.Set("capability", device.capability);
      item.Set("pciBusId", device.pci_bus_id);
      devices.Set(devices.Length(), item);
    }
    out.Set("cudaDevices", devices);
    return out;
  });
}

Napi::Value create_model_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object object = object_argument(info, 0, "spec");
    ModelSpec spec;
    spec.arch = string_in(object, "arch");
    spec.depth = integer_in(object, "depth");
    spec.classes = integer_in(object, "classes");
    spec.cfg = cfg_of(object.Get("cfg"));
    spec.seed = static_cast<uint64_t>(integer_in(object, "seed"));
    if (!object.Get("imageSize").IsUndefined()) spec.image_size = integer_in(object, "imageSize");
    spec.device = string_in(object, "device");
    if (!object.Get("formats").IsUndefined()) spec.formats = formats_in(object, "formats");
    return Job::start(info.Env(), [spec](Job&) mutable -> Job::Finish {
      spec.device = checked_device(spec.device);
      return [model = create_model(spec)](Napi::Env env) {
        return ModelWrap::create(Environment::of(env)->model_class, model);
      };
    });
  });
}

Napi::Value create_dataset_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object object = object_argument(info, 0, "spec");
    DatasetSpec spec = dataset_spec_of(object);
    return Job::start(info.Env(),
                      [spec](Job&) mutable -> Job::Finish {
                        spec.device = checked_device(spec.device);
                        return [dataset = std::make_shared<ResidentDataset>(spec)](Napi::Env env) {
                          return DatasetWrap::create(Environment::of(env)->dataset_class, dataset);
                        };
                      },
                      {}, {object.Get("images"), object.Get("labels")});
  });
}

Napi::Value create_stream_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    // On the heap: the names of a million files are not copied again.
    auto spec = std::make_shared<StreamSpec>(stream_spec_of(object_argument(info, 0, "spec")));
    return Job::start(info.Env(), [spec](Job&) -> Job::Finish {
      spec->device = checked_device(spec->device);
      return [dataset = std::make_shared<JpegStream>(std::move(*spec))](Napi::Env env) {
        return DatasetWrap::create(Environment::of(env)->dataset_class, dataset);
      };
    });
  });
}

Napi::Value create_trainer_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const auto model = ModelWrap::of(info[0], Environment::of(info.Env())->model_class, "model")->native();
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

Napi::Value filter_images_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Bytes bytes = bytes_of(info[0], "images");
    if (!info[1].IsArray() || info[1].As<Napi::Array>().Length() != 4)
      throw Error("ERR_USAGE", "\"shape\" must be [count, height, width, 3].");
    HostTensor images{Dtype::kUInt8, {}, bytes.data, bytes.size, nullptr};
    int64_t pixels = 1;
    for (uint32_t i = 0; i < 4; ++i) {
      images.shape.push_back(info[1].As<Napi::Array>().Get(i).ToNumber().Int64Value());
      pixels *= images.shape.back();
    }
    if (images.shape[3] != 3 || pixels != static_cast<int64_t>(bytes.size) || pixels <= 0)
      throw Error("ERR_SHAPE", "\"images\" must hold count * height * width * 3 bytes.");
    const Napi::Object filter = object_argument(info, 2, "filter");
    const std::string kind = string_in(filter, "kind");
    const double sigma = number_in(filter, "sigma");
    return Job::start(info.Env(),
                      [images, kind, sigma](Job&) -> Job::Finish {
                        return [out = filter_images(images, kind, sigma)](Napi::Env env) {
                          return to_js(env, out).As<Napi::Object>().Get("data");
                        };
                      },
                      {}, {info[0]});
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  static const bool first_in_process = [] {
    install_host_allocator();
    initialise_process();
    // Belt and braces: process.exit() in a worker's parent, or a fatal error, reaches exit() without any JavaScript
    // handler.
    std::atexit(shut_down);
    return true;
  }();
  (void)first_in_process;

  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->model_class = Napi::Persistent(ModelWrap::define(env));
  environment->dataset_class = Napi::Persistent(DatasetWrap::define(env));
  environment->trainer_class = Napi::Persistent(TrainerWrap::define(env));
  environment->meter_class = Napi::Persistent(MeterWrap::define(env));

  const auto method = [&](const char* name, auto function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  exports.Set("builtAgainst", EB_TORCH_VERSION);
  exports.Set("loaded", loaded_libtorch());
  exports.Set("dtypes", [&] {
    Napi::Object table = Napi::Object::New(env);
    for (const DtypeRow& row : kDtypes) table.Set(row.name, static_cast<double>(row.bytes));
    return table;
  }());
  method("setErrorClass", [](const Napi::CallbackInfo& info) {
    Environment::of(info.Env())->error_class = Napi::Persistent(info[0].As<Napi::Function>());
  });
  method("runtime", runtime_to_js);
  method("setThreads", [](const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { set_threads(info[0].ToNumber().Int32Value()); });
  });
  method("setCudnnSearch", [](const Napi::CallbackInfo& info) { set_cudnn_search(info[0].ToBoolean()); });
  method("loadPlugin", [](const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { load_plugin(info[0].ToString().Utf8Value()); });
  });
  method("loadJpeg", [](const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { load_jpeg_plugin(info[0].ToString().Utf8Value()); });
  });
  method("hostBytes", [](const Napi::CallbackInfo& info) -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(host_bytes()));
  });
  method("emptyCache", [](const Napi::CallbackInfo&) { empty_host_cache(); });
  method("shutdown", [](const Napi::CallbackInfo&) { shut_down(); });
  method("createModel", create_model_js);
  method("createDataset", create_dataset_js);
  method("createStream", create_stream_js);
  method("createTrainer", create_trainer_js);
  method("maskOverlap", mask_overlap_js);
  method("filterImages", filter_images_js);
  method("blockQuantize", block_quantize_js);
  method("benchKernels", bench_kernels_js);
  method("createMeter", create_meter_js);
  method("gpuState", gpu_state_js);
  method("benchCeilings", bench_ceilings_js);
  return exports;
}

NODE_API_MODULE(earlybird, init)

}  // namespace
}  // namespace earlybird
