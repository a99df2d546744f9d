#pragma once

#include "napi_setup.h"

namespace earlybird {

// blockQuantize and benchKernels of src/native/types.ts.

Napi::Value block_quantize_js(const Napi::CallbackInfo& info);
Napi::Value bench_kernels_js(const Napi::CallbackInfo& info);
Napi::Value bench_ceilings_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
