/* Decodes with libjpeg-turbo, and reads pictures without compression (PPM), into which images of other kinds are
 * decoded before training. It is C because libjpeg reports errors by longjmp, which must not jump over destructors. */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"
/* Comes after jpeglib.h, which it needs but does not include. */
#include <jerror.h>

/* Fancy upsampling also uses the colours of neighbouring pixels, and libjpeg decodes only the columns it was asked
 * for. MARGIN more columns on each side give the rectangle the same pixels as a decoding of the whole image. */
enum { MARGIN = 4 };

/* --- Errors and warnings --------------------------------------------------------------------------------------------
 */

static eb_jpeg* self_of(j_common_ptr info) { return (eb_jpeg*)info->client_data; }

void eb_fail(eb_jpeg* self, const char* reason) {
  snprintf(self->reason, sizeof self->reason, "%s", reason);
  longjmp(self->escape, 1);
}

static void on_error(j_common_ptr info) {
  eb_jpeg* self = self_of(info);
  if (self->errors.msg_code == JERR_OUT_OF_MEMORY) eb_fail(self, EB_JPEG_NO_MEMORY);
  if (self->ended) eb_fail(self, "truncated");
  char text[JMSG_LENGTH_MAX];
  self->errors.format_message(info, text);
  if (self->errors.msg_code != JERR_SOF_UNSUPPORTED) eb_fail(self, text);
  /* Pillow and sharp bring decoders that read more. */
  char reason[JMSG_LENGTH_MAX + 32];
  snprintf(reason, sizeof reason, "%.180s; `earlybird data pack` may convert it", text);
  eb_fail(self, reason);
}

/* libjpeg fills damaged parts with grey and only warns. Such an image must not be trained on. */
static void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  eb_jpeg* self = self_of(info);
  switch (self->errors.msg_code) {
    case JWRN_HIT_MARKER:
      if (self->ended) eb_fail(self, "truncated");
      eb_fail(self, "corrupt: the data of the picture ends too early");
      break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_MUST_RESYNC: {
      char text[JMSG_LENGTH_MAX], reason[JMSG_LENGTH_MAX + 16];
      self->errors.format_message(info, text);
      snprintf(reason, sizeof reason, "corrupt: %s", text);
      eb_fail(self, reason);
      break;
    }
    default: /* odd, but it does no harm to the pixels */
      break;
  }
}

static void on_progress(j_common_ptr info) {
  if (((j_decompress_ptr)info)->input_scan_number > MOST_SCANS)
    eb_fail(self_of(info), "corrupt: it has more than 500 scans");
}

static void on_output(j_common_ptr info) { (void)info; }

/* --- Bytes from memory ----------------------------------------------------------------------------------------------
 */

static void source_none(j_decompress_ptr info) { (void)info; }

/* Gives libjpeg an end-of-image marker in place of missing data; its warnings show whether pixels were lost. */
static boolean source_fill(j_decompress_ptr info) {
  static const JOCTET end[2] = {0xFF, JPEG_EOI};
  self_of((j_common_ptr)info)->ended = 1;
  info->src->next_input_byte = end;
  info->src->bytes_in_buffer = sizeof end;
  return TRUE;
}

static void source_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if ((size_t)count >= info->src->bytes_in_buffer) {
    source_fill(info);
    return;
  }
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= (size_t)count;
}

/* --- The interface --------------------------------------------------------------------------------------------------
 */

static void jpeg_plugin_destroy(eb_jpeg* self) {
  if (!self) return;
  jpeg_destroy_decompress(&self->info);
  free(self->pixels);
  free(self->row);
  free(self->out);
  free(self);
}

static int prepare(eb_jpeg* self) {
  self->info.err = jpeg_std_error(&self->errors);
  self->errors.error_exit = on_error;
  self->errors.emit_message = on_message;
  self->errors.output_message = on_output;
  self->info.client_data = self;
  if (setjmp(self->escape)) return 0;
  jpeg_create_decompress(&self->info);
  self->source.init_source = source_none;
  self->source.term_source = source_none;
  self->source.fill_input_buffer = source_fill;
  self->source.skip_input_data = source_skip;
  self->source.resync_to_restart = jpeg_resync_to_restart;
  self->info.src = &self->source;
  self->progress.progress_monitor = on_progress;
  self->info.progress = &self->progress;
  return 1;
}

static eb_jpeg* jpeg_plugin_create(char* reason, size_t size) {
  eb_jpeg* self = calloc(1, sizeof *self);
  if (self && prepare(self)) return self;
  snprintf(reason, size, "%s", self ? self->reason : EB_JPEG_NO_MEMORY);
  free(self);
  return NULL;
}

void eb_reserve(eb_jpeg* self, uint8_t** buffer, size_t* capacity, size_t bytes) {
  if (*capacity >= bytes) return;
  free(*buffer);
  *capacity = 0;
  *buffer = malloc(bytes);
  if (!*buffer) eb_fail(self, EB_JPEG_NO_MEMORY);
  *capacity = bytes;
}

static int jpeg_plugin_open(eb_jpeg* self, const uint8_t* data, size_t size, eb_jpeg_header* header) {
  static const uint8_t png[4] = {0x89, 'P', 'N', 'G'};
  if (setjmp(self->escape)) {
    jpeg_abort_decompress(&self->info);
    return 0;
  }
  jpeg_abort_decompress(&self->info);
  self->ended = 0;
  self->plain = NULL;
  self->packed.data = NULL;
  if (size == 0) eb_fail(self, "empty");
  if (size > 3 && memcmp(data, "P6\n", 3) == 0) return eb_plain_open(self, data, size, header);
  if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
    eb_fail(self, "a PNG, not a JPEG; `earlybird data pack` converts it");
  if (eb_is_packed(data, size)) eb_packed_open(self, data, size, &data, &size);
  if (size < 2 || data[0] != 0xFF || data[1] != 0xD8) eb_fail(self, "not a JPEG");
  self->source.next_input_byte = data;
  self->source.bytes_in_buffer = size;
  jpeg_read_header(&self->info, TRUE);
  if (self->packed.data && !eb_packed_fits(self)) eb_fail(self, "corrupt: its head is of another kind");
  header->width = (int)self->info.image_width;
  header->height = (int)self->info.image_height;
  header->components = self->info.num_components;
  if ((double)header->width * header->height > MOST_PIXELS) eb_fail(self, "too large (more than 178 megapixels)");
  return 1;
}

static uint8_t times(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return (uint8_t)(((product >> 8) + product) >> 8); /* a * b / 255, rounded */
}

/* CMYK files store inverted inks, a convention of Adobe: 255 means no ink, so a value is the light that is left. */
static void cmyk_to_rgb(const uint8_t* from, uint8_t* to, int count) {
  for (int i = 0; i < count; ++i, from += 4, to += 3)
    for (int c = 0; c < 3; ++c) to[c] = (uint8_t)(from[3] - times(255u - from[c], from[3]));
}

static int jpeg_plugin_decode(eb_jpeg* self, int left, int top, int width, int height, int denominator, int whole,
                              eb_jpeg_pixels* pixels) {
  struct jpeg_decompress_struct* info = &self->info;
  if (setjmp(self->escape)) {
    jpeg_abort_decompress(info);
    return 0;
  }
  if (self->plain) return eb_plain_decode(self, left, top, width, height, denominator, pixels);
  const int cmyk = info->num_components == 4;
  info->scale_num = 1;
  info->scale_denom = (unsigned)denominator;
  info->dct_method = JDCT_ISLOW;
  info->do_fancy_upsampling = TRUE;
  info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(info);
  const int columns = (int)info->output_width, rows = (int)info->output_height;
  if (left < 0 || top < 0 || width < 1 || height < 1 || left + width > columns || top + height > rows)
    eb_fail(self, "a rectangle outside the image was asked for");

  JDIMENSION first = (JDIMENSION)(left > MARGIN ? left - MARGIN : 0);
  const JDIMENSION end = (JDIMENSION)(left + width + MARGIN < columns ? left + width + MARGIN : columns);
  JDIMENSION span = end - first;
  if (span < info->output_width) jpeg_crop_scanline(info, &first, &span);
  if (self->packed.data) {
    if (whole) eb_packed_check(self);
    eb_packed_attach(self, first, info->output_width);
  }
  const size_t stride = ((size_t)info->output_width * 3 + 31) / 32 * 32;
  eb_reserve(self, &self->pixels, &self->capacity, stride * (size_t)height + SLACK);
  eb_reserve(self, &self->row, &self->row_capacity, (size_t)info->output_width * 4);

  if (top > 0) jpeg_skip_scanlines(info, (JDIMENSION)top);
  for (int y = 0; y < height;) {
    if (cmyk) {
      JSAMPROW row = self->row;
      if (jpeg_read_scanlines(info, &row, 1) != 1) eb_fail(self, "truncated");
      cmyk_to_rgb(self->row, self->pixels + (size_t)y * stride, (int)info->output_width);
      ++y;
      continue;
    }
    JSAMPROW some[8];
    int count = height - y < 8 ? height - y : 8;
    for (int i = 0; i < count; ++i) some[i] = self->pixels + (size_t)(y + i) * stride;
    const JDIMENSION got = jpeg_read_scanlines(info, some, (JDIMENSION)count);
    if (got == 0) eb_fail(self, "truncated");
    y += (int)got;
  }
  /* libjpeg checks what it skips before a row that is read, but not what comes after the last one. */
  const JDIMENSION left_over = whole && !self->packed.data ? info->output_height - info->output_scanline : 0;
  if (left_over > 1) jpeg_skip_scanlines(info, left_over - 1);
  if (left_over > 0) {
    JSAMPROW row = self->row;
    jpeg_read_scanlines(info, &row, 1);
  }
  jpeg_abort_decompress(info);
  pixels->data = self->pixels + ((size_t)left - first) * 3;
  pixels->stride = stride;
  return 1;
}

static int jpeg_plugin_pack(eb_jpeg* self, const uint8_t* data, size_t size, const uint8_t** packed,
                            size_t* packed_size) {
  eb_jpeg_header header;
  *packed_size = 0;
  if (!jpeg_plugin_open(self, data, size, &header)) return 0;
  if (self->plain || self->packed.data) return 1;
  if (setjmp(self->escape)) {
    jpeg_abort_decompress(&self->info);
    return 0;
  }
  if (eb_packed_make(self, data, size)) {
    *packed = self->out;
    *packed_size = self->out_size;
  }
  jpeg_abort_decompress(&self->info);
  return 1;
}

static const char* jpeg_plugin_error(const eb_jpeg* self) { return self->reason; }

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

__attribute__((visibility("default"))) const eb_jpeg_interface* EB_JPEG_ENTRY(void);

const eb_jpeg_interface* EB_JPEG_ENTRY(void) {
  static const eb_jpeg_interface table = {"libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION),
                                          jpeg_plugin_create,
                                          jpeg_plugin_destroy,
                                          jpeg_plugin_open,
                                          jpeg_plugin_decode,
                                          jpeg_plugin_pack,
                                          jpeg_plugin_error};
  return &table;
}
