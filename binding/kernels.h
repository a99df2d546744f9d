#pragma once

#include "napi_setup.h"

namespace earlybird {

Napi::Value set_kernels_js(const Napi::CallbackInfo& info);
Napi::Value kernels_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
