#pragma once

#include "napi_setup.h"

namespace earlybird {

Napi::Value bench_kernels_js(const Napi::CallbackInfo& info);
Napi::Value bench_ceilings_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
