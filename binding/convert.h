#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/graph.h"
#include "core/host_tensor.h"
#include "model/description.h"
#include "napi_setup.h"
#include "train/pass_result.h"

namespace earlybird {

// Readers of fields. Each throws ERR_USAGE (or ERR_SHAPE, ERR_DTYPE for tensors) with the name of the field.

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
Cfg cfg_of(const Napi::Value& value);
/// True where "precision" is bf16; fp32 if absent.
bool bf16_in(const Napi::Object& object);

/// The graphs of the device, unless "capture" is false.
GraphFactory graphs_in(const Napi::Object& object, const std::string& device);
/// Reads "stochastic" or "nearest".
Rounding rounding_in(const Napi::Object& object);
MxScale mx_scale_in(const Napi::Object& object);
MxRounding mx_rounding_in(const Napi::Object& object, const char* name);
/// Reads "qtorch" (also if absent) or "swalp".
BlockFlavour flavour_in(const Napi::Object& object);
NumberFormats formats_in(const Napi::Object& object, const char* name);
/// Reads a position in an epoch; its start if absent.
PassPosition position_in(const Napi::Object& object, const char* name);

// Conversions to JavaScript.

Napi::Value to_js(Napi::Env env, const std::map<std::string, std::string>& strings);
Napi::Value to_js(Napi::Env env, const HostTensor& tensor);
Napi::Value to_js(Napi::Env env, const HostState& state);
Napi::Array array_of(Napi::Env env, const std::vector<int64_t>& values);
Napi::Array array_of(Napi::Env env, const std::vector<std::string>& values);
Napi::Value to_js(Napi::Env env, const ModelDescription& description);  // description.cpp, and of its layers
Napi::Value to_js(Napi::Env env, const std::vector<LayerInfo>& layers);
Napi::Value to_js(Napi::Env env, const PassResult& result);
Napi::Value to_js(Napi::Env env, const PassPosition& position);
Napi::Value to_js(Napi::Env env, const std::vector<BadImage>& images);
Napi::Value to_js(Napi::Env env, const std::vector<uint8_t>& bytes);

}  // namespace earlybird
