// A packed image with a checksum that fits: the bytes behind it, from the size of the head on, are the input. Behind a
// checksum, blocks that a crop does not need are not looked at, so that other crops may find a fault there.
// sources: data/stream/{across_plan,image_files,image_reader,jpeg_decoder,resample,resized_crop}.cpp
#include <zlib.h>

#include <cstring>

#include "image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> image(12 + size);
  const auto crc = static_cast<uint32_t>(crc32(0, data, static_cast<uInt>(size)));
  std::memcpy(image.data(), "EBYUV 1\n", 8);
  std::memcpy(image.data() + 8, &crc, 4);
  if (size > 0) std::memcpy(image.data() + 12, data, size);
  if (loader().pixels_of(image.data(), image.size()) <= kMostPixels)
    loader().check(image.data(), image.size(), /*same_fault=*/false);
  return 0;
}
