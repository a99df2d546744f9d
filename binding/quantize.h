#pragma once

#include "napi_setup.h"

namespace earlybird {

Napi::Value block_quantize_js(const Napi::CallbackInfo& info);
Napi::Value mx_quantize_js(const Napi::CallbackInfo& info);
Napi::Value mx_convolution_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
