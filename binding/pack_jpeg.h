#pragma once

#include "napi_setup.h"

namespace earlybird {

/// packJpeg: see the declaration in src/native/types/addon.ts.
Napi::Value pack_jpeg_js(const Napi::CallbackInfo& info);

}  // namespace earlybird
