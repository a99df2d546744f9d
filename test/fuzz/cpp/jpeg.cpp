// A JPEG in the training loader, and packed as `data pack --cache yuv` does. Anything may follow the magic bytes.
// sources: data/stream/{across_plan,image_files,image_reader,jpeg_decoder,resample,resized_crop}.cpp
#include "image.h"

using earlybird::JpegDecoder;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const double pixels = loader().pixels_of(data, size);
  if (pixels > kMostPixels) return 0;
  loader().check(data, size);

  JpegDecoder decoder;
  std::vector<uint8_t> packed;
  if (!decoder.pack(data, size, packed)) {
    if (decoder.error().empty()) broken("a failure has a reason");
    return 0;
  }
  if (packed.empty()) return 0;
  for (const bool train : {false, true}) {
    const Loader::Result jpeg = loader().read(data, size, train, 2);
    const Loader::Result cached = loader().read(packed.data(), packed.size(), train, 2);
    // One of a kind that libjpeg does not decode is packed, and is as bad.
    const bool same = jpeg.fault.empty() ? cached == jpeg : !cached.fault.empty();
    if (!same) broken("a packed image has the pixels of its JPEG: \"" + cached.fault + "\", \"" + jpeg.fault + "\"");
  }
  return 0;
}
