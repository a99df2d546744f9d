#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "jpeg/jpeg_interface.h"

namespace earlybird {

/// Opens the decoder plugin (earlybird_jpeg.so) by path; it is never closed. Throws ERR_NOT_BUILT.
void load_jpeg_plugin(const std::string& path);

/// The decoder library, for example "libjpeg-turbo 2.1.5"; "" without a plugin.
std::string jpeg_plugin_version();

/// A decoder for one thread. Throws ERR_NOT_BUILT if no plugin was loaded, or one for another libjpeg.
class JpegDecoder {
 public:
  JpegDecoder();
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// See eb_jpeg_interface. Returns false on failure; `error` gives the reason. Throws std::bad_alloc.
  bool open(const uint8_t* data, size_t size, eb_jpeg_header& header);
  bool decode(int left, int top, int width, int height, int denominator, bool whole, eb_jpeg_pixels& pixels);
  /// Sets `packed` to the image without its Huffman code; empty where it cannot be packed.
  bool pack(const uint8_t* data, size_t size, std::vector<uint8_t>& packed);
  std::string error() const;

 private:
  const eb_jpeg_interface* library_;
  eb_jpeg* decoder_;
};

}  // namespace earlybird
