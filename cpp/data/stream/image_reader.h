#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/stream/image_files.h"
#include "data/stream/jpeg_decoder.h"
#include "data/stream/resample.h"

namespace earlybird {

struct ImageTransform {
  bool train;  // random resized crop and flip; otherwise the shorter side becomes `resize` and the centre is cropped
  int size;    // side of the result
  int resize;
};

/// Makes the square RGB input of one encoded image at a time, and decodes only the rectangle that is needed. Each
/// thread has its own, which keeps its buffers.
class ImageReader {
 public:
  ImageReader(const ImageFiles& files, const ImageTransform& transform) : files_(files), transform_(transform) {}

  /// Writes size * size * 3 bytes. Returns the fault of the image, or "". Throws ERR_FILE and ERR_OUT_OF_MEMORY, which
  /// are not faults of the image.
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
