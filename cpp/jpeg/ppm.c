/* PPM: "P6", width, height and 255, each after one blank, then RGB rows. */
#include "decoder.h"

/* Reads a number of at most six digits and the blank after it; -1 where there is none. */
static int number_at(const uint8_t* data, size_t size, size_t* at) {
  int value = 0;
  const size_t start = *at;
  while (*at < size && *at - start < 6 && data[*at] >= '0' && data[*at] <= '9')
    value = value * 10 + data[(*at)++] - '0';
  if (*at == start || *at >= size || (data[*at] != ' ' && data[*at] != '\n')) return -1;
  ++*at;
  return value;
}

int eb_plain_open(eb_jpeg* self, const uint8_t* data, size_t size, eb_jpeg_header* header) {
  size_t at = 3;
  const int width = number_at(data, size, &at), height = number_at(data, size, &at), most = number_at(data, size, &at);
  if (width < 1 || height < 1 || most != 255) eb_fail(self, "a PPM of a form that is not read");
  if ((double)width * height > MOST_PIXELS) eb_fail(self, "too large (more than 178 megapixels)");
  if ((size - at) / 3 / (size_t)width < (size_t)height) eb_fail(self, "truncated");
  self->plain = data + at;
  header->width = self->plain_width = width;
  header->height = self->plain_height = height;
  header->components = 3;
  return 1;
}

/* A pixel at 1/denominator of the size is the mean of a square, as in libjpeg. */
int eb_plain_decode(eb_jpeg* self, int left, int top, int width, int height, int denominator, eb_jpeg_pixels* pixels) {
  const int columns = (self->plain_width + denominator - 1) / denominator;
  const int rows = (self->plain_height + denominator - 1) / denominator;
  if (left < 0 || top < 0 || width < 1 || height < 1 || left + width > columns || top + height > rows)
    eb_fail(self, "a rectangle outside the image was asked for");
  const size_t stride = ((size_t)width * 3 + 31) / 32 * 32, line = (size_t)self->plain_width * 3;
  eb_reserve(self, &self->pixels, &self->capacity, stride * (size_t)height + SLACK);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const int x0 = (left + x) * denominator, y0 = (top + y) * denominator;
      const int x1 = x0 + denominator < self->plain_width ? x0 + denominator : self->plain_width;
      const int y1 = y0 + denominator < self->plain_height ? y0 + denominator : self->plain_height;
      const unsigned count = (unsigned)((x1 - x0) * (y1 - y0));
      for (int c = 0; c < 3; ++c) {
        unsigned sum = count / 2;
        for (int v = y0; v < y1; ++v)
          for (int u = x0; u < x1; ++u) sum += self->plain[(size_t)v * line + (size_t)u * 3 + (size_t)c];
        self->pixels[(size_t)y * stride + (size_t)x * 3 + (size_t)c] = (uint8_t)(sum / count);
      }
    }
  pixels->data = self->pixels;
  pixels->stride = stride;
  return 1;
}
