#include "dataset_wrap.h"

#include "convert.h"

namespace earlybird {
namespace {

void three_numbers(const Napi::Object& object, const char* name, double* out) {
  const Napi::Object list = object_in(object, name);
  for (uint32_t i = 0; i < 3; ++i) {
    const Napi::Value value = list.Get(i);
    if (!value.IsNumber()) throw Error("ERR_USAGE", std::string("\"") + name + "\" must hold three numbers.");
    out[i] = value.As<Napi::Number>().DoubleValue();
  }
}

}  // namespace

DatasetSpec dataset_spec_of(const Napi::Object& object) {
  DatasetSpec out;
  const Bytes images = bytes_of(object.Get("images"), "images"), labels = bytes_of(object.Get("labels"), "labels");
  const int64_t height = integer_in(object, "height"), width = integer_in(object, "width");
  const auto count = static_cast<int64_t>(labels.size / sizeof(int32_t));
  if (height < 1 || width < 1 || static_cast<int64_t>(images.size) != count * height * width * 3)
    throw Error("ERR_SHAPE", "The dataset's images hold " + std::to_string(images.size) + " bytes; " +
                                 std::to_string(count) + " labels of " + std::to_string(height) + "x" +
                                 std::to_string(width) + "x3 images need " +
                                 std::to_string(count * height * width * 3) + ".");
  out.images = {Dtype::kUInt8, {count, height, width, 3}, images.data, images.size, nullptr};
  out.labels = {Dtype::kInt32, {count}, labels.data, labels.size, nullptr};
  out.classes = integer_in(object, "classes");
  out.device = string_in(object, "device");
  three_numbers(object, "mean", out.mean);
  three_numbers(object, "std", out.std);
  out.padding = integer_in(object, "padding");
  if (out.padding < 0 || out.padding > 1024) throw Error("ERR_USAGE", "\"padding\" must be from 0 to 1024.");
  out.flip = boolean_in(object, "flip", false);
  const Napi::Object filter = object_in(object, "filter");
  out.filter = string_in(filter, "kind");
  out.sigma = number_in(filter, "sigma");
  out.threshold = number_in(object, "threshold");
  return out;
}

Napi::Function DatasetWrap::define(Napi::Env env) {
  Properties properties = {InstanceAccessor<&DatasetWrap::count>("count"),
                           InstanceMethod<&DatasetWrap::batch>("batch")};
  add_common(env, properties);
  return DefineClass(env, "Dataset", properties);
}

Napi::Value DatasetWrap::count(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(native()->count())); });
}

Napi::Value DatasetWrap::batch(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    if (!info[0].IsArray()) throw Error("ERR_USAGE", "\"indexes\" must be a list of numbers.");
    const auto list = info[0].As<Napi::Array>();
    std::vector<int64_t> indexes;
    for (uint32_t i = 0; i < list.Length(); ++i) indexes.push_back(list.Get(i).ToNumber().Int64Value());
    const Napi::Object options = object_argument(info, 1, "options");
    const auto seed = static_cast<uint64_t>(integer_in(options, "seed"));
    const auto epoch = static_cast<uint32_t>(integer_in(options, "epoch"));
    return start(info.Env(), [dataset = native(), indexes, seed, epoch](Job&) -> Job::Finish {
      return [images = dataset->batch(indexes, seed, epoch),
              labels = dataset->labels(indexes)](Napi::Env env) -> Napi::Value {
        Napi::Object out = Napi::Object::New(env);
        out.Set("images", to_js(env, images));
        auto array = Napi::Int32Array::New(env, labels.size());
        std::copy(labels.begin(), labels.end(), array.Data());
        out.Set("labels", array);
        return out;
      };
    });
  });
}

}  // namespace earlybird
