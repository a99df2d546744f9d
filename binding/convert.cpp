#include "convert.h"

#include <cmath>
#include <cstring>

#include "core/error.h"

namespace earlybird {
namespace {

[[noreturn]] void wrong(const std::string& name, const std::string& wanted) {
  throw Error("ERR_USAGE", "\"" + name + "\" must be " + wanted + ".");
}

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

double number_in(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) wrong(name, "a finite number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_in(const Napi::Object& object, const char* name) {
  const double value = number_in(object, name);
  if (value != std::floor(value) || std::abs(value) > 9007199254740991.0) wrong(name, "a whole number");
  return static_cast<int64_t>(value);
}

int64_t integer_in(const Napi::Object& object, const char* name, int64_t otherwise) {
  return object.Get(name).IsUndefined() ? otherwise : integer_in(object, name);
}

std::string string_in(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) wrong(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

bool boolean_in(const Napi::Object& object, const char* name, bool otherwise) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsBoolean()) wrong(name, "true or false");
  return value.As<Napi::Boolean>();
}

Napi::Object object_in(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) wrong(name, "an object");
  return value.As<Napi::Object>();
}

std::map<std::string, std::string> strings_in(const Napi::Object& object, const char* name) {
  std::map<std::string, std::string> out;
  if (object.Get(name).IsUndefined()) return out;
  const Napi::Object strings = object_in(object, name);
  const Napi::Array keys = strings.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString().Utf8Value();
    out[key] = string_in(strings, key.c_str());
  }
  return out;
}

std::vector<float> floats_in(const Napi::Object& object, const char* name) {
  std::vector<float> out;
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return out;
  if (!value.IsArray()) wrong(name, "a list of numbers");
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) out.push_back(list.Get(i).ToNumber().FloatValue());
  return out;
}

Napi::Object object_argument(const Napi::CallbackInfo& info, size_t position, const char* name) {
  if (info.Length() <= position || !info[position].IsObject()) wrong(name, "an object");
  return info[position].As<Napi::Object>();
}

Bytes bytes_of(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray()) wrong(name, "a typed array");
  const auto array = value.As<Napi::TypedArray>();
  return {static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

std::vector<int64_t> shape_of(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) wrong(name, "an array");
  const auto sizes = value.As<Napi::Array>();
  std::vector<int64_t> out;
  for (uint32_t i = 0; i < sizes.Length(); ++i) {
    const Napi::Value size = sizes.Get(i);
    const double number = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number < 9e15 && number == std::floor(number)))
      wrong(name, "an array of whole numbers from 0");
    out.push_back(static_cast<int64_t>(number));
  }
  return out;
}

void check_bytes(const std::string& name, size_t bytes, const std::vector<int64_t>& shape, size_t element_bytes) {
  size_t needed = element_bytes;
  bool countable = true;  // false once the product exceeds 64 bits, when it may equal the bytes by chance
  std::string text;
  for (const int64_t size : shape) {
    countable = countable && !__builtin_mul_overflow(needed, static_cast<size_t>(size), &needed);
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  if (countable && needed == bytes) return;
  throw Error("ERR_SHAPE", "\"" + name + "\" holds " + std::to_string(bytes) + " bytes; its shape (" + text +
                               ") needs " + (countable ? std::to_string(needed) : "more than any memory has") + ".");
}

HostTensor tensor_of(const Napi::Value& value, const std::string& name, std::vector<Napi::Value>& held) {
  if (!value.IsObject()) wrong(name, "a tensor {dtype, shape, data}");
  const auto object = value.As<Napi::Object>();
  HostTensor out;
  const std::string dtype = string_in(object, "dtype");
  const DtypeRow* found = nullptr;
  for (const DtypeRow& row : kDtypes)
    if (dtype == row.name) found = &row;
  if (!found) throw Error("ERR_DTYPE", "\"" + name + "\" has the unknown element type \"" + dtype + "\".");
  out.dtype = found->dtype;
  out.shape = shape_of(object.Get("shape"), name + ".shape");
  const Bytes bytes = bytes_of(object.Get("data"), "data");
  check_bytes(name, bytes.size, out.shape, found->bytes);
  out.data = bytes.data;
  out.bytes = bytes.size;
  held.push_back(object.Get("data"));
  return out;
}

HostState state_of(const Napi::Value& value, const std::string& name, std::vector<Napi::Value>& held) {
  if (!value.IsObject() || !value.As<Napi::Object>().Get("forEach").IsFunction()) wrong(name, "a Map of tensors");
  const auto map = value.As<Napi::Object>();
  const auto array = value.Env().Global().Get("Array").As<Napi::Object>();
  const auto entries = array.Get("from").As<Napi::Function>().Call(array, {map}).As<Napi::Array>();
  HostState out;
  for (uint32_t i = 0; i < entries.Length(); ++i) {
    const Napi::Value entry = entries.Get(i);
    if (!entry.IsArray()) wrong(name, "a Map of tensors");
    const std::string key = entry.As<Napi::Array>().Get(uint32_t{0}).ToString().Utf8Value();
    out.emplace_back(key, tensor_of(entry.As<Napi::Array>().Get(uint32_t{1}), key, held));
  }
  return out;
}

Cfg cfg_of(const Napi::Value& value) {
  Cfg out;
  if (value.IsUndefined()) return out;
  if (!value.IsArray() || value.As<Napi::Array>().Length() == 0) wrong("cfg", "a list of channel counts and 'M'");
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value entry = list.Get(i);
    if (entry.IsString() && entry.As<Napi::String>().Utf8Value() == "M") {
      out.push_back(kPool);
      continue;
    }
    const double width = entry.IsNumber() ? entry.As<Napi::Number>().DoubleValue() : 0;
    if (!(width >= 1 && width < 1e9 && width == std::floor(width)))
      throw Error("ERR_MODEL", "A cfg holds channel counts (1 or more) and 'M'.");
    out.push_back(static_cast<int64_t>(width));
  }
  return out;
}

GraphFactory graphs_in(const Napi::Object& object, const std::string& device) {
  return boolean_in(object, "capture", true) ? graphs_of(device) : GraphFactory();
}

bool bf16_in(const Napi::Object& object) {
  if (object.Get("precision").IsUndefined()) return false;
  const std::string precision = string_in(object, "precision");
  if (precision != "fp32" && precision != "bf16") wrong("precision", "fp32 or bf16");
  return precision == "bf16";
}

/// The index of a field's value among `values`.
static size_t choice_in(const Napi::Object& object, const char* field, std::initializer_list<const char*> values) {
  const std::string name = string_in(object, field);
  std::string known;
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (name == *value) return value - values.begin();
    known += (known.empty() ? "" : ", ") + std::string(*value);
  }
  throw Error("ERR_USAGE", std::string("\"") + field + "\" must be one of " + known + ", not '" + name + "'.");
}

MxScale mx_scale_in(const Napi::Object& object) {
  return static_cast<MxScale>(choice_in(object, "scale", {"floor", "rceil", "even"}));
}

MxRounding mx_rounding_in(const Napi::Object& object, const char* name) {
  return static_cast<MxRounding>(choice_in(object, name, {"even", "away", "stochastic"}));
}

Rounding rounding_in(const Napi::Object& object) {
  const std::string rounding = string_in(object, "rounding");
  if (rounding != "stochastic" && rounding != "nearest") wrong("rounding", "stochastic or nearest");
  return rounding == "nearest" ? Rounding::kNearest : Rounding::kStochastic;
}

BlockFlavour flavour_in(const Napi::Object& object) {
  if (object.Get("flavour").IsUndefined()) return BlockFlavour::kQtorch;
  const std::string flavour = string_in(object, "flavour");
  if (flavour != "qtorch" && flavour != "swalp") wrong("flavour", "qtorch or swalp");
  return flavour == "swalp" ? BlockFlavour::kSwalp : BlockFlavour::kQtorch;
}

PassPosition position_in(const Napi::Object& object, const char* name) {
  PassPosition out;
  if (object.Get(name).IsUndefined()) return out;
  const Napi::Object from = object_in(object, name);
  out.batches = integer_in(from, "batches");
  out.steps = integer_in(from, "steps");
  out.images = integer_in(from, "images");
  out.seconds = number_in(from, "seconds");
  out.waited = number_in(from, "waited");
  const Napi::Object sums = object_in(from, "sums"), bad = object_in(from, "bad");
  for (int64_t i = 0, count = integer_in(sums, "length"); i < count; ++i)
    out.sums.push_back(number_in(sums, std::to_string(i).c_str()));
  for (int64_t i = 0, count = integer_in(bad, "length"); i < count; ++i) {
    const Napi::Object image = object_in(bad, std::to_string(i).c_str());
    out.bad.push_back({integer_in(image, "index"), string_in(image, "reason")});
  }
  return out;
}

NumberFormats formats_in(const Napi::Object& object, const char* name) {
  const Napi::Object formats = object_in(object, name);
  const auto bits = [&](const char* of) {
    const int64_t value = integer_in(formats, of);
    if (value != NumberFormats::kFull && (value < 2 || value > 22))
      wrong(std::string(name) + "." + of, "a word length of 2 to 22 bits, or -1 for full precision");
    return value;
  };
  OperandFormats operands;
  const auto bits_or = [&](const char* of, const MxFormat*& format) {
    if (!formats.Get(of).IsString()) return bits(of);
    format = &mx_format(string_in(formats, of));
    return NumberFormats::kFull;
  };
  NumberFormats out{bits_or("weight", operands.weight),
                    bits_or("activate", operands.activate),
                    bits_or("grad", operands.grad),
                    bits_or("error", operands.error),
                    bits("momentum"),
                    rounding_in(formats),
                    flavour_in(formats)};
  if (operands.any()) operands.scale = mx_scale_in(formats);
  if (!formats.Get("operandRounding").IsUndefined())
    operands.forward = operands.backward = mx_rounding_in(formats, "operandRounding");
  if (!formats.Get("forwardWeight").IsUndefined()) operands.weight_bits = bits("forwardWeight");
  operands.keep_weights = boolean_in(formats, "roundedWeights", false);
  if (operands.keep_weights && !operands.weight)
    wrong(std::string(name) + ".roundedWeights", "true only where \"weight\" is an MX format");
  out.operands = operands;
  if (!formats.Get("nonFinite").IsUndefined()) {
    const std::string non_finite = string_in(formats, "nonFinite");
    if (non_finite != "error" && non_finite != "propagate") wrong("nonFinite", "error or propagate");
    out.refuse_non_finite = non_finite == "error";
  }
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
