// The inner loops of the reduction, compiled once for each instruction set. The including file names the namespace;
// nothing here may call an inline function that another file could also compile, or the linker might keep the wrong
// copy: so no standard library.
#include <stddef.h>
#include <stdint.h>

namespace pyramidion {
namespace PYRAMIDION_KERNELS {

#define RESTRICT __restrict

// Vertical pass, 8 bits: eight rows into one of 16-bit samples with 5 fractional bits.
static void columns_8(const uint8_t* const* rows, const int16_t* fixed, size_t samples, int16_t* RESTRICT out) {
  const uint8_t* RESTRICT a = rows[0];
  const uint8_t* RESTRICT b = rows[1];
  const uint8_t* RESTRICT c = rows[2];
  const uint8_t* RESTRICT d = rows[3];
  const uint8_t* RESTRICT e = rows[4];
  const uint8_t* RESTRICT f = rows[5];
  const uint8_t* RESTRICT g = rows[6];
  const uint8_t* RESTRICT h = rows[7];
  const int16_t k0 = fixed[0], k1 = fixed[1], k2 = fixed[2], k3 = fixed[3];
  for (size_t i = 0; i < samples; ++i) {
    const int16_t s0 = static_cast<int16_t>(d[i] + e[i]), s1 = static_cast<int16_t>(c[i] + f[i]);
    const int16_t s2 = static_cast<int16_t>(b[i] + g[i]), s3 = static_cast<int16_t>(a[i] + h[i]);
    out[i] = static_cast<int16_t>((s0 * k0 + s1 * k1 + s2 * k2 + s3 * k3 + 256) >> 9);
  }
}

// Splits interleaved pixels into one plane of even and one of odd pixels for each channel.
template <int channels>
static void split(const int16_t* RESTRICT in, size_t pairs, int16_t* RESTRICT planes, size_t stride) {
  for (size_t i = 0; i < pairs; ++i)
    for (int c = 0; c < channels; ++c) {
      planes[static_cast<size_t>(2 * c) * stride + i] = in[2 * i * channels + static_cast<size_t>(c)];
      planes[static_cast<size_t>(2 * c + 1) * stride + i] = in[(2 * i + 1) * channels + static_cast<size_t>(c)];
    }
}

// Horizontal pass, 8 bits, one channel: even and odd planes (each readable from −2 to count + 2) into samples.
static void rows_8(const int16_t* RESTRICT even, const int16_t* RESTRICT odd, const int16_t* fixed, size_t count,
                   uint8_t* RESTRICT out) {
  const int16_t k0 = fixed[0], k1 = fixed[1], k2 = fixed[2], k3 = fixed[3];
  for (size_t i = 0; i < count; ++i) {
    const int16_t s0 = static_cast<int16_t>(even[i] + odd[i]);
    const int16_t s1 = static_cast<int16_t>(odd[static_cast<ptrdiff_t>(i) - 1] + even[i + 1]);
    const int16_t s2 = static_cast<int16_t>(even[static_cast<ptrdiff_t>(i) - 1] + odd[i + 1]);
    const int16_t s3 = static_cast<int16_t>(odd[static_cast<ptrdiff_t>(i) - 2] + even[i + 2]);
    const int sum = (s0 * k0 + s1 * k1 + s2 * k2 + s3 * k3 + (1 << 18)) >> 19;
    out[i] = static_cast<uint8_t>(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

template <int channels>
static void join(const uint8_t* RESTRICT planes, size_t stride, size_t count, uint8_t* RESTRICT out) {
  for (size_t i = 0; i < count; ++i)
    for (int c = 0; c < channels; ++c)
      out[i * channels + static_cast<size_t>(c)] = planes[static_cast<size_t>(c) * stride + i];
}

// 2×2 mean of two rows of `pairs` whole pixel pairs.
template <int channels>
static void mean_8(const uint8_t* RESTRICT upper, const uint8_t* RESTRICT lower, size_t pairs, uint8_t* RESTRICT out) {
  for (size_t i = 0; i < pairs; ++i)
    for (size_t c = 0; c < channels; ++c) {
      const size_t at = 2 * i * channels + c;
      out[i * channels + c] =
          static_cast<uint8_t>((upper[at] + upper[at + channels] + lower[at] + lower[at + channels] + 2) >> 2);
    }
}

// Float passes, for 16 bits, alpha and linear light.
static void columns_float(const float* const* rows, const float* weight, int half, size_t samples,
                          float* RESTRICT out) {
  for (size_t i = 0; i < samples; ++i) {
    float sum = 0;
    for (int k = 0; k < half; ++k) sum += (rows[half - 1 - k][i] + rows[half + k][i]) * weight[k];
    out[i] = sum;
  }
}

#undef RESTRICT

void fill(Kernels& table) {
  table.columns_8 = columns_8;
  table.rows_8 = rows_8;
  table.split[0] = split<1>;
  table.split[1] = split<2>;
  table.split[2] = split<3>;
  table.split[3] = split<4>;
  table.join[0] = join<1>;
  table.join[1] = join<2>;
  table.join[2] = join<3>;
  table.join[3] = join<4>;
  table.mean_8[0] = mean_8<1>;
  table.mean_8[1] = mean_8<2>;
  table.mean_8[2] = mean_8<3>;
  table.mean_8[3] = mean_8<4>;
  table.columns_float = columns_float;
}

}  // namespace PYRAMIDION_KERNELS
}  // namespace pyramidion
