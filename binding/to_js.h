#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/host_tensor.h"
#include "model/description.h"
#include "napi_setup.h"
#include "train/pass_result.h"

namespace earlybird {

// Conversions of results to JavaScript.

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
