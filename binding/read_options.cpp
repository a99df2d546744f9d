#include "read_options.h"

#include <cmath>
#include <initializer_list>

#include "core/error.h"
#include "read_values.h"

namespace earlybird {
namespace {

/// The index of a field's value among `values`.
size_t choice_in(const Napi::Object& object, const char* field, std::initializer_list<const char*> values) {
  const std::string name = string_in(object, field);
  std::string known;
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (name == *value) return value - values.begin();
    known += (known.empty() ? "" : ", ") + std::string(*value);
  }
  throw Error("ERR_USAGE", std::string("\"") + field + "\" must be one of " + known + ", not '" + name + "'.");
}

}  // namespace

Cfg cfg_of(const Napi::Value& value) {
  Cfg out;
  if (value.IsUndefined()) return out;
  if (!value.IsArray() || value.As<Napi::Array>().Length() == 0) wrong("cfg", "a list of channel counts and 'M'");
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value entry = list.Get(i);
    if (entry.IsString() && entry.As<Napi::String>().Utf8Value() == "M") {
      out.push_back(kPool);
      continue;
    }
    const double width = entry.IsNumber() ? entry.As<Napi::Number>().DoubleValue() : 0;
    if (!(width >= 1 && width < 1e9 && width == std::floor(width)))
      throw Error("ERR_MODEL", "A cfg holds channel counts (1 or more) and 'M'.");
    out.push_back(static_cast<int64_t>(width));
  }
  return out;
}

GraphFactory graphs_in(const Napi::Object& object, const std::string& device) {
  return boolean_in(object, "capture", true) ? graphs_of(device) : GraphFactory();
}

bool bf16_in(const Napi::Object& object) {
  if (object.Get("precision").IsUndefined()) return false;
  const std::string precision = string_in(object, "precision");
  if (precision != "fp32" && precision != "bf16") wrong("precision", "fp32 or bf16");
  return precision == "bf16";
}

MxScale mx_scale_in(const Napi::Object& object) {
  return static_cast<MxScale>(choice_in(object, "scale", {"floor", "rceil", "even"}));
}

MxRounding mx_rounding_in(const Napi::Object& object, const char* name) {
  return static_cast<MxRounding>(choice_in(object, name, {"even", "away", "stochastic"}));
}

Rounding rounding_in(const Napi::Object& object) {
  const std::string rounding = string_in(object, "rounding");
  if (rounding != "stochastic" && rounding != "nearest") wrong("rounding", "stochastic or nearest");
  return rounding == "nearest" ? Rounding::kNearest : Rounding::kStochastic;
}

BlockFlavour flavour_in(const Napi::Object& object) {
  if (object.Get("flavour").IsUndefined()) return BlockFlavour::kQtorch;
  const std::string flavour = string_in(object, "flavour");
  if (flavour != "qtorch" && flavour != "swalp") wrong("flavour", "qtorch or swalp");
  return flavour == "swalp" ? BlockFlavour::kSwalp : BlockFlavour::kQtorch;
}

PassPosition position_in(const Napi::Object& object, const char* name) {
  PassPosition out;
  if (object.Get(name).IsUndefined()) return out;
  const Napi::Object from = object_in(object, name);
  out.batches = integer_in(from, "batches");
  out.steps = integer_in(from, "steps");
  out.images = integer_in(from, "images");
  out.seconds = number_in(from, "seconds");
  out.waited = number_in(from, "waited");
  const Napi::Object sums = object_in(from, "sums"), bad = object_in(from, "bad");
  for (int64_t i = 0, count = integer_in(sums, "length"); i < count; ++i)
    out.sums.push_back(number_in(sums, std::to_string(i).c_str()));
  for (int64_t i = 0, count = integer_in(bad, "length"); i < count; ++i) {
    const Napi::Object image = object_in(bad, std::to_string(i).c_str());
    out.bad.push_back({integer_in(image, "index"), string_in(image, "reason")});
  }
  return out;
}

NumberFormats formats_in(const Napi::Object& object, const char* name) {
  const Napi::Object formats = object_in(object, name);
  const auto bits = [&](const char* of) {
    const int64_t value = integer_in(formats, of);
    if (value != NumberFormats::kFull && (value < 2 || value > 22))
      wrong(std::string(name) + "." + of, "a word length of 2 to 22 bits, or -1 for full precision");
    return value;
  };
  OperandFormats operands;
  const auto bits_or = [&](const char* of, const MxFormat*& format) {
    if (!formats.Get(of).IsString()) return bits(of);
    format = &mx_format(string_in(formats, of));
    return NumberFormats::kFull;
  };
  NumberFormats out{bits_or("weight", operands.weight),
                    bits_or("activate", operands.activate),
                    bits_or("grad", operands.grad),
                    bits_or("error", operands.error),
                    bits("momentum"),
                    rounding_in(formats),
                    flavour_in(formats)};
  if (operands.any()) operands.scale = mx_scale_in(formats);
  if (!formats.Get("operandRounding").IsUndefined())
    operands.forward = operands.backward = mx_rounding_in(formats, "operandRounding");
  if (!formats.Get("forwardWeight").IsUndefined()) operands.weight_bits = bits("forwardWeight");
  operands.keep_weights = boolean_in(formats, "roundedWeights", false);
  if (operands.keep_weights && !operands.weight)
    wrong(std::string(name) + ".roundedWeights", "true only where \"weight\" is an MX format");
  out.operands = operands;
  if (!formats.Get("nonFinite").IsUndefined()) {
    const std::string non_finite = string_in(formats, "nonFinite");
    if (non_finite != "error" && non_finite != "propagate") wrong("nonFinite", "error or propagate");
    out.refuse_non_finite = non_finite == "error";
  }
  return out;
}

}  // namespace earlybird
