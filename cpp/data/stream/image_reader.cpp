#include "data/stream/image_reader.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
#include "data/stream/resized_crop.h"

namespace earlybird {
namespace {

/// One axis of the evaluation transform: where the crop begins in the resized image, and the range of inputs it needs.
struct Centre {
  int64_t resized, from;  // more than 2^31 where a strip one pixel wide is enlarged
  int low, high;
};

Centre centre_of(int64_t side, int64_t shorter, const ImageTransform& transform) {
  Centre out;
  out.resized = transform.resize * side / shorter;
  out.from = static_cast<int64_t>(std::nearbyint(static_cast<double>(out.resized - transform.size) / 2.0));
  const double scale = static_cast<double>(side) / static_cast<double>(out.resized), reach = std::max(scale, 1.0) + 1;
  const auto from = static_cast<double>(out.from), to = static_cast<double>(out.from + transform.size);
  out.low = std::max(0, static_cast<int>(std::floor(from * scale - reach)));
  out.high = std::min(static_cast<int>(side), static_cast<int>(std::ceil(to * scale + reach)));
  return out;
}

}  // namespace

std::string ImageReader::read(int64_t index, uint64_t seed, uint32_t epoch, uint8_t* out) try {
  ImageFiles::Bytes bytes;
  if (std::string reason = files_.read(index, bytes_, bytes); !reason.empty()) return reason;
  eb_jpeg_header header;
  if (!decoder_.open(bytes.data, bytes.size, header)) return decoder_.error();
  std::string fault = transform_.train ? train(header, seed, epoch, index, out) : evaluate(header, index, out);
  if (fault.empty()) sound_.add(index);
  return fault;
} catch (const std::bad_alloc&) {
  throw Error("ERR_OUT_OF_MEMORY", files_.name(index) +
                                       ": memory ran out while it was decoded; lower --workers or "
                                       "--batch-size, or remove the image if it is very large.");
}

std::string ImageReader::train(const eb_jpeg_header& header, uint64_t seed, uint32_t epoch, int64_t index,
                               uint8_t* out) {
  const CropBox box = draw_resized_crop(header.width, header.height, seed, epoch, static_cast<uint64_t>(index));
  // libjpeg decodes at half size faster than at full size, with good quality.
  int denominator = 1;
  while (denominator < 8 && std::min(box.width, box.height) >= transform_.size * denominator * 2) denominator *= 2;
  const int left = box.left / denominator, top = box.top / denominator;
  const int right = (box.left + box.width + denominator - 1) / denominator;
  const int bottom = (box.top + box.height + denominator - 1) / denominator;
  eb_jpeg_pixels pixels;
  if (!decoder_.decode(left, top, right - left, bottom - top, denominator, !sound_.has(index), pixels))
    return decoder_.error();
  const double unit = denominator;
  across_.set(box.left / unit - left, box.width / unit, right - left, transform_.size, 0, transform_.size, box.flip);
  down_.set(box.top / unit - top, box.height / unit, bottom - top, transform_.size, 0, transform_.size, false);
  resample(pixels.data, pixels.stride, across_, down_, out, scratch_);
  return "";
}

std::string ImageReader::evaluate(const eb_jpeg_header& header, int64_t index, uint8_t* out) {
  const int shorter = std::min(header.width, header.height);
  const Centre x = centre_of(header.width, shorter, transform_), y = centre_of(header.height, shorter, transform_);
  eb_jpeg_pixels pixels;
  if (!decoder_.decode(x.low, y.low, x.high - x.low, y.high - y.low, 1, !sound_.has(index), pixels))
    return decoder_.error();
  across_.set(-x.low, header.width, x.high - x.low, x.resized, x.from, transform_.size, false);
  down_.set(-y.low, header.height, y.high - y.low, y.resized, y.from, transform_.size, false);
  resample(pixels.data, pixels.stride, across_, down_, out, scratch_);
  return "";
}

}  // namespace earlybird
