// The inner loops of the resampler, compiled once for each instruction set. The including file names the namespace;
// nothing here may call an inline function that another file could also compile, or the linker might keep the wrong
// copy: so no standard library. Every output is summed in the order of its taps by the same instructions, wherever it
// lies in a row: pieces of a view must equal the whole.
#include <stddef.h>
#include <stdint.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace pyramidion {
namespace PYRAMIDION_KERNELS {

#define RESTRICT __restrict

// As many floats as a register holds, anywhere in memory.
#ifdef __AVX2__
constexpr size_t width = 8;
#else
constexpr size_t width = 4;
#endif
#if defined(__GNUC__)
typedef float Vector __attribute__((vector_size(width * sizeof(float)), aligned(4), may_alias));
#else
struct Vector {
  float lane[width];
};
static Vector operator*(float factor, const Vector& v) {
  Vector out;
  for (size_t i = 0; i < width; ++i) out.lane[i] = factor * v.lane[i];
  return out;
}
static void operator+=(Vector& sum, const Vector& v) {
  for (size_t i = 0; i < width; ++i) sum.lane[i] += v.lane[i];
}
#endif
constexpr size_t lane_vectors = resample_lanes / width;

static const Vector& at(const float* p) { return *reinterpret_cast<const Vector*>(p); }
static Vector& at(float* p) { return *reinterpret_cast<Vector*>(p); }

static void widen_8(const uint8_t* RESTRICT in, size_t samples, float* RESTRICT out) {
  size_t i = 0;
#ifdef __AVX2__
  for (; i + 8 <= samples; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + i));
    _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
  }
#endif
  for (; i < samples; ++i) out[i] = static_cast<float>(in[i]);
}

static void widen_16(const uint16_t* RESTRICT in, size_t samples, float* RESTRICT out) {
  size_t i = 0;
#ifdef __AVX2__
  for (; i + 8 <= samples; i += 8) {
    const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
    _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(words)));
  }
#endif
  for (; i < samples; ++i) out[i] = static_cast<float>(in[i]);
}

template <int samples>
static void premultiply(float* row, size_t pixels) {
  size_t i = 0;
#ifdef __AVX2__
  // Whole pixels in a register: alpha to every sample but itself.
  if (samples == 2 || samples == 4) {
    constexpr int spread = samples == 2 ? 0xF5 : 0xFF, own = samples == 2 ? 0xAA : 0x88;
    constexpr size_t whole = width / samples;
    for (; i + whole <= pixels; i += whole, row += width) {
      const __m256 v = _mm256_loadu_ps(row);
      const __m256 alpha = _mm256_blend_ps(_mm256_permute_ps(v, spread), _mm256_set1_ps(1), own);
      _mm256_storeu_ps(row, _mm256_mul_ps(v, alpha));
    }
  }
#endif
  for (; i < pixels; ++i, row += samples)
    for (int c = 0; c < samples - 1; ++c) row[c] *= row[samples - 1];
}

static void sum_rows(const float* rows, size_t stride, const float* weight, int count, size_t samples, bool more,
                     float* RESTRICT out) {
  constexpr size_t vectors = 8;
  static_assert(resample_stripe % (vectors * width) == 0, "stripes are whole sweeps");
  for (size_t i = 0; i < samples; i += vectors * width) {
    Vector sum[vectors];
    if (more)
      for (size_t v = 0; v < vectors; ++v) sum[v] = at(out + i + v * width);
    else
      for (size_t v = 0; v < vectors; ++v) sum[v] = Vector{};
    const float* row = rows + i;
    for (int k = 0; k < count; ++k, row += stride) {
      const float w = weight[k];
      for (size_t v = 0; v < vectors; ++v) sum[v] += w * at(row + v * width);
    }
    for (size_t v = 0; v < vectors; ++v) at(out + i + v * width) = sum[v];
  }
}

// Eight rows of eight samples, turned.
static void transpose(const float* RESTRICT in, size_t stride, float* RESTRICT out, size_t out_stride) {
#ifdef __AVX2__
  __m256 a[8], b[8];
  // Halves of rows i and i + 4 side by side, then 4×4 transpositions within them.
  for (size_t i = 0; i < 4; ++i) {
    const float* upper = in + i * stride;
    const float* lower = in + (i + 4) * stride;
    a[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper)), _mm_loadu_ps(lower), 1);
    a[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(upper + 4)), _mm_loadu_ps(lower + 4), 1);
  }
  for (size_t h = 0; h < 8; h += 4) {
    b[h] = _mm256_unpacklo_ps(a[h], a[h + 1]);
    b[h + 1] = _mm256_unpackhi_ps(a[h], a[h + 1]);
    b[h + 2] = _mm256_unpacklo_ps(a[h + 2], a[h + 3]);
    b[h + 3] = _mm256_unpackhi_ps(a[h + 2], a[h + 3]);
    _mm256_storeu_ps(out + h * out_stride, _mm256_shuffle_ps(b[h], b[h + 2], 0x44));
    _mm256_storeu_ps(out + (h + 1) * out_stride, _mm256_shuffle_ps(b[h], b[h + 2], 0xEE));
    _mm256_storeu_ps(out + (h + 2) * out_stride, _mm256_shuffle_ps(b[h + 1], b[h + 3], 0x44));
    _mm256_storeu_ps(out + (h + 3) * out_stride, _mm256_shuffle_ps(b[h + 1], b[h + 3], 0xEE));
  }
#else
  for (size_t i = 0; i < 8; ++i)
    for (size_t r = 0; r < 8; ++r) out[i * out_stride + r] = in[r * stride + i];
#endif
}

static void to_lanes(const float* rows, size_t stride, size_t samples, size_t first, size_t count, float* lanes) {
  if (count == resample_lanes) {
    for (size_t i = 0; i < samples; i += 8) transpose(rows + i, stride, lanes + i * resample_lanes, resample_lanes);
    return;
  }
  for (size_t r = 0; r < count; ++r)
    for (size_t i = 0; i < samples; ++i) lanes[i * resample_lanes + first + r] = rows[r * stride + i];
}

static void to_rows(const float* lanes, size_t samples, float* rows, size_t stride) {
  for (size_t i = 0; i < samples; i += 8) transpose(lanes + i * resample_lanes, resample_lanes, rows + i, stride);
}

template <size_t samples>
static void sum_pixels(const float* lanes, const ResampleTaps& taps, bool alpha, float* RESTRICT out) {
  constexpr size_t pixel = samples * resample_lanes;
  for (size_t i = 0; i < taps.outputs; ++i, out += pixel) {
    Vector sum[samples * lane_vectors];
    for (size_t v = 0; v < samples * lane_vectors; ++v) sum[v] = Vector{};
    const float* weight = taps.weight + i * taps.most;
    const float* in = lanes + static_cast<size_t>(taps.start[i]) * pixel;
    for (int k = 0; k < taps.count[i]; ++k, in += pixel) {
      const float w = weight[k];
      for (size_t v = 0; v < samples * lane_vectors; ++v) sum[v] += w * at(in + v * width);
    }
    for (size_t v = 0; v < samples * lane_vectors; ++v) at(out + v * width) = sum[v];
    if (!alpha) continue;
    // An alpha that rounds to 0 leaves no colour.
    const float* coverage = out + (samples - 1) * resample_lanes;
#ifdef __AVX2__
    const __m256 divisor = _mm256_loadu_ps(coverage);
    const __m256 covered = _mm256_cmp_ps(divisor, _mm256_set1_ps(0.5F), _CMP_GE_OQ);
    const __m256 scale = _mm256_and_ps(covered, _mm256_div_ps(_mm256_set1_ps(1), divisor));
    for (float* colour = out; colour < coverage; colour += resample_lanes)
      _mm256_storeu_ps(colour, _mm256_mul_ps(_mm256_loadu_ps(colour), scale));
#else
    for (size_t r = 0; r < resample_lanes; ++r) {
      const float scale = coverage[r] < 0.5F ? 0 : 1 / coverage[r];
      for (size_t c = 0; c + 1 < samples; ++c) out[c * resample_lanes + r] *= scale;
    }
#endif
  }
}

// What is added before the fraction is cut off. For 8 bits a hair more than a half, so that what is half way but for
// the rounding of floats goes up.
constexpr float half_8 = 0.5F + 1.0F / 16384, half_16 = 0.5F;

#ifdef __AVX2__
// Sixteen samples, rounded and clamped to the range of int16_t or uint16_t, in order.
template <bool from_zero>
static __m256i rounded(const float* in, float half) {
  const __m256 more = _mm256_set1_ps(half);
  const __m256i a = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_loadu_ps(in), more));
  const __m256i b = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_loadu_ps(in + 8), more));
  return _mm256_permute4x64_epi64(from_zero ? _mm256_packus_epi32(a, b) : _mm256_packs_epi32(a, b), 0xD8);
}
#endif

static void narrow_8(const float* RESTRICT in, size_t samples, uint8_t* RESTRICT out) {
  size_t i = 0;
#ifdef __AVX2__
  for (; i + 16 <= samples; i += 16) {
    const __m256i words = rounded<false>(in + i, half_8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), bytes);
  }
#endif
  for (; i < samples; ++i) {
    const float more = in[i] + half_8;
    out[i] = static_cast<uint8_t>(static_cast<int>(more > 0 ? more < 255 ? more : 255 : 0));
  }
}

static void narrow_16(const float* RESTRICT in, size_t samples, uint16_t* RESTRICT out) {
  size_t i = 0;
#ifdef __AVX2__
  for (; i + 16 <= samples; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), rounded<true>(in + i, half_16));
#endif
  for (; i < samples; ++i) {
    const float more = in[i] + half_16;
    out[i] = static_cast<uint16_t>(static_cast<int>(more > 0 ? more < 65535 ? more : 65535 : 0));
  }
}

#undef RESTRICT

void fill(ResampleKernels& table) {
  table.widen_8 = widen_8;
  table.widen_16 = widen_16;
  table.premultiply[1] = premultiply<2>;
  table.premultiply[2] = premultiply<3>;
  table.premultiply[3] = premultiply<4>;
  table.premultiply[4] = premultiply<5>;
  table.sum_rows = sum_rows;
  table.to_lanes = to_lanes;
  table.to_rows = to_rows;
  table.sum_pixels[0] = sum_pixels<1>;
  table.sum_pixels[1] = sum_pixels<2>;
  table.sum_pixels[2] = sum_pixels<3>;
  table.sum_pixels[3] = sum_pixels<4>;
  table.sum_pixels[4] = sum_pixels<5>;
  table.narrow_8 = narrow_8;
  table.narrow_16 = narrow_16;
}

}  // namespace PYRAMIDION_KERNELS
}  // namespace pyramidion
