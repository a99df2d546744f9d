#include "read_values.h"

#include <cmath>

#include "core/error.h"

namespace earlybird {

void wrong(const std::string& name, const std::string& wanted) {
  throw Error("ERR_USAGE", "\"" + name + "\" must be " + wanted + ".");
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
  // A getter may give another array the next time: the one that is viewed is the one that is held.
  const Napi::Value data = object.Get("data");
  const Bytes bytes = bytes_of(data, "data");
  check_bytes(name, bytes.size, out.shape, found->bytes);
  out.data = bytes.data;
  out.bytes = bytes.size;
  held.push_back(data);
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

}  // namespace earlybird
