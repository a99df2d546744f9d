// The table of the addon's exports; src/native/types/addon.ts is their type.
#include "bench.h"
#include "core/device.h"
#include "core/host_memory.h"
#include "core/team.h"
#include "data/stream/jpeg_decoder.h"
#include "dataset_wrap.h"
#include "energy_meter_wrap.h"
#include "environment.h"
#include "errors.h"
#include "group_wrap.h"
#include "kernels.h"
#include "model_wrap.h"
#include "pack_jpeg.h"
#include "quantize.h"
#include "runtime.h"
#include "trainer_wrap.h"

namespace earlybird {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  prepare_process();
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->model_class = Napi::Persistent(ModelWrap::define(env));
  environment->dataset_class = Napi::Persistent(DatasetWrap::define(env));
  environment->trainer_class = Napi::Persistent(TrainerWrap::define(env));
  environment->meter_class = Napi::Persistent(EnergyMeterWrap::define(env));
  environment->group_class = Napi::Persistent(GroupWrap::define(env));

  const auto method = [&](const char* name, auto function) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  exports.Set("builtAgainst", EB_TORCH_VERSION);
  exports.Set("loaded", loaded_libtorch());
  exports.Set("dtypes", dtypes_js(env));
  method("runtime", runtime_js);
  method("setErrorClass", [](const Napi::CallbackInfo& info) {
    Environment::of(info.Env())->error_class = Napi::Persistent(info[0].As<Napi::Function>());
  });
  method("teamSize", [](const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const std::chrono::milliseconds limit(info[1].ToNumber().Int64Value());
      return Napi::Number::New(info.Env(), team_size(info[0].ToNumber().Int32Value(), limit));
    });
  });
  method("setThreads", [](const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { set_threads(info[0].ToNumber().Int32Value()); });
  });
  method("setCudnnSearch", [](const Napi::CallbackInfo& info) { set_cudnn_search(info[0].ToBoolean()); });
  method("setKernels", set_kernels_js);
  method("kernels", kernels_js);
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
  method("joinRanks", join_ranks_js);
  method("createModel", create_model_js);
  method("createDataset", create_dataset_js);
  method("createStream", create_stream_js);
  method("packJpeg", pack_jpeg_js);
  method("createTrainer", create_trainer_js);
  method("maskOverlap", mask_overlap_js);
  method("filterImages", filter_images_js);
  method("blockQuantize", block_quantize_js);
  method("mxQuantize", mx_quantize_js);
  method("mxConvolution", mx_convolution_js);
  method("benchKernels", bench_kernels_js);
  method("createMeter", create_meter_js);
  method("gpuState", gpu_state_js);
  method("benchCeilings", bench_ceilings_js);
  return exports;
}

NODE_API_MODULE(earlybird, init)

}  // namespace
}  // namespace earlybird
