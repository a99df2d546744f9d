/* The interface of the decoder plugin (earlybird_jpeg.so). Plain C without types of libjpeg, so that the addon needs
 * neither its headers nor its library, and the plugin does not need LibTorch. */
#ifndef EARLYBIRD_JPEG_INTERFACE_H
#define EARLYBIRD_JPEG_INTERFACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One decoder, for one thread at a time and any number of images one after another. */
typedef struct eb_jpeg eb_jpeg;

typedef struct {
  int width, height, components;
} eb_jpeg_header;

/* RGB rows. They belong to the decoder and are valid until its next call; at least 64 bytes after the last row are
 * readable, so that vector code can load whole registers. */
typedef struct {
  const uint8_t* data;
  size_t stride;
} eb_jpeg_pixels;

/* The reason if memory ran out, which is not a fault of the image. */
#define EB_JPEG_NO_MEMORY "memory ran out"

typedef struct {
  /* Text for display, for example "libjpeg-turbo 2.1.5". */
  const char* version;

  /* Returns null on failure, with a sentence in `reason`, a buffer of `size` bytes: the plugin was built for another
   * libjpeg, or EB_JPEG_NO_MEMORY. */
  eb_jpeg* (*create)(char* reason, size_t size);
  void (*destroy)(eb_jpeg*);

  /* Reads the header of the image in memory, which must stay there until the next `open`. Returns 0 on failure: see
   * `error`. */
  int (*open)(eb_jpeg*, const uint8_t* data, size_t size, eb_jpeg_header* header);

  /* Decodes a rectangle of the opened image at 1/denominator (1, 2, 4 or 8) of its size, given in pixels of the scaled
   * image, which measures ceil(size / denominator). `whole`: reads to the end of the image, so that a damaged one fails
   * whatever the rectangle. Call it once for each `open`. Returns 0 on failure: see `error`. */
  int (*decode)(eb_jpeg*, int left, int top, int width, int height, int denominator, int whole, eb_jpeg_pixels* pixels);

  /* Packs a JPEG in memory for `data pack --cache yuv`: `open` reads it faster, and `decode` gives the same pixels. The
   * bytes belong to the decoder until its next call; none where a JPEG of this kind cannot be packed. Returns 0 on
   * failure. */
  int (*pack)(eb_jpeg*, const uint8_t* data, size_t size, const uint8_t** packed, size_t* packed_size);

  /* The reason why the last call failed, in a few words that complete "image.JPEG: ...". */
  const char* (*error)(const eb_jpeg*);
} eb_jpeg_interface;

/* The plugin's only exported symbol is a function of this type. The number in its name changes with this file. */
typedef const eb_jpeg_interface* (*eb_jpeg_entry)(void);
#define EB_JPEG_ENTRY earlybird_jpeg_interface_v4
#define EB_JPEG_ENTRY_NAME "earlybird_jpeg_interface_v4"

#ifdef __cplusplus
}
#endif

#endif
