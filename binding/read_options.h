#pragma once

#include <string>

#include "core/graph.h"
#include "model/description.h"
#include "napi_setup.h"
#include "train/pass_result.h"

namespace earlybird {

// Readers of options of models, passes and roundings. Each throws ERR_USAGE with the name of the field, cfg_of
// ERR_MODEL as well.

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

}  // namespace earlybird
