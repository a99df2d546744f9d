#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/host_tensor.h"
#include "napi_setup.h"

namespace earlybird {

// Readers of plain values, bytes and tensors. Each throws ERR_USAGE (or ERR_SHAPE, ERR_DTYPE for tensors) with the
// name of the field.

/// Throws ERR_USAGE: "`name`" must be `wanted`.
[[noreturn]] void wrong(const std::string& name, const std::string& wanted);

double number_in(const Napi::Object& object, const char* name);
int64_t integer_in(const Napi::Object& object, const char* name);
int64_t integer_in(const Napi::Object& object, const char* name, int64_t otherwise);
std::string string_in(const Napi::Object& object, const char* name);
bool boolean_in(const Napi::Object& object, const char* name, bool otherwise);
Napi::Object object_in(const Napi::Object& object, const char* name);
Napi::Object object_argument(const Napi::CallbackInfo& info, size_t position, const char* name);

/// Reads an object of strings; empty if absent.
std::map<std::string, std::string> strings_in(const Napi::Object& object, const char* name);

/// Reads a list of numbers; empty if absent.
std::vector<float> floats_in(const Napi::Object& object, const char* name);

/// A view of the bytes of a typed array, valid while the array is alive and not detached.
struct Bytes {
  const uint8_t* data;
  size_t size;
};
Bytes bytes_of(const Napi::Value& value, const char* name);

/// Reads a list of whole numbers from 0.
std::vector<int64_t> shape_of(const Napi::Value& value, const std::string& name);
/// Throws ERR_SHAPE unless a tensor of this shape and element size takes `bytes` bytes.
void check_bytes(const std::string& name, size_t bytes, const std::vector<int64_t>& shape, size_t element_bytes = 1);

/// A view of a TensorData. Adds the viewed array to `held`, because the caller may change the object.
HostTensor tensor_of(const Napi::Value& value, const std::string& name, std::vector<Napi::Value>& held);
/// Views of a Map of TensorData.
HostState state_of(const Napi::Value& value, const std::string& name, std::vector<Napi::Value>& held);

}  // namespace earlybird
