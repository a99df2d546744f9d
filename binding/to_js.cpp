#include "to_js.h"

#include <cstring>

#include "core/error.h"

namespace earlybird {
namespace {

const DtypeRow& row_of(Dtype dtype) {
  for (const DtypeRow& row : kDtypes)
    if (row.dtype == dtype) return row;
  throw Error("ERR_DTYPE", "Unknown element type.");
}

}  // namespace

Napi::Array array_of(Napi::Env env, const std::vector<int64_t>& values) {
  Napi::Array out = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) out.Set(static_cast<uint32_t>(i), static_cast<double>(values[i]));
  return out;
}

Napi::Array array_of(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array out = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) out.Set(static_cast<uint32_t>(i), values[i]);
  return out;
}

Napi::Value to_js(Napi::Env env, const std::map<std::string, std::string>& strings) {
  Napi::Object out = Napi::Object::New(env);
  for (const auto& [key, value] : strings) out.Set(key, value);
  return out;
}

Napi::Value to_js(Napi::Env env, const HostTensor& tensor) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("dtype", row_of(tensor.dtype).name);
  out.Set("shape", array_of(env, tensor.shape));
  // The buffer takes our memory over, without a copy on the JavaScript thread.
  auto* owner = new std::shared_ptr<uint8_t>(tensor.owner);
  const auto buffer = Napi::Buffer<uint8_t>::NewOrCopy(
      env, tensor.owner.get(), tensor.bytes,
      [](Napi::BasicEnv, uint8_t*, std::shared_ptr<uint8_t>* kept) { delete kept; }, owner);
  out.Set("data", buffer);
  return out;
}

Napi::Value to_js(Napi::Env env, const HostState& state) {
  const Napi::Object map = env.Global().Get("Map").As<Napi::Function>().New({});
  const auto set = map.Get("set").As<Napi::Function>();
  for (const auto& [key, tensor] : state) {
    const Napi::HandleScope scope(env);
    set.Call(map, {Napi::String::New(env, key), to_js(env, tensor)});
  }
  return map;
}

Napi::Value to_js(Napi::Env env, const PassResult& result) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("images", static_cast<double>(result.images));
  out.Set("steps", static_cast<double>(result.steps));
  out.Set("seconds", result.seconds);
  out.Set("loss", result.loss);
  out.Set("lossBatchMean", result.loss_batch_mean);
  out.Set("top1", result.top1);
  out.Set("top1BatchMean", result.top1_batch_mean);
  out.Set("top5", result.top5);
  out.Set("top5BatchMean", result.top5_batch_mean);
  out.Set("waited", result.waited);
  out.Set("bad", to_js(env, result.bad));
  out.Set("captured", result.captured);
  out.Set("whyEager", result.why_eager);
  return out;
}

Napi::Value to_js(Napi::Env env, const PassPosition& position) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("batches", static_cast<double>(position.batches));
  out.Set("steps", static_cast<double>(position.steps));
  out.Set("images", static_cast<double>(position.images));
  Napi::Array sums = Napi::Array::New(env, position.sums.size());
  for (uint32_t i = 0; i < position.sums.size(); ++i) sums.Set(i, position.sums[i]);
  out.Set("sums", sums);
  out.Set("seconds", position.seconds);
  out.Set("waited", position.waited);
  out.Set("bad", to_js(env, position.bad));
  return out;
}

Napi::Value to_js(Napi::Env env, const std::vector<BadImage>& images) {
  Napi::Array out = Napi::Array::New(env, images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("index", static_cast<double>(images[i].index));
    item.Set("reason", images[i].reason);
    out.Set(static_cast<uint32_t>(i), item);
  }
  return out;
}

Napi::Value to_js(Napi::Env env, const std::vector<uint8_t>& bytes) {
  auto out = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(out.Data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace earlybird
