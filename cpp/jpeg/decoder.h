/* The state and functions that the files of the plugin share. */
#ifndef EARLYBIRD_JPEG_DECODER_H
#define EARLYBIRD_JPEG_DECODER_H

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include "jpeg_interface.h"

enum { SLACK = 64 };
/* A few bytes can ask for one more pass over the picture. Encoders make about ten scans; libjpeg-turbo's own fuzzers
 * have this limit. */
enum { MOST_SCANS = 500 };
/* Pillow has the same limit; a header of a few bytes can claim 4 gigapixels. */
#define MOST_PIXELS 178956970.0

/* The blocks of a packed image (packed.c) while it is decoded. */
typedef struct {
  const uint8_t* data; /* null for an image of another kind */
  size_t size;
  uint32_t rows;         /* number of rows of MCUs */
  const uint8_t* starts; /* place of each row in `blocks`, and the end of the last one */
  const uint8_t* blocks;
  size_t blocks_size;
  const uint8_t *at, *end; /* the rest of the current row */
  uint32_t mcu;            /* the next one, counted over the image */
  uint32_t first, last;    /* wanted columns of MCUs */
} eb_packed;

struct eb_jpeg {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf escape;
  char reason[JMSG_LENGTH_MAX + 32];
  int ended; /* the data ran out before the image did */
  uint8_t* pixels;
  size_t capacity;
  uint8_t* row; /* one row in CMYK, or one that is not wanted */
  size_t row_capacity;
  const uint8_t* plain; /* the pixels of a PPM; null for a JPEG */
  int plain_width, plain_height;
  eb_packed packed;
  uint8_t* out; /* a packed image that was made */
  size_t out_size, out_capacity;
};

/* Leaves the call with a reason. */
void eb_fail(eb_jpeg* self, const char* reason);

/* Makes a buffer as large as this; its content is lost. */
void eb_reserve(eb_jpeg* self, uint8_t** buffer, size_t* capacity, size_t bytes);

/* PPM. */
int eb_plain_open(eb_jpeg* self, const uint8_t* data, size_t size, eb_jpeg_header* header);
int eb_plain_decode(eb_jpeg* self, int left, int top, int width, int height, int denominator, eb_jpeg_pixels* pixels);

/* Packed images. `eb_packed_open` sets the bytes that libjpeg reads as the beginning of a JPEG; its header must fit. */
int eb_is_packed(const uint8_t* data, size_t size);
void eb_packed_open(eb_jpeg* self, const uint8_t* data, size_t size, const uint8_t** head, size_t* head_size);
int eb_packed_fits(const eb_jpeg* self);
/* Gives libjpeg the blocks, after jpeg_start_decompress, for `count` columns of pixels from `first` on. */
void eb_packed_attach(eb_jpeg* self, uint32_t first, uint32_t count);
/* Fails where a byte is not the one that was written. */
void eb_packed_check(eb_jpeg* self);
/* Packs the image whose header was read, into `out`. Returns 0 for one that cannot be packed. */
int eb_packed_make(eb_jpeg* self, const uint8_t* data, size_t size);

#endif
