#include "dataset_wrap.h"

#include "core/device.h"
#include "data/resident/resident_dataset.h"
#include "data/stream/jpeg_stream.h"
#include "environment.h"
#include "read_values.h"
#include "to_js.h"

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

/// The numbers of a typed array whose elements must be of type T.
template <typename T>
std::vector<T> numbers_in(const Napi::Object& object, const char* name, napi_typedarray_type type, const char* wanted) {
  const Napi::Value value = object.Get(name);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type)
    throw Error("ERR_USAGE", std::string("\"") + name + "\" must be " + wanted + ".");
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

/// Reads offsets and lengths in files: whole numbers, which are doubles in JavaScript.
std::vector<int64_t> byte_counts_in(const Napi::Object& object, const char* name, int64_t least) {
  std::vector<int64_t> out;
  for (const double value : numbers_in<double>(object, name, napi_float64_array, "a Float64Array")) {
    if (!(value >= static_cast<double>(least) && value <= 9007199254740991.0))
      throw Error("ERR_USAGE",
                  std::string("\"") + name + "\" must hold whole numbers from " + std::to_string(least) + ".");
    out.push_back(static_cast<int64_t>(value));
  }
  return out;
}

int64_t integer_from(const Napi::Object& object, const char* name, int64_t least, int64_t most) {
  const int64_t value = integer_in(object, name);
  if (value < least || value > most)
    throw Error("ERR_USAGE", std::string("\"") + name + "\" must be from " + std::to_string(least) + " to " +
                                 std::to_string(most) + ".");
  return value;
}

/// Reads the rank that shares the images with others; one of one if absent.
template <typename Spec>
void read_share(const Napi::Object& object, Spec& out) {
  if (object.Get("worldSize").IsUndefined()) return;
  out.world_size = integer_from(object, "worldSize", 1, 1 << 30);
  out.rank = integer_from(object, "rank", 0, out.world_size - 1);
}

/// Copies everything, so that the result outlives the JavaScript memory.
StreamSpec stream_spec_of(const Napi::Object& object) {
  StreamSpec out;
  const Napi::Value files = object.Get("files");
  if (!files.IsArray()) throw Error("ERR_USAGE", "\"files\" must be a list of paths.");
  const auto list = files.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(object.Env());
    out.places.files.push_back(list.Get(i).ToString().Utf8Value());
  }
  out.places.file = numbers_in<int32_t>(object, "file", napi_int32_array, "an Int32Array");
  out.places.offsets = byte_counts_in(object, "offsets", 0);
  out.places.lengths = byte_counts_in(object, "lengths", kWholeFile);
  out.labels = numbers_in<int32_t>(object, "labels", napi_int32_array, "an Int32Array");
  const size_t count = out.labels.size();
  if (out.places.file.size() != count || out.places.offsets.size() != count || out.places.lengths.size() != count)
    throw Error("ERR_SHAPE", "\"file\", \"offsets\", \"lengths\" and \"labels\" must be equally long.");
  out.classes = integer_in(object, "classes");
  out.device = string_in(object, "device");
  three_numbers(object, "mean", out.mean);
  three_numbers(object, "std", out.std);
  const std::string transform = string_in(object, "transform");
  if (transform != "train" && transform != "evaluate")
    throw Error("ERR_USAGE", "\"transform\" must be train or evaluate.");
  out.transform.train = transform == "train";
  out.transform.size = static_cast<int>(integer_from(object, "size", 1, 8192));
  out.transform.resize = static_cast<int>(integer_from(object, "resize", 1, 65535));
  out.workers = static_cast<int>(integer_from(object, "workers", 1, 1024));
  out.most_bad = integer_from(object, "maxBad", 0, 9007199254740991);
  read_share(object, out);
  return out;
}

/// Images and labels of the result are views of JavaScript memory, which `held` gets.
DatasetSpec dataset_spec_of(const Napi::Object& object, std::vector<Napi::Value>& held) {
  DatasetSpec out;
  held = {object.Get("images"), object.Get("labels")};
  const Bytes images = bytes_of(held[0], "images"), labels = bytes_of(held[1], "labels");
  const int64_t height = integer_in(object, "height"), width = integer_in(object, "width");
  const auto count = static_cast<int64_t>(labels.size / sizeof(int32_t));
  if (height < 1 || width < 1)
    throw Error("ERR_SHAPE", "Images of " + std::to_string(height) + "x" + std::to_string(width) + " have no pixels.");
  out.images = {Dtype::kUInt8, {count, height, width, 3}, images.data, images.size, nullptr};
  check_bytes("images", images.size, out.images.shape);
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
  read_share(object, out);
  return out;
}

}  // namespace

std::shared_ptr<Dataset> dataset_in(const Napi::Object& options) {
  return DatasetWrap::of(options.Get("dataset"), Environment::of(options.Env())->dataset_class, "dataset")->native();
}

Napi::Value create_dataset_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    std::vector<Napi::Value> held;
    DatasetSpec spec = dataset_spec_of(object_argument(info, 0, "spec"), held);
    return Job::start(
        info.Env(),
        [spec](Job&) mutable -> Job::Finish {
          spec.device = checked_device(spec.device);
          return [dataset = std::make_shared<ResidentDataset>(spec)](Napi::Env env) {
            return DatasetWrap::create(Environment::of(env)->dataset_class, dataset);
          };
        },
        {}, held);
  });
}

Napi::Value create_stream_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    // The spec is on the heap, so that the names of a million files are not copied again.
    auto spec = std::make_shared<StreamSpec>(stream_spec_of(object_argument(info, 0, "spec")));
    return Job::start(info.Env(), [spec](Job&) -> Job::Finish {
      spec->device = checked_device(spec->device);
      return [dataset = std::make_shared<JpegStream>(std::move(*spec))](Napi::Env env) {
        return DatasetWrap::create(Environment::of(env)->dataset_class, dataset);
      };
    });
  });
}

Napi::Value filter_images_js(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Bytes bytes = bytes_of(info[0], "images");
    HostTensor images{Dtype::kUInt8, shape_of(info[1], "shape"), bytes.data, bytes.size, nullptr};
    if (images.shape.size() != 4 || images.shape[3] != 3 || bytes.size == 0)
      throw Error("ERR_SHAPE", "\"images\" must have the shape [count, height, width, 3], and pixels.");
    check_bytes("images", bytes.size, images.shape);
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

Napi::Function DatasetWrap::define(Napi::Env env) {
  Properties properties = {InstanceAccessor<&DatasetWrap::count>("count"), InstanceMethod<&DatasetWrap::batch>("batch"),
                           InstanceMethod<&DatasetWrap::drain>("drain")};
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

Napi::Value DatasetWrap::drain(const Napi::CallbackInfo& info) {
  return promise(info.Env(), [&] {
    const Napi::Object options = object_argument(info, 0, "options");
    const auto seed = static_cast<uint64_t>(integer_in(options, "seed"));
    const auto epoch = static_cast<uint32_t>(integer_in(options, "epoch"));
    const int64_t batch_size = integer_in(options, "batchSize");
    return start(
        info.Env(),
        [dataset = native(), seed, epoch, batch_size](Job& job) -> Job::Finish {
          return [result = earlybird::drain(*dataset, seed, epoch, batch_size, *job.token)](Napi::Env env) {
            Napi::Object out = Napi::Object::New(env);
            out.Set("images", static_cast<double>(result.images));
            out.Set("seconds", result.seconds);
            out.Set("bad", to_js(env, result.bad));
            return out;
          };
        },
        options);
  });
}

}  // namespace earlybird
