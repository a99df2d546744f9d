/* Packed images: a JPEG without its Huffman code, which takes most of the time of decoding. The blocks of luma and
 * chroma keep their coefficients, and libjpeg makes pixels of them as it does of a JPEG: the same ones at every scale,
 * of any rectangle, and without the rows and columns outside it.
 *
 *   8 bytes   "EBYUV 1\n"
 *   uint32    CRC-32 of all that follows
 *   uint32    bytes of the head
 *   uint32    rows of MCUs, as many as the head says
 *   head      the beginning of a JPEG: its tables, frame and scan, without Huffman tables
 *   uint32    for each row of MCUs: where it begins in the blocks; after them: where the last one ends
 *   blocks    in the order of the JPEG's scan
 *
 * A block: a byte with the number of mask bytes (0 to 8) and, as its top bit, whether values are wide; the constant
 * coefficient (int16); the mask bytes, whose bits say which coefficients are not zero, in zigzag order; the values of
 * those, int8 or (wide) int16. Numbers have their lowest byte first. */
#include <stdlib.h>
#include <string.h>

#include "decoder.h"

enum { MAGIC = 8, FIXED = MAGIC + 12, WIDE = 0x80, MOST_BLOCK = 1 + 2 + 8 + 63 * 2, ENTRY = 4 };
static const uint8_t magic[MAGIC] = {'E', 'B', 'Y', 'U', 'V', ' ', '1', '\n'};

static uint32_t uint32_at(const uint8_t* at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_uint32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = (uint8_t)(value >> 8 * i);
}

static int16_t int16_at(const uint8_t* at) { return (int16_t)(uint16_t)(at[0] | at[1] << 8); }

static uint8_t* put_int16(uint8_t* at, int value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)((unsigned)value >> 8);
  return at + 2;
}

/* CRC-32 as in zip and PNG. */
static uint32_t crc_of(const uint8_t* data, size_t size) {
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0);
  }
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < size; ++i) crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
  return ~crc;
}

int eb_is_packed(const uint8_t* data, size_t size) { return size >= MAGIC && memcmp(data, magic, MAGIC - 2) == 0; }

/* libjpeg's description of its entropy decoder is not installed everywhere. */
#if defined(__has_include) && __has_include(<jpegint.h>)
#include <jpegint.h>

#if JPEG_LIB_VERSION >= 70
#define BLOCK_SIDE(info) (info)->min_DCT_h_scaled_size
#else
#define BLOCK_SIDE(info) (info)->min_DCT_scaled_size
#endif

static const uint8_t zigzag[64] = {0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
                                   12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
                                   35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
                                   58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* --- Reading --------------------------------------------------------------------------------------------------------
 */

void eb_packed_open(eb_jpeg* self, const uint8_t* data, size_t size, const uint8_t** head, size_t* head_size) {
  eb_packed* packed = &self->packed;
  if (memcmp(data, magic, MAGIC) != 0) eb_fail(self, "packed by another release: run `earlybird data pack` again");
  if (size < FIXED) eb_fail(self, "truncated");
  const size_t bytes = uint32_at(data + MAGIC + 4), rows = uint32_at(data + MAGIC + 8);
  if (bytes > size - FIXED || rows >= (size - FIXED - bytes) / ENTRY) eb_fail(self, "truncated");
  *head = data + FIXED;
  *head_size = bytes;
  packed->data = data;
  packed->size = size;
  packed->rows = (uint32_t)rows;
  packed->starts = *head + bytes;
  packed->blocks = packed->starts + (rows + 1) * ENTRY;
  packed->blocks_size = (size_t)(data + size - packed->blocks);
}

void eb_packed_check(eb_jpeg* self) {
  const eb_packed* packed = &self->packed;
  if (crc_of(packed->data + MAGIC + 4, packed->size - MAGIC - 4) != uint32_at(packed->data + MAGIC))
    eb_fail(self, "corrupt: its checksum is another");
}

/* The block after `at`, which is read into `out` unless that is null; null where it does not end before `end`. */
static const uint8_t* read_block(const uint8_t* at, const uint8_t* end, JCOEF* out) {
  if (end - at < 3) return NULL;
  const unsigned count = at[0] & 0x7Fu, wide = at[0] >> 7;
  const int constant = int16_at(at + 1);
  at += 3;
  if (count > 8 || (unsigned)(end - at) < count) return NULL;
  uint64_t mask = 0;
  for (unsigned i = 0; i < count; ++i) mask |= (uint64_t)at[i] << 8 * i;
  at += count;
  const size_t bytes = (size_t)__builtin_popcountll(mask) << wide;
  if ((size_t)(end - at) < bytes) return NULL;
  if (!out) return at + bytes;
  for (; mask; mask &= mask - 1, at += 1 + wide)
    out[zigzag[__builtin_ctzll(mask)]] = (JCOEF)(wide ? int16_at(at) : (int8_t)*at);
  out[0] = (JCOEF)constant;
  return at;
}

static void begin_row(eb_jpeg* self, uint32_t row) {
  eb_packed* packed = &self->packed;
  if (row >= packed->rows) eb_fail(self, "corrupt: rows of it are missing");
  const uint8_t* entry = packed->starts + (size_t)row * ENTRY;
  const uint32_t start = uint32_at(entry), end = uint32_at(entry + ENTRY);
  if (start > end || end > packed->blocks_size) eb_fail(self, "corrupt: a row begins behind its end");
  packed->at = packed->blocks + start;
  packed->end = packed->blocks + end;
}

/* Replaces libjpeg's Huffman decoder. The blocks are zero at the call; there are none in a row that is skipped. */
static boolean next_mcu(j_decompress_ptr info, JBLOCKROW* blocks) {
  eb_jpeg* self = (eb_jpeg*)info->client_data;
  eb_packed* packed = &self->packed;
  const uint32_t mcu = packed->mcu++, column = mcu % info->MCUs_per_row;
  if (!blocks || column > packed->last) return TRUE;
  if (column == 0) begin_row(self, mcu / info->MCUs_per_row);
  for (int i = 0; i < info->blocks_in_MCU; ++i) {
    packed->at = read_block(packed->at, packed->end, column < packed->first ? NULL : blocks[i][0]);
    if (!packed->at) eb_fail(self, "corrupt: a block ends too early");
  }
  return TRUE;
}

/* True for one scan of Huffman code, of which libjpeg asks for the blocks one MCU after another. */
int eb_packed_fits(const eb_jpeg* self) {
  const struct jpeg_decompress_struct* info = &self->info;
  return info->comps_in_scan == info->num_components && !info->progressive_mode && !info->arith_code &&
         info->data_precision == 8 && (info->num_components == 1 || info->num_components == 3);
}

void eb_packed_attach(eb_jpeg* self, uint32_t first, uint32_t count) {
  j_decompress_ptr info = &self->info;
  const int blocks = info->comps_in_scan > 1 ? info->max_h_samp_factor : 1;
  const uint32_t mcu = (uint32_t)(blocks * BLOCK_SIDE(info));
  self->packed.mcu = 0;
  self->packed.first = first / mcu;
  self->packed.last = (first + count - 1) / mcu;
  info->entropy->decode_mcu = next_mcu;
}

/* --- Writing --------------------------------------------------------------------------------------------------------
 */

/* Returns room for `bytes` more behind the output so far. */
static uint8_t* more(eb_jpeg* self, size_t bytes) {
  if (self->out_capacity - self->out_size < bytes) {
    const size_t capacity = (self->out_size + bytes) * 2;
    uint8_t* larger = realloc(self->out, capacity);
    if (!larger) eb_fail(self, EB_JPEG_NO_MEMORY);
    self->out = larger;
    self->out_capacity = capacity;
  }
  return self->out + self->out_size;
}

/* Writes the segments of a JPEG up to its first scan that say how to make pixels of coefficients. */
static void put_head(eb_jpeg* self, const uint8_t* data, size_t size) {
  memcpy(more(self, 2), data, 2);
  self->out_size += 2;
  for (size_t at = 2; at + 4 <= size;) {
    const unsigned marker = data[at + 1];
    if (data[at] != 0xFF || marker == 0xFF || marker == 0) {
      ++at; /* bytes between segments, which libjpeg passes by */
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {
      at += 2; /* these have no length */
      continue;
    }
    const size_t length = 2 + ((size_t)data[at + 2] << 8 | data[at + 3]);
    if (length < 4) {
      at += 4; /* shorter than its own length: libjpeg reads an empty segment, which as a copy would swallow the next */
      continue;
    }
    if (length > size - at) break;
    const int frame = marker == 0xC0 || marker == 0xC1, scan = marker == 0xDA, tables = marker == 0xDB;
    if (scan && (length < 5 || length < 6 + 2 * (size_t)data[at + 4])) break;
    if (frame || scan || tables || marker == 0xE0 || marker == 0xEE) {
      uint8_t* to = more(self, length);
      memcpy(to, data + at, length);
      self->out_size += length;
      if (scan) {
        for (int i = 0; i < to[4]; ++i) to[6 + 2 * i] = 0; /* one of the tables that libjpeg brings */
        return;
      }
    }
    at += length;
  }
  eb_fail(self, "corrupt: it has no scan");
}

static uint8_t* put_block(uint8_t* at, const JCOEF* block) {
  uint64_t mask = 0;
  int wide = 0;
  for (int i = 1; i < 64; ++i) {
    const int value = block[zigzag[i]];
    mask |= (uint64_t)(value != 0) << i;
    wide |= value < -128 || value > 127;
  }
  const int count = mask ? 8 - __builtin_clzll(mask) / 8 : 0;
  *at++ = (uint8_t)(count | (wide ? WIDE : 0));
  at = put_int16(at, block[0]);
  for (int i = 0; i < count; ++i) *at++ = (uint8_t)(mask >> 8 * i);
  for (; mask; mask &= mask - 1) {
    const int value = block[zigzag[__builtin_ctzll(mask)]];
    if (wide)
      at = put_int16(at, value);
    else
      *at++ = (uint8_t)value;
  }
  return at;
}

static void put_row(eb_jpeg* self, jvirt_barray_ptr* blocks, JDIMENSION row) {
  j_decompress_ptr info = &self->info;
  const int together = info->comps_in_scan > 1; /* otherwise an MCU is one block */
  JBLOCKARRAY of[MAX_COMPS_IN_SCAN];
  for (int c = 0; c < info->comps_in_scan; ++c) {
    const jpeg_component_info* part = info->cur_comp_info[c];
    const JDIMENSION high = together ? (JDIMENSION)part->v_samp_factor : 1;
    of[c] = info->mem->access_virt_barray((j_common_ptr)info, blocks[part->component_index], row * high, high, FALSE);
  }
  uint8_t* at = more(self, (size_t)info->MCUs_per_row * (size_t)info->blocks_in_MCU * MOST_BLOCK);
  for (JDIMENSION mcu = 0; mcu < info->MCUs_per_row; ++mcu)
    for (int c = 0; c < info->comps_in_scan; ++c) {
      const int wide = together ? info->cur_comp_info[c]->h_samp_factor : 1;
      const int high = together ? info->cur_comp_info[c]->v_samp_factor : 1;
      for (int y = 0; y < high; ++y)
        for (int x = 0; x < wide; ++x) at = put_block(at, of[c][y][mcu * (JDIMENSION)wide + (JDIMENSION)x]);
    }
  self->out_size = (size_t)(at - self->out);
}

int eb_packed_make(eb_jpeg* self, const uint8_t* data, size_t size) {
  j_decompress_ptr info = &self->info;
  self->out_size = 0;
  if (!eb_packed_fits(self)) return 0;
  jvirt_barray_ptr* blocks = jpeg_read_coefficients(info);
  const JDIMENSION rows = info->MCU_rows_in_scan;
  memcpy(more(self, FIXED), magic, MAGIC);
  self->out_size = FIXED;
  put_head(self, data, size);
  put_uint32(self->out + MAGIC + 4, (uint32_t)(self->out_size - FIXED));
  put_uint32(self->out + MAGIC + 8, rows);
  const size_t starts = self->out_size, first = starts + ((size_t)rows + 1) * ENTRY;
  more(self, first - starts);
  self->out_size = first;
  for (JDIMENSION row = 0; row < rows; ++row) {
    put_uint32(self->out + starts + (size_t)row * ENTRY, (uint32_t)(self->out_size - first));
    put_row(self, blocks, row);
  }
  put_uint32(self->out + starts + (size_t)rows * ENTRY, (uint32_t)(self->out_size - first));
  put_uint32(self->out + MAGIC, crc_of(self->out + MAGIC + 4, self->out_size - MAGIC - 4));
  return self->out_size - first < UINT32_MAX;
}

#else

static void missing(eb_jpeg* self) {
  eb_fail(self,
          "packed by `data pack --cache yuv`, which needs jpegint.h of libjpeg-turbo: install it and build again");
}

void eb_packed_open(eb_jpeg* self, const uint8_t* data, size_t size, const uint8_t** head, size_t* head_size) {
  (void)data, (void)size, (void)head, (void)head_size;
  missing(self);
}

void eb_packed_check(eb_jpeg* self) { missing(self); }

int eb_packed_fits(const eb_jpeg* self) { return self != NULL; }

void eb_packed_attach(eb_jpeg* self, uint32_t first, uint32_t count) {
  (void)first, (void)count;
  missing(self);
}

int eb_packed_make(eb_jpeg* self, const uint8_t* data, size_t size) {
  (void)data, (void)size;
  missing(self);
  return 0;
}

#endif
