#pragma once

#include <memory>

#include "model/network_data.h"
#include "napi_setup.h"

namespace earlybird {

/// Reads the field `name`: a network that is data, or null where it holds the name of a built-in one.
std::shared_ptr<const NetworkData> network_data_in(const Napi::Object& object, const char* name);

/// Parses the object anew from the text of which it was read.
Napi::Value to_js(Napi::Env env, const NetworkData& network);

}  // namespace earlybird
