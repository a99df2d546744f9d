#pragma once

#include "napi_setup.h"

namespace earlybird {

/// Prepares the process: the host allocator, numeric settings, and a clean end. Does its work once, however many
/// environments load the addon.
void prepare_process();

Napi::Value runtime_js(const Napi::CallbackInfo& info);
Napi::Value dtypes_js(Napi::Env env);

}  // namespace earlybird
