#pragma once

#include <memory>

#include "model/network_data.h"
#include "napi_setup.h"

namespace earlybird {

/// The field "arch": a network that is data, or null where it is the name of one.
std::shared_ptr<const NetworkData> network_data_in(const Napi::Object& object, const char* name);

/// The object that it was read from, anew.
Napi::Value to_js(Napi::Env env, const NetworkData& network);

}  // namespace earlybird
