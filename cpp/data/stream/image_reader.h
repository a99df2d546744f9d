#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/stream/image_files.h"
#include "data/stream/jpeg_decoder.h"
#include "data/stream/resample.h"

namespace earlybird {

struct ImageTransform {
  bool train;  // random resized crop and flip; else the shorter side to `resize` and the centre
  int size;    // side of the result
  int resize;
};

/// Makes the square RGB input of encoded images, one after the other: only the rectangle that is needed is decoded. One
/// for each thread; it keeps its buffers.
class ImageReader {
 public:
  ImageReader(const ImageFiles& files, const ImageTransform& transform) : files_(files), transform_(transform) {}

  /// Writes size * size * 3 bytes. Returns what is wrong with the image, or "". Throws what is no fault of the image:
  /// ERR_FILE, ERR_OUT_OF_MEMORY.
  std::string read(int64_t index, uint64_t seed, uint32_t epoch, uint8_t* out);

 private:
  std::string train(const eb_jpeg_header& header, uint64_t seed, uint32_t epoch, int64_t index, uint8_t* out);
  std::string evaluate(const eb_jpeg_header& header, uint8_t* out);

  const ImageFiles& files_;
  ImageTransform transform_;
  JpegDecoder decoder_;
  std::vector<uint8_t> bytes_;
  ResampleAxis across_, down_;
  ResampleScratch scratch_;
};

}  // namespace earlybird
