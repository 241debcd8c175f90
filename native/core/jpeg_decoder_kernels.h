// The inner loops of the JPEG decoder, compiled once for each instruction set. The including file names the namespace;
// nothing here may call an inline function that another file could also compile, or the linker might keep the wrong
// copy: so no standard library.
#include <stddef.h>
#include <stdint.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace pyramidion {
namespace PYRAMIDION_JPEG_KERNELS {

#define RESTRICT __restrict

// --- Entropy-coded data

// Where in a pair the coefficient at a zigzag position belongs. A step beyond the block leads to the last place: an
// end of block writes its 0 there, which is free still.
struct Zigzag {
  uint8_t place[64 + JpegHuffman::end_step];
};

static constexpr Zigzag make_zigzag() {
  Zigzag zigzag{};
  int row = 0, column = 0;
  for (int i = 0; i < 64; ++i) {
    zigzag.place[i] = static_cast<uint8_t>(row * jpeg_pair_stride + column);
    const bool rising = (row + column) % 2 == 0;
    if (rising) {
      if (column == 7)
        ++row;
      else if (row == 0)
        ++column;
      else
        --row, ++column;
    } else {
      if (row == 7)
        ++column;
      else if (column == 0)
        ++row;
      else
        ++row, --column;
    }
  }
  for (int i = 64; i < 64 + JpegHuffman::end_step; ++i) zigzag.place[i] = zigzag.place[63];
  return zigzag;
}

static constexpr Zigzag zigzag = make_zigzag();

static inline uint64_t eight_bytes(const uint8_t* from) {
  return static_cast<uint64_t>(from[0]) << 56 | static_cast<uint64_t>(from[1]) << 48 |
         static_cast<uint64_t>(from[2]) << 40 | static_cast<uint64_t>(from[3]) << 32 |
         static_cast<uint64_t>(from[4]) << 24 | static_cast<uint64_t>(from[5]) << 16 |
         static_cast<uint64_t>(from[6]) << 8 | from[7];
}

constexpr int longest_code = 16 + 15;  // with its value

// At least 56 bits are there afterwards.
static inline void refill(JpegBits& in) {
  in.bits |= eight_bytes(in.next) >> in.count;
  in.next += (63 - in.count) >> 3;
  in.count |= 56;
}

static inline void drop(JpegBits& in, int count) {
  in.bits <<= count;
  in.count -= count;
}

static inline uint64_t look_up(const JpegBits& in, const JpegHuffman* table) {
  return table->quick[in.bits >> (64 - JpegHuffman::quick_bits)];
}

// Fields of an entry.
static inline int first_step(uint64_t entry) { return static_cast<int>(entry >> 8 & 0xFF); }
static inline int16_t first_value(uint64_t entry) { return static_cast<int16_t>(entry >> 16); }
static inline int first_length(uint64_t entry) { return static_cast<int>(entry >> 40 & 0xFF); }
static inline int all_steps(uint64_t entry) { return static_cast<int>(entry >> 32 & 0xFF); }
static inline int all_length(uint64_t entry) { return static_cast<int>(entry & 63); }
static inline int16_t second_value(uint64_t entry) { return static_cast<int16_t>(entry >> 48); }

// Reads a code that a look-up does not settle, and its value. Gives the step, 0 when there is no such code.
static inline int read_split(JpegBits& in, const JpegHuffman* table, uint64_t entry, int& value) {
  int size = first_value(entry), length = first_length(entry), step = first_step(entry);
  if ((entry & JpegHuffman::long_code) == JpegHuffman::long_code) {
    const uint32_t code = static_cast<uint32_t>(in.bits >> 48);
    length = JpegHuffman::quick_bits + 1;
    while (length <= 16 && code >= table->limit[length]) ++length;
    if (length > 16) return 0;
    const uint8_t symbol = table->symbols[static_cast<int>(code >> (16 - length)) + table->offset[length]];
    size = symbol & 15;
    step = size == 0 && symbol != 0xF0 ? JpegHuffman::end_step : (symbol >> 4) + 1;
  }
  drop(in, length);
  const int raw = static_cast<int>(in.bits >> 1 >> (63 - size));
  value = in.bits >> 63 || size == 0 ? raw : raw - (1 << size) + 1;
  drop(in, size);
  return step;
}

template <bool keep>
static int block(JpegBits* state, const JpegHuffman* dc, const JpegHuffman* ac, int* prediction, int16_t* out) {
  JpegBits in = *state;
  refill(in);
  int value = 0;
  uint64_t entry = look_up(in, dc);
  if (entry & JpegHuffman::split) {
    if (read_split(in, dc, entry, value) == 0) return jpeg_bad_block;
  } else {
    value = first_value(entry);
    drop(in, first_length(entry));
  }
  value += *prediction;
  if (value < -32768 || value > 32767) return jpeg_bad_block;
  *prediction = value;
  if constexpr (keep) out[0] = static_cast<int16_t>(value);
  int at = 1;
  do {
    if (in.count < longest_code) refill(in);
    entry = look_up(in, ac);
    if (entry & JpegHuffman::split) {
      const int step = read_split(in, ac, entry, value);
      if (step == 0) return jpeg_bad_block;
      at += step;
      if constexpr (keep) out[zigzag.place[at - 1]] = static_cast<int16_t>(value);
      continue;
    }
    const int between = at + first_step(entry);
    if constexpr (keep) out[zigzag.place[between - 1]] = first_value(entry);
    if (between >= 64) {
      // What follows in the looked-up bits belongs to the next block.
      at = between;
      drop(in, first_length(entry));
      break;
    }
    at += all_steps(entry);
    if constexpr (keep) out[zigzag.place[at - 1]] = second_value(entry);
    drop(in, all_length(entry));
  } while (at < 64);
  *state = in;
  if (at > JpegHuffman::end_step) return at - JpegHuffman::end_step - 1;
  return at == 64 ? 63 : jpeg_bad_block;
}

// --- Inverse DCT: the factorisation of Loeffler, Ligtenberg and Moschytz (1989) with constants of 13 bits; two bits
// more are kept between the columns and the rows. Products are 32 bits, what is multiplied 16: so the loops below and
// those of libjpeg-turbo for SIMD give the same even where the coefficients make no sense.

constexpr int fix_0_298 = 2446, fix_0_390 = 3196, fix_0_541 = 4433, fix_0_765 = 6270, fix_0_899 = 7373,
              fix_1_175 = 9633, fix_1_501 = 12299, fix_1_847 = 15137, fix_1_961 = 16069, fix_2_053 = 16819,
              fix_2_562 = 20995, fix_3_072 = 25172;
constexpr int columns_shift = 11, rows_shift = 18;

#ifdef __AVX2__

// Multiplies 16-bit lanes a and b, interleaved, by x and y and adds the products.
static inline __m256i dot(__m256i ab, int x, int y) {
  return _mm256_madd_epi16(ab, _mm256_set1_epi32((x & 0xFFFF) | static_cast<int>(static_cast<unsigned>(y) << 16)));
}

// Half of the lanes of a pass: in04 are the sum and the difference of rows 0 and 4 times 2^16, in26, in73, in51 and
// sums (7 + 3, 5 + 1) interleaved rows. out gets 32-bit lanes.
template <int shift>
static inline void half_pass(__m256i sum04, __m256i difference04, __m256i in26, __m256i in71, __m256i in53,
                             __m256i sums, __m256i out[8]) {
  const __m256i round = _mm256_set1_epi32(1 << (shift - 1));
  const __m256i even0 = _mm256_add_epi32(_mm256_srai_epi32(sum04, 3), round);
  const __m256i even1 = _mm256_add_epi32(_mm256_srai_epi32(difference04, 3), round);
  const __m256i even2 = dot(in26, fix_0_541, fix_0_541 - fix_1_847);
  const __m256i even3 = dot(in26, fix_0_541 + fix_0_765, fix_0_541);
  const __m256i base[4] = {_mm256_add_epi32(even0, even3), _mm256_add_epi32(even1, even2),
                           _mm256_sub_epi32(even1, even2), _mm256_sub_epi32(even0, even3)};
  const __m256i z3 = dot(sums, fix_1_175 - fix_1_961, fix_1_175);
  const __m256i z4 = dot(sums, fix_1_175, fix_1_175 - fix_0_390);
  const __m256i odd[4] = {_mm256_add_epi32(dot(in71, -fix_0_899, fix_1_501 - fix_0_899), z4),
                          _mm256_add_epi32(dot(in53, -fix_2_562, fix_3_072 - fix_2_562), z3),
                          _mm256_add_epi32(dot(in53, fix_2_053 - fix_2_562, -fix_2_562), z4),
                          _mm256_add_epi32(dot(in71, fix_0_298 - fix_0_899, -fix_0_899), z3)};
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_srai_epi32(_mm256_add_epi32(base[i], odd[i]), shift);
    out[7 - i] = _mm256_srai_epi32(_mm256_sub_epi32(base[i], odd[i]), shift);
  }
}

// One pass over eight rows of 16-bit lanes.
template <int shift>
static inline void pass(__m256i v[8]) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i sum04 = _mm256_add_epi16(v[0], v[4]), difference04 = _mm256_sub_epi16(v[0], v[4]);
  const __m256i sum73 = _mm256_add_epi16(v[7], v[3]), sum51 = _mm256_add_epi16(v[5], v[1]);
  __m256i low[8], high[8];
  half_pass<shift>(_mm256_unpacklo_epi16(zero, sum04), _mm256_unpacklo_epi16(zero, difference04),
                   _mm256_unpacklo_epi16(v[2], v[6]), _mm256_unpacklo_epi16(v[7], v[1]),
                   _mm256_unpacklo_epi16(v[5], v[3]), _mm256_unpacklo_epi16(sum73, sum51), low);
  half_pass<shift>(_mm256_unpackhi_epi16(zero, sum04), _mm256_unpackhi_epi16(zero, difference04),
                   _mm256_unpackhi_epi16(v[2], v[6]), _mm256_unpackhi_epi16(v[7], v[1]),
                   _mm256_unpackhi_epi16(v[5], v[3]), _mm256_unpackhi_epi16(sum73, sum51), high);
  for (int i = 0; i < 8; ++i) v[i] = _mm256_packs_epi32(low[i], high[i]);
}

// Transposes the 8 × 8 samples of 16 bits in each half of the registers.
static inline void transpose(__m256i v[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi16(v[i], v[i + 4]);
    a[2 * i + 1] = _mm256_unpackhi_epi16(v[i], v[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    b[2 * i] = _mm256_unpacklo_epi16(a[i], a[i + 4]);
    b[2 * i + 1] = _mm256_unpackhi_epi16(a[i], a[i + 4]);
  }
  for (int i = 0; i < 4; ++i) {
    v[2 * i] = _mm256_unpacklo_epi16(b[i], b[i + 4]);
    v[2 * i + 1] = _mm256_unpackhi_epi16(b[i], b[i + 4]);
  }
}

static inline void store_rows(__m128i rows, uint8_t* out, size_t stride) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), rows);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out + stride), _mm_unpackhi_epi64(rows, rows));
}

static void inverse_dct(int16_t* pair, const int16_t* const quant[2], uint8_t* const out[2], const size_t stride[2]) {
  __m256i v[8];
  for (int i = 0; i < 8; ++i) {
    __m256i* const row = reinterpret_cast<__m256i*>(pair + i * jpeg_pair_stride);
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(quant[0] + 8 * i));
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(quant[1] + 8 * i));
    v[i] = _mm256_mullo_epi16(_mm256_loadu_si256(row), _mm256_set_m128i(second, first));
    _mm256_storeu_si256(row, _mm256_setzero_si256());
  }
  pass<columns_shift>(v);
  transpose(v);
  pass<rows_shift>(v);
  // Each register holds a column now: back to rows, as bytes.
  const __m256i c04 = _mm256_packs_epi16(v[0], v[4]), c15 = _mm256_packs_epi16(v[1], v[5]);
  const __m256i c26 = _mm256_packs_epi16(v[2], v[6]), c37 = _mm256_packs_epi16(v[3], v[7]);
  const __m256i c01 = _mm256_unpacklo_epi8(c04, c15), c45 = _mm256_unpackhi_epi8(c04, c15);
  const __m256i c23 = _mm256_unpacklo_epi8(c26, c37), c67 = _mm256_unpackhi_epi8(c26, c37);
  const __m256i upper03 = _mm256_unpacklo_epi16(c01, c23), lower03 = _mm256_unpackhi_epi16(c01, c23);
  const __m256i upper47 = _mm256_unpacklo_epi16(c45, c67), lower47 = _mm256_unpackhi_epi16(c45, c67);
  const __m256i rows[4] = {_mm256_unpacklo_epi32(upper03, upper47), _mm256_unpackhi_epi32(upper03, upper47),
                           _mm256_unpacklo_epi32(lower03, lower47), _mm256_unpackhi_epi32(lower03, lower47)};
  const __m256i middle = _mm256_set1_epi8(-128);
  for (size_t i = 0; i < 4; ++i) {
    const __m256i two = _mm256_xor_si256(rows[i], middle);
    store_rows(_mm256_castsi256_si128(two), out[0] + 2 * i * stride[0], stride[0]);
    store_rows(_mm256_extracti128_si256(two, 1), out[1] + 2 * i * stride[1], stride[1]);
  }
}

#else

static inline int16_t narrow(int value) { return static_cast<int16_t>(value); }  // modulo 2^16
static inline int16_t saturate(int value) {
  return static_cast<int16_t>(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

// One pass over the columns of a block.
template <int shift>
static void pass(const int16_t* RESTRICT in, int16_t* RESTRICT out) {
  for (int i = 0; i < 8; ++i) {
    const int16_t in1 = in[8 + i], in2 = in[16 + i], in3 = in[24 + i];
    const int16_t in5 = in[40 + i], in6 = in[48 + i], in7 = in[56 + i];
    const int16_t sum73 = narrow(in7 + in3), sum51 = narrow(in5 + in1);
    const int even0 = narrow(in[i] + in[32 + i]) * 8192 + (1 << (shift - 1));
    const int even1 = narrow(in[i] - in[32 + i]) * 8192 + (1 << (shift - 1));
    const int even2 = in2 * fix_0_541 + in6 * (fix_0_541 - fix_1_847);
    const int even3 = in2 * (fix_0_541 + fix_0_765) + in6 * fix_0_541;
    const int z3 = sum73 * (fix_1_175 - fix_1_961) + sum51 * fix_1_175;
    const int z4 = sum73 * fix_1_175 + sum51 * (fix_1_175 - fix_0_390);
    const int odd0 = in7 * -fix_0_899 + in1 * (fix_1_501 - fix_0_899) + z4;
    const int odd1 = in5 * -fix_2_562 + in3 * (fix_3_072 - fix_2_562) + z3;
    const int odd2 = in5 * (fix_2_053 - fix_2_562) + in3 * -fix_2_562 + z4;
    const int odd3 = in7 * (fix_0_298 - fix_0_899) + in1 * -fix_0_899 + z3;
    out[i] = saturate((even0 + even3 + odd0) >> shift);
    out[8 + i] = saturate((even1 + even2 + odd1) >> shift);
    out[16 + i] = saturate((even1 - even2 + odd2) >> shift);
    out[24 + i] = saturate((even0 - even3 + odd3) >> shift);
    out[32 + i] = saturate((even0 - even3 - odd3) >> shift);
    out[40 + i] = saturate((even1 - even2 - odd2) >> shift);
    out[48 + i] = saturate((even1 + even2 - odd1) >> shift);
    out[56 + i] = saturate((even0 + even3 - odd0) >> shift);
  }
}

static void transpose(const int16_t* RESTRICT in, int16_t* RESTRICT out) {
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 8; ++x) out[8 * x + y] = in[8 * y + x];
}

static void inverse_dct(int16_t* pair, const int16_t* const quant[2], uint8_t* const out[2], const size_t stride[2]) {
  for (int which = 0; which < 2; ++which) {
    int16_t one[64], two[64];
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        int16_t& coefficient = pair[y * jpeg_pair_stride + 8 * which + x];
        one[8 * y + x] = narrow(coefficient * quant[which][8 * y + x]);
        coefficient = 0;
      }
    pass<columns_shift>(one, two);
    transpose(two, one);
    pass<rows_shift>(one, two);
    for (int y = 0; y < 8; ++y)
      for (int x = 0; x < 8; ++x) {
        const int value = two[8 * x + y] + 128;
        out[which][static_cast<size_t>(y) * stride[which] + static_cast<size_t>(x)] =
            static_cast<uint8_t>(value < 0     ? 0
                                 : value > 255 ? 255
                                               : value);
      }
  }
}

#endif

// --- Upsampling: a triangle filter, 3 of the nearer sample to 1 of the farther. What is rounded up and what down
// alternates from sample to sample.

static inline uint16_t two_samples(int left, int right) { return static_cast<uint16_t>(left | right << 8); }

static void double_both(const uint8_t* RESTRICT nearer, const uint8_t* RESTRICT farther, size_t count,
                        uint16_t* RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const int left = 3 * nearer[static_cast<ptrdiff_t>(i) - 1] + farther[static_cast<ptrdiff_t>(i) - 1];
    const int here = 3 * (3 * nearer[i] + farther[i]), right = 3 * nearer[i + 1] + farther[i + 1];
    out[i] = two_samples((here + left + 8) >> 4, (here + right + 7) >> 4);
  }
}

static void double_across(const uint8_t* RESTRICT row, size_t count, uint16_t* RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const int here = 3 * row[i];
    out[i] = two_samples((here + row[static_cast<ptrdiff_t>(i) - 1] + 1) >> 2, (here + row[i + 1] + 2) >> 2);
  }
}

static void double_down(const uint8_t* RESTRICT nearer, const uint8_t* RESTRICT farther, int bias, size_t count,
                        uint8_t* RESTRICT out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>((3 * nearer[i] + farther[i] + bias) >> 2);
}

// --- Pixels. The conversion (JFIF 1.02) has 16 fractional bits: 1.402 is 91881, 0.34414 is 22554, 0.71414 is 46802
// and 1.772 is 116130. Whole parts are split off so that the rest fits 16 bits.

static inline uint8_t clamped(int value) { return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value); }

static inline void convert(const uint8_t* RESTRICT y, const uint8_t* RESTRICT cb, const uint8_t* RESTRICT cr,
                           size_t from, size_t count, uint8_t* RESTRICT out) {
  for (size_t i = from; i < count; ++i) {
    const int blue = cb[i] - 128, red = cr[i] - 128;
    out[3 * i] = clamped(y[i] + ((91881 * red + 32768) >> 16));
    out[3 * i + 1] = clamped(y[i] + ((-22554 * blue - 46802 * red + 32768) >> 16));
    out[3 * i + 2] = clamped(y[i] + ((116130 * blue + 32768) >> 16));
  }
}

static inline void join(const uint8_t* RESTRICT a, const uint8_t* RESTRICT b, const uint8_t* RESTRICT c, size_t from,
                        size_t count, uint8_t* RESTRICT out) {
  for (size_t i = from; i < count; ++i) {
    out[3 * i] = a[i];
    out[3 * i + 1] = b[i];
    out[3 * i + 2] = c[i];
  }
}

#ifdef __AVX2__

static inline __m256i load(const uint8_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

// (value × factor + 2^15) >> 16 for small values: one bit more, rounded away.
static inline __m256i scaled(__m256i value, int factor) {
  const __m256i twice =
      _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(static_cast<short>(factor)));
  return _mm256_srai_epi16(_mm256_add_epi16(twice, _mm256_set1_epi16(1)), 1);
}

// 16 pixels, given as 16-bit lanes; blue and red are less 128.
struct Colours {
  __m256i r, g, b;
};
static inline Colours convert_16(__m256i y, __m256i blue, __m256i red) {
  const __m256i round = _mm256_set1_epi32(32768);
  const __m256i low = dot(_mm256_unpacklo_epi16(blue, red), -22554, 65536 - 46802);
  const __m256i high = dot(_mm256_unpackhi_epi16(blue, red), -22554, 65536 - 46802);
  const __m256i green = _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(low, round), 16),
                                           _mm256_srai_epi32(_mm256_add_epi32(high, round), 16));
  Colours out;
  out.r = _mm256_add_epi16(_mm256_add_epi16(y, red), scaled(red, 91881 - 65536));
  out.g = _mm256_add_epi16(_mm256_sub_epi16(y, red), green);
  out.b = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(blue, blue)), scaled(blue, 116130 - 131072));
  return out;
}

// Writes 32 pixels of three components.
static inline void store_32(__m256i a, __m256i b, __m256i c, uint8_t* out) {
  // In each half: the samples of one component at every third place, each component turned so that blends suffice.
  const __m256i turn_a = _mm256_setr_epi8(0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5, 0, 11, 6, 1, 12, 7, 2,
                                          13, 8, 3, 14, 9, 4, 15, 10, 5);
  const __m256i turn_b = _mm256_setr_epi8(5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5, 0, 11, 6, 1, 12, 7,
                                          2, 13, 8, 3, 14, 9, 4, 15, 10);
  const __m256i turn_c = _mm256_setr_epi8(10, 5, 0, 11, 6, 1, 12, 7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5, 0, 11, 6, 1, 12,
                                          7, 2, 13, 8, 3, 14, 9, 4, 15);
  const __m256i second = _mm256_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, 0, -1, 0, 0, -1, 0, 0,
                                          -1, 0, 0, -1, 0, 0, -1, 0, 0);
  const __m256i third = _mm256_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, 0, -1, 0, 0, -1, 0, 0,
                                         -1, 0, 0, -1, 0, 0, -1, 0);
  const __m256i x = _mm256_shuffle_epi8(a, turn_a);
  const __m256i y = _mm256_shuffle_epi8(b, turn_b);
  const __m256i z = _mm256_shuffle_epi8(c, turn_c);
  // The places of a, b, c move on by one from each 16 bytes to the next.
  const __m256i first16 = _mm256_blendv_epi8(_mm256_blendv_epi8(x, y, second), z, third);
  const __m256i second16 = _mm256_blendv_epi8(_mm256_blendv_epi8(y, z, second), x, third);
  const __m256i third16 = _mm256_blendv_epi8(_mm256_blendv_epi8(z, x, second), y, third);
  __m256i* const to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(first16, second16, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(third16, first16, 0x30));
  _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(second16, third16, 0x31));
}

static void ycbcr_to_rgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256(), middle = _mm256_set1_epi16(128);
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i luma = load(y + i), blue = load(cb + i), red = load(cr + i);
    const Colours low =
        convert_16(_mm256_unpacklo_epi8(luma, zero), _mm256_sub_epi16(_mm256_unpacklo_epi8(blue, zero), middle),
                   _mm256_sub_epi16(_mm256_unpacklo_epi8(red, zero), middle));
    const Colours high =
        convert_16(_mm256_unpackhi_epi8(luma, zero), _mm256_sub_epi16(_mm256_unpackhi_epi8(blue, zero), middle),
                   _mm256_sub_epi16(_mm256_unpackhi_epi8(red, zero), middle));
    store_32(_mm256_packus_epi16(low.r, high.r), _mm256_packus_epi16(low.g, high.g), _mm256_packus_epi16(low.b, high.b),
             out + 3 * i);
  }
  convert(y, cb, cr, i, count, out);
}

static void join_3(const uint8_t* a, const uint8_t* b, const uint8_t* c, size_t count, uint8_t* out) {
  size_t i = 0;
  for (; i + 32 <= count; i += 32) store_32(load(a + i), load(b + i), load(c + i), out + 3 * i);
  join(a, b, c, i, count, out);
}

#else

static void ycbcr_to_rgb(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* out) {
  // Components apart first: compilers find no vectors in interleaved ones.
  constexpr size_t some = 64;
  uint8_t r[some], g[some], b[some];
  size_t at = 0;
  for (; at + some <= count; at += some) {
    const uint8_t* RESTRICT luma = y + at;
    for (size_t i = 0; i < some; ++i) {
      const int16_t blue = static_cast<int16_t>(cb[at + i] - 128), red = static_cast<int16_t>(cr[at + i] - 128);
      constexpr int16_t of_red = 91881 - 65536, of_blue = 116130 - 131072, blue_in_green = -22554,
                        red_in_green = 65536 - 46802;
      r[i] = clamped(luma[i] + red + ((red * of_red + 32768) >> 16));
      g[i] = clamped(luma[i] - red + ((blue * blue_in_green + red * red_in_green + 32768) >> 16));
      b[i] = clamped(luma[i] + 2 * blue + ((blue * of_blue + 32768) >> 16));
    }
    join(r, g, b, 0, some, out + 3 * at);
  }
  convert(y, cb, cr, at, count, out);
}

static void join_3(const uint8_t* a, const uint8_t* b, const uint8_t* c, size_t count, uint8_t* out) {
  join(a, b, c, 0, count, out);
}

#endif

static void join_4(const uint8_t* const* rows, size_t count, uint8_t* RESTRICT out) {
  const uint8_t* RESTRICT a = rows[0];
  const uint8_t* RESTRICT b = rows[1];
  const uint8_t* RESTRICT c = rows[2];
  const uint8_t* RESTRICT d = rows[3];
  for (size_t i = 0; i < count; ++i) {
    out[4 * i] = a[i];
    out[4 * i + 1] = b[i];
    out[4 * i + 2] = c[i];
    out[4 * i + 3] = d[i];
  }
}

#undef RESTRICT

void fill(JpegKernels& table) {
  table.read_block = block<true>;
  table.skip_block = block<false>;
  table.inverse_dct = inverse_dct;
  table.double_both = double_both;
  table.double_across = double_across;
  table.double_down = double_down;
  table.ycbcr_to_rgb = ycbcr_to_rgb;
  table.join_3 = join_3;
  table.join_4 = join_4;
}

}  // namespace PYRAMIDION_JPEG_KERNELS
}  // namespace pyramidion
