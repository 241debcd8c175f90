// The inner loops of the JPEG encoder, compiled once for each instruction set. The including file names the namespace;
// nothing here may call an inline function that another file could also compile, or the linker might keep the wrong
// copy: so no standard library.
#include <stddef.h>
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace pyramidion {
namespace PYRAMIDION_KERNELS {

// RGB to YCbCr with weights of 16 fractional bits. Each row of weights sums up to 0 or 1, so that Cb and Cr can be had
// from differences. Cb and Cr round halves down, Y rounds them up.
enum : int {
  y_red = 19595,
  y_green = 38470,
  y_blue = 7471,
  cb_red = 11059,
  cb_green = 21709,
  cr_green = 27439,
  cr_blue = 5329,
  y_round = 1 << 15,
  chroma_round = (128 << 16) + (1 << 15) - 1
};

// The rotations of the Loeffler-Ligtenberg-Moschytz DCT with 13 fractional bits, multiplied out: an output is a sum of
// products, exact until its one rounding.
enum : int { fraction_bits = 13, extra_bits = 2 };  // the first pass leaves `extra_bits` for the second to round
enum : int { even_a = 4433, even_b = 10703, even_c = -10704 };
// Rows: outputs 1, 3, 5, 7; columns: differences of samples 3 − 4, 2 − 5, 1 − 6, 0 − 7.
static const int16_t odd[4][4] = {
    {2260, 6437, 9633, 11363}, {-6436, -11362, -2259, 9633}, {9633, 2261, -11362, 6437}, {-11363, 9633, -6436, 2260}};

static void split(const uint8_t* __restrict pixels, size_t width, uint8_t* __restrict planes, size_t stride) {
  for (size_t i = 0; i < width; ++i)
    for (size_t c = 0; c < 4; ++c) planes[c * stride + i] = pixels[4 * i + c];
}

#if defined(__AVX2__)

// A register of 16-bit lanes; what is done to it is done within each half of 128 bits, which holds a block of its own.
using Vector = __m256i;
enum : size_t { vector_blocks = 2 };

static inline Vector constant(int value) { return _mm256_set1_epi16(static_cast<int16_t>(value)); }
static inline Vector pair(int low, int high) { return _mm256_set1_epi32(high * 65536 + (low & 65535)); }
static inline Vector add(Vector a, Vector b) { return _mm256_add_epi16(a, b); }
static inline Vector subtract(Vector a, Vector b) { return _mm256_sub_epi16(a, b); }
static inline Vector low_8(Vector a, Vector b) { return _mm256_unpacklo_epi8(a, b); }
static inline Vector high_8(Vector a, Vector b) { return _mm256_unpackhi_epi8(a, b); }
static inline Vector low_16(Vector a, Vector b) { return _mm256_unpacklo_epi16(a, b); }
static inline Vector high_16(Vector a, Vector b) { return _mm256_unpackhi_epi16(a, b); }
static inline Vector low_32(Vector a, Vector b) { return _mm256_unpacklo_epi32(a, b); }
static inline Vector high_32(Vector a, Vector b) { return _mm256_unpackhi_epi32(a, b); }
static inline Vector low_64(Vector a, Vector b) { return _mm256_unpacklo_epi64(a, b); }
static inline Vector high_64(Vector a, Vector b) { return _mm256_unpackhi_epi64(a, b); }
template <int bits>
static inline Vector shift_left(Vector a) {
  return _mm256_slli_epi16(a, bits);
}
template <int bits>
static inline Vector shift_right(Vector a) {
  return _mm256_srai_epi16(a, bits);
}
static inline Vector multiply_high(Vector a, Vector b) { return _mm256_mulhi_epu16(a, b); }
static inline Vector magnitude(Vector a) { return _mm256_abs_epi16(a); }
static inline Vector with_sign(Vector a, Vector of) { return _mm256_sign_epi16(a, of); }
static inline Vector load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
static inline void store(void* to, Vector a) { _mm256_storeu_si256(static_cast<__m256i*>(to), a); }

// a · ka + b · kb of pairs of 16 bits, rounded to `bits` fewer.
template <int bits>
static inline Vector rotate(Vector a, Vector ka, Vector b, Vector kb) {
  const Vector round = _mm256_set1_epi32(1 << (bits - 1));
  const Vector sum = _mm256_add_epi32(_mm256_madd_epi16(a, ka), _mm256_madd_epi16(b, kb));
  return _mm256_srai_epi32(_mm256_add_epi32(sum, round), bits);
}
template <int bits>
static inline Vector rotate(Vector a, Vector ka) {
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_madd_epi16(a, ka), _mm256_set1_epi32(1 << (bits - 1))), bits);
}
static inline Vector join(Vector low, Vector high) { return _mm256_packs_epi32(low, high); }

// Two rows of a block, byte by byte in turns; the block to the right is in the upper half.
static inline Vector two_rows(const uint8_t* upper, const uint8_t* lower) {
  const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(upper));
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lower));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(a, b)), _mm_unpackhi_epi8(a, b), 1);
}

static inline void store_blocks(const Vector* rows, int16_t* blocks) {
  for (int i = 0; i < 8; i += 2) {
    store(blocks + 8 * i, _mm256_permute2x128_si256(rows[i], rows[i + 1], 0x20));
    store(blocks + 64 + 8 * i, _mm256_permute2x128_si256(rows[i], rows[i + 1], 0x31));
  }
}

// Which of 32 lanes of a, b are not 0.
static inline uint64_t nonzero_lanes(Vector a, Vector b) {
  const Vector bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xD8);
  return static_cast<uint32_t>(~_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_setzero_si256())));
}

// Pairs of 16 bits out of pixels, one pixel after another within each half.
struct Pairs {
  Vector red_green, green_blue, red_red, blue_blue;
};

// Group `i` of eight pixels out of 32: 0…3 of them in the lower half, 4…7 in the upper, where they begin at byte 4.
template <int i>
static inline Pairs pairs_of(const uint8_t* rgb) {
  const Vector pixels =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 24 * i))),
                              _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 24 * i + 8)), 1);
  const Vector red_green = _mm256_setr_epi8(0, -1, 1, -1, 3, -1, 4, -1, 6, -1, 7, -1, 9, -1, 10, -1,  //
                                            4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1, 13, -1, 14, -1);
  const Vector green_blue = _mm256_setr_epi8(1, -1, 2, -1, 4, -1, 5, -1, 7, -1, 8, -1, 10, -1, 11, -1,  //
                                             5, -1, 6, -1, 8, -1, 9, -1, 11, -1, 12, -1, 14, -1, 15, -1);
  const Vector red_red = _mm256_setr_epi8(0, -1, 0, -1, 3, -1, 3, -1, 6, -1, 6, -1, 9, -1, 9, -1,  //
                                          4, -1, 4, -1, 7, -1, 7, -1, 10, -1, 10, -1, 13, -1, 13, -1);
  const Vector blue_blue = _mm256_setr_epi8(2, -1, 2, -1, 5, -1, 5, -1, 8, -1, 8, -1, 11, -1, 11, -1,  //
                                            6, -1, 6, -1, 9, -1, 9, -1, 12, -1, 12, -1, 15, -1, 15, -1);
  return {_mm256_shuffle_epi8(pixels, red_green), _mm256_shuffle_epi8(pixels, green_blue),
          _mm256_shuffle_epi8(pixels, red_red), _mm256_shuffle_epi8(pixels, blue_blue)};
}

// The upper 16 bits of a · ka + round of pairs, or of a · ka + b · kb + round.
static inline Vector weigh(Vector a, Vector ka, int round) {
  return _mm256_srli_epi32(_mm256_add_epi32(_mm256_madd_epi16(a, ka), _mm256_set1_epi32(round)), 16);
}
static inline Vector weigh(Vector a, Vector ka, Vector b, Vector kb, int round) {
  const Vector sum = _mm256_add_epi32(_mm256_madd_epi16(a, ka), _mm256_madd_epi16(b, kb));
  return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(round)), 16);
}

// Stores four groups of 32-bit samples as bytes.
static inline void store_samples(const Vector* groups, uint8_t* out) {
  const Vector bytes = _mm256_packus_epi16(join(groups[0], groups[1]), join(groups[2], groups[3]));
  store(out, _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

#elif defined(__SSE2__)

// A register of 16-bit lanes: a row or column of one block.
using Vector = __m128i;
enum : size_t { vector_blocks = 1 };

static inline Vector constant(int value) { return _mm_set1_epi16(static_cast<int16_t>(value)); }
static inline Vector pair(int low, int high) { return _mm_set1_epi32(high * 65536 + (low & 65535)); }
static inline Vector add(Vector a, Vector b) { return _mm_add_epi16(a, b); }
static inline Vector subtract(Vector a, Vector b) { return _mm_sub_epi16(a, b); }
static inline Vector low_8(Vector a, Vector b) { return _mm_unpacklo_epi8(a, b); }
static inline Vector high_8(Vector a, Vector b) { return _mm_unpackhi_epi8(a, b); }
static inline Vector low_16(Vector a, Vector b) { return _mm_unpacklo_epi16(a, b); }
static inline Vector high_16(Vector a, Vector b) { return _mm_unpackhi_epi16(a, b); }
static inline Vector low_32(Vector a, Vector b) { return _mm_unpacklo_epi32(a, b); }
static inline Vector high_32(Vector a, Vector b) { return _mm_unpackhi_epi32(a, b); }
static inline Vector low_64(Vector a, Vector b) { return _mm_unpacklo_epi64(a, b); }
static inline Vector high_64(Vector a, Vector b) { return _mm_unpackhi_epi64(a, b); }
template <int bits>
static inline Vector shift_left(Vector a) {
  return _mm_slli_epi16(a, bits);
}
template <int bits>
static inline Vector shift_right(Vector a) {
  return _mm_srai_epi16(a, bits);
}
static inline Vector multiply_high(Vector a, Vector b) { return _mm_mulhi_epu16(a, b); }
static inline Vector with_sign(Vector a, Vector of) {
  const Vector sign = shift_right<15>(of);
  return subtract(_mm_xor_si128(a, sign), sign);
}
static inline Vector magnitude(Vector a) { return with_sign(a, a); }
static inline Vector load(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
static inline void store(void* to, Vector a) { _mm_storeu_si128(static_cast<__m128i*>(to), a); }

// a · ka + b · kb of pairs of 16 bits, rounded to `bits` fewer.
template <int bits>
static inline Vector rotate(Vector a, Vector ka, Vector b, Vector kb) {
  const Vector sum = _mm_add_epi32(_mm_madd_epi16(a, ka), _mm_madd_epi16(b, kb));
  return _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(1 << (bits - 1))), bits);
}
template <int bits>
static inline Vector rotate(Vector a, Vector ka) {
  return _mm_srai_epi32(_mm_add_epi32(_mm_madd_epi16(a, ka), _mm_set1_epi32(1 << (bits - 1))), bits);
}
static inline Vector join(Vector low, Vector high) { return _mm_packs_epi32(low, high); }

// Two rows of a block, byte by byte in turns.
static inline Vector two_rows(const uint8_t* upper, const uint8_t* lower) {
  return low_8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(upper)),
               _mm_loadl_epi64(reinterpret_cast<const __m128i*>(lower)));
}

static inline void store_blocks(const Vector* rows, int16_t* blocks) {
  for (int i = 0; i < 8; ++i) store(blocks + 8 * i, rows[i]);
}

// Which of 16 lanes of a, b are not 0.
static inline uint64_t nonzero_lanes(Vector a, Vector b) {
  const int zero = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_packs_epi16(a, b), _mm_setzero_si128()));
  return static_cast<uint64_t>(~zero & 65535);
}

// Pairs of 16 bits out of pixels, one pixel after another.
struct Pairs {
  Vector red_green, green_blue, red_red, blue_blue;
};

// Group `i` of four pixels out of 16. The last is loaded with the four bytes before it, the others with those after.
template <int i>
static inline Pairs pairs_of(const uint8_t* rgb) {
  enum : int { skip = i == 3 ? 4 : 0 };
  const Vector bytes = load(rgb + 12 * i - skip);
  const Vector pixels = low_64(low_32(_mm_srli_si128(bytes, skip), _mm_srli_si128(bytes, skip + 3)),
                               low_32(_mm_srli_si128(bytes, skip + 6), _mm_srli_si128(bytes, skip + 9)));
  const Vector low = _mm_set1_epi32(255), high = _mm_set1_epi32(255 << 16);
  const Vector red = _mm_and_si128(pixels, low), green = _mm_and_si128(_mm_srli_epi32(pixels, 8), low);
  const Vector blue = _mm_and_si128(pixels, high);  // in the upper 16 bits
  return {_mm_or_si128(red, _mm_slli_epi32(green, 16)), _mm_or_si128(green, blue),
          _mm_or_si128(red, _mm_slli_epi32(red, 16)), _mm_or_si128(_mm_srli_epi32(blue, 16), blue)};
}

// The upper 16 bits of a · ka + round of pairs, or of a · ka + b · kb + round.
static inline Vector weigh(Vector a, Vector ka, int round) {
  return _mm_srli_epi32(_mm_add_epi32(_mm_madd_epi16(a, ka), _mm_set1_epi32(round)), 16);
}
static inline Vector weigh(Vector a, Vector ka, Vector b, Vector kb, int round) {
  const Vector sum = _mm_add_epi32(_mm_madd_epi16(a, ka), _mm_madd_epi16(b, kb));
  return _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(round)), 16);
}

// Stores four groups of 32-bit samples as bytes.
static inline void store_samples(const Vector* groups, uint8_t* out) {
  store(out, _mm_packus_epi16(join(groups[0], groups[1]), join(groups[2], groups[3])));
}

#endif

#if defined(__SSE2__)

// One group of pixels out of four.
template <int i>
static inline void convert_group(const uint8_t* rgb, Vector* y, Vector* cb, Vector* cr) {
  const Pairs of = pairs_of<i>(rgb);
  // The weight of green is too large for 16 bits: it is split over the two pairs.
  y[i] = weigh(of.red_green, pair(y_red, y_green - 16384), of.green_blue, pair(16384, y_blue), y_round);
  cb[i] = weigh(subtract(of.blue_blue, of.red_green), pair(cb_red, cb_green), chroma_round);
  cr[i] = weigh(subtract(of.red_red, of.green_blue), pair(cr_green, cr_blue), chroma_round);
}

static inline void convert_groups(const uint8_t* rgb, uint8_t* y, uint8_t* cb, uint8_t* cr) {
  Vector luma[4], blue[4], red[4];
  convert_group<0>(rgb, luma, blue, red);
  convert_group<1>(rgb, luma, blue, red);
  convert_group<2>(rgb, luma, blue, red);
  convert_group<3>(rgb, luma, blue, red);
  store_samples(luma, y);
  store_samples(blue, cb);
  store_samples(red, cr);
}

static void convert(const uint8_t* rgb, size_t width, uint8_t* y, uint8_t* cb, uint8_t* cr) {
  enum : size_t { pixels = 16 * vector_blocks };
  size_t at = 0;
  for (; at + pixels <= width; at += pixels) convert_groups(rgb + 3 * at, y + at, cb + at, cr + at);
  if (at == width) return;
  uint8_t rest[3 * pixels] = {};
  for (size_t i = 0; i < 3 * (width - at); ++i) rest[i] = rgb[3 * at + i];
  convert_groups(rest, y + at, cb + at, cr + at);
}

static void halve(const uint8_t* upper, const uint8_t* lower, size_t count, uint8_t* out) {
  const __m128i low = _mm_set1_epi16(255), bias = _mm_set1_epi32(2 << 16 | 1);
  for (size_t i = 0; i < count; i += 16) {
    __m128i mean[2];
    for (size_t k = 0; k < 2; ++k) {
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(upper + 2 * i + 16 * k));
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lower + 2 * i + 16 * k));
      const __m128i left = _mm_add_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low));
      const __m128i right = _mm_add_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
      mean[k] = _mm_srli_epi16(_mm_add_epi16(_mm_add_epi16(left, right), bias), 2);
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_packus_epi16(mean[0], mean[1]));
  }
}

// The DCT of eight values, across registers. The first pass takes off the level shift of its unsigned samples (it
// weighs on the sum alone) and keeps `extra_bits`; the second rounds them away.
template <bool first>
static inline void dct(Vector* x) {
  enum : int { bits = first ? fraction_bits - extra_bits : fraction_bits + extra_bits };
  const Vector sum_0 = add(x[0], x[7]), sum_1 = add(x[1], x[6]), sum_2 = add(x[2], x[5]), sum_3 = add(x[3], x[4]);
  const Vector difference_0 = subtract(x[0], x[7]), difference_1 = subtract(x[1], x[6]);
  const Vector difference_2 = subtract(x[2], x[5]), difference_3 = subtract(x[3], x[4]);

  const Vector outer = add(sum_0, sum_3), inner = add(sum_1, sum_2);
  if (first) {
    x[0] = shift_left<extra_bits>(add(add(outer, inner), constant(-8 * 128)));
    x[4] = shift_left<extra_bits>(subtract(outer, inner));
  } else {
    const Vector round = constant(1 << (extra_bits - 1));
    x[0] = shift_right<extra_bits>(add(add(outer, inner), round));
    x[4] = shift_right<extra_bits>(add(subtract(outer, inner), round));
  }
  const Vector even_0 = subtract(sum_1, sum_2), even_1 = subtract(sum_0, sum_3);
  const Vector even_low = low_16(even_0, even_1), even_high = high_16(even_0, even_1);
  const Vector even_2 = pair(even_a, even_b), even_6 = pair(even_c, even_a);
  x[2] = join(rotate<bits>(even_low, even_2), rotate<bits>(even_high, even_2));
  x[6] = join(rotate<bits>(even_low, even_6), rotate<bits>(even_high, even_6));

  const Vector a_low = low_16(difference_3, difference_2), a_high = high_16(difference_3, difference_2);
  const Vector b_low = low_16(difference_1, difference_0), b_high = high_16(difference_1, difference_0);
  for (int i = 0; i < 4; ++i) {
    const Vector a = pair(odd[i][0], odd[i][1]), b = pair(odd[i][2], odd[i][3]);
    x[2 * i + 1] = join(rotate<bits>(a_low, a, b_low, b), rotate<bits>(a_high, a, b_high, b));
  }
}

static inline void transpose(Vector* x) {
  Vector a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = low_16(x[2 * i], x[2 * i + 1]);
    a[2 * i + 1] = high_16(x[2 * i], x[2 * i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int k = 0; k < 2; ++k) {
      b[i + 2 * k] = low_32(a[i + k], a[i + k + 2]);
      b[i + 2 * k + 1] = high_32(a[i + k], a[i + k + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = low_64(b[i], b[i + 4]);
    x[2 * i + 1] = high_64(b[i], b[i + 4]);
  }
}

static void transform(const uint8_t* samples, size_t stride, size_t count, int16_t* blocks) {
  for (size_t block = 0; block < count; block += vector_blocks) {
    const uint8_t* from = samples + 8 * block;
    // Columns of unsigned samples, one a register.
    Vector rows[4], columns[8];
    for (size_t i = 0; i < 4; ++i) rows[i] = two_rows(from + 2 * i * stride, from + (2 * i + 1) * stride);
    const Vector upper_left = low_16(rows[0], rows[1]), upper_right = high_16(rows[0], rows[1]);
    const Vector lower_left = low_16(rows[2], rows[3]), lower_right = high_16(rows[2], rows[3]);
    const Vector two_columns[4] = {low_32(upper_left, lower_left), high_32(upper_left, lower_left),
                                   low_32(upper_right, lower_right), high_32(upper_right, lower_right)};
    const Vector zero = constant(0);
    for (int i = 0; i < 4; ++i) {
      columns[2 * i] = low_8(two_columns[i], zero);
      columns[2 * i + 1] = high_8(two_columns[i], zero);
    }
    dct<true>(columns);
    transpose(columns);
    dct<false>(columns);
    store_blocks(columns, blocks + 64 * block);
  }
}

static void quantise(const int16_t* blocks, size_t count, const JpegDivisors& divisors, int16_t* out,
                     uint64_t* nonzero) {
  enum : size_t { lanes = 8 * vector_blocks };
  for (size_t block = 0; block < count; ++block) {
    uint64_t mask = 0;
    for (size_t i = 0; i < 64; i += 2 * lanes) {
      Vector quotient[2];
      for (size_t k = 0; k < 2; ++k) {
        const size_t at = i + k * lanes;
        const Vector value = load(blocks + 64 * block + at);
        const Vector rounded = add(magnitude(value), load(divisors.half + at));
        const Vector divided =
            multiply_high(multiply_high(rounded, load(divisors.reciprocal + at)), load(divisors.scale + at));
        quotient[k] = with_sign(divided, value);
        store(out + 64 * block + at, quotient[k]);
      }
      mask |= nonzero_lanes(quotient[0], quotient[1]) << i;
    }
    nonzero[block] = mask;
  }
}

static uint8_t* stuff(const uint8_t* bytes, size_t size, uint8_t* out) {
  const uint8_t* const end = bytes + size;
  while (end - bytes >= 16) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), some);
    const int full = _mm_movemask_epi8(_mm_cmpeq_epi8(some, _mm_set1_epi8(-1)));
    if (!full) {
      bytes += 16;
      out += 16;
      continue;
    }
    int length = 1;
    while (!(full >> (length - 1) & 1)) ++length;
    bytes += length;
    out += length;
    *out++ = 0;
  }
  while (bytes < end) {
    const uint8_t byte = *bytes++;
    *out++ = byte;
    if (byte == 255) *out++ = 0;
  }
  return out;
}

#else

static void convert(const uint8_t* __restrict rgb, size_t width, uint8_t* __restrict y, uint8_t* __restrict cb,
                    uint8_t* __restrict cr) {
  for (size_t i = 0; i < width; ++i) {
    const int red = rgb[3 * i], green = rgb[3 * i + 1], blue = rgb[3 * i + 2];
    y[i] = static_cast<uint8_t>((y_red * red + y_green * green + y_blue * blue + y_round) >> 16);
    cb[i] = static_cast<uint8_t>((cb_red * (blue - red) + cb_green * (blue - green) + chroma_round) >> 16);
    cr[i] = static_cast<uint8_t>((cr_green * (red - green) + cr_blue * (red - blue) + chroma_round) >> 16);
  }
}

static void halve(const uint8_t* __restrict upper, const uint8_t* __restrict lower, size_t count,
                  uint8_t* __restrict out) {
  for (size_t i = 0; i < count; ++i) {
    const int sum = upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1];
    out[i] = static_cast<uint8_t>((sum + 1 + static_cast<int>(i & 1)) >> 2);
  }
}

// The DCT of eight rows, for each of their columns. The first pass takes off the level shift of its unsigned samples
// (it weighs on the sum alone) and keeps `extra_bits`; the second rounds them away.
template <bool first>
static inline void dct(const int16_t (*in)[8], int16_t (*out)[8]) {
  enum : int { bits = first ? fraction_bits - extra_bits : fraction_bits + extra_bits, round = 1 << (bits - 1) };
  for (int i = 0; i < 8; ++i) {
    const int sum_0 = in[0][i] + in[7][i], sum_1 = in[1][i] + in[6][i];
    const int sum_2 = in[2][i] + in[5][i], sum_3 = in[3][i] + in[4][i];
    const int outer = sum_0 + sum_3, inner = sum_1 + sum_2;
    if (first) {
      out[0][i] = static_cast<int16_t>((outer + inner - 8 * 128) * (1 << extra_bits));
      out[4][i] = static_cast<int16_t>((outer - inner) * (1 << extra_bits));
    } else {
      out[0][i] = static_cast<int16_t>((outer + inner + (1 << (extra_bits - 1))) >> extra_bits);
      out[4][i] = static_cast<int16_t>((outer - inner + (1 << (extra_bits - 1))) >> extra_bits);
    }
    const int even_0 = sum_1 - sum_2, even_1 = sum_0 - sum_3;
    out[2][i] = static_cast<int16_t>((even_a * even_0 + even_b * even_1 + round) >> bits);
    out[6][i] = static_cast<int16_t>((even_c * even_0 + even_a * even_1 + round) >> bits);
    const int a = in[3][i] - in[4][i], b = in[2][i] - in[5][i], c = in[1][i] - in[6][i], d = in[0][i] - in[7][i];
    const auto rotated = [=](const int16_t* k) {
      return static_cast<int16_t>((k[0] * a + k[1] * b + k[2] * c + k[3] * d + round) >> bits);
    };
    out[1][i] = rotated(odd[0]);
    out[3][i] = rotated(odd[1]);
    out[5][i] = rotated(odd[2]);
    out[7][i] = rotated(odd[3]);
  }
}

static void transform(const uint8_t* samples, size_t stride, size_t count, int16_t* blocks) {
  for (size_t block = 0; block < count; ++block) {
    int16_t values[8][8], turned[8][8];
    for (size_t y = 0; y < 8; ++y)
      for (size_t x = 0; x < 8; ++x) values[x][y] = samples[y * stride + 8 * block + x];
    dct<true>(values, turned);
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) values[y][x] = turned[x][y];
    dct<false>(values, turned);
    for (size_t i = 0; i < 64; ++i) blocks[64 * block + i] = turned[i / 8][i % 8];
  }
}

static void quantise(const int16_t* __restrict blocks, size_t count, const JpegDivisors& divisors,
                     int16_t* __restrict out, uint64_t* __restrict nonzero) {
  for (size_t block = 0; block < count; ++block) {
    const int16_t* from = blocks + 64 * block;
    int16_t* to = out + 64 * block;
    for (size_t i = 0; i < 64; ++i) {
      const auto rounded = static_cast<uint16_t>((from[i] < 0 ? -from[i] : from[i]) + divisors.half[i]);
      const auto scaled = static_cast<uint16_t>(uint32_t{rounded} * divisors.reciprocal[i] >> 16);
      const auto divided = static_cast<int16_t>(uint32_t{scaled} * divisors.scale[i] >> 16);
      to[i] = static_cast<int16_t>(from[i] < 0 ? -divided : divided);
    }
    uint64_t mask = 0;
    for (size_t row = 0; row < 64; row += 8) {
      int any = 0;
      for (size_t i = row; i < row + 8; ++i) any |= to[i];
      if (!any) continue;
      for (size_t i = row; i < row + 8; ++i) mask |= static_cast<uint64_t>(to[i] != 0) << i;
    }
    nonzero[block] = mask;
  }
}

static uint8_t* stuff(const uint8_t* bytes, size_t size, uint8_t* out) {
  for (size_t i = 0; i < size; ++i) {
    out[0] = bytes[i];
    out[1] = 0;
    out += bytes[i] == 255 ? 2 : 1;
  }
  return out;
}

#endif

void fill(JpegKernels& table) {
  table.convert = convert;
  table.split = split;
  table.halve = halve;
  table.transform = transform;
  table.quantise = quantise;
  table.stuff = stuff;
}

}  // namespace PYRAMIDION_KERNELS
}  // namespace pyramidion
