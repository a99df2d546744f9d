// A PPM, as `data pack` writes for pictures that are no JPEG: the bytes behind "P6" and its line end are the input.
// sources: data/stream/{across_plan,image_files,image_reader,jpeg_decoder,resample,resized_crop}.cpp
#include "image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> image = {'P', '6', '\n'};
  image.insert(image.end(), data, data + size);
  image.shrink_to_fit();
  if (loader().pixels_of(image.data(), image.size()) <= kMostPixels) loader().check(image.data(), image.size());
  return 0;
}
