// The inner loops of colour conversion, compiled once for each instruction set. The including file names the namespace;
// nothing here may call an inline function that another file could also compile, or the linker might keep the wrong
// copy: so no standard library. Comparisons are written so that what is not a number comes out as the lower bound.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
// Nobody looks at floating-point exceptions; as long as GCC must keep them, it vectorises no comparison.
#pragma GCC push_options
#pragma GCC optimize("no-trapping-math", "no-thread-jumps")
#endif

namespace pyramidion {
namespace PYRAMIDION_KERNELS {

#define RESTRICT __restrict

static inline float unit(float x) {
  x = x > 0.0F ? x : 0.0F;
  return x < 1.0F ? x : 1.0F;
}

// x^gamma for x above 0, relative error below 10⁻⁶; next to nothing for the rest.
static inline float power(float x, float gamma) {
  x = x > 1e-30F ? x : 1e-30F;
  x = x < 1e30F ? x : 1e30F;
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  // The mantissa within √½ … √2, so that the series converges from both sides of 1.
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;
  bits -= exponent * (1 << 23);
  float m;
  memcpy(&m, &bits, sizeof m);
  const float s = (m - 1.0F) / (m + 1.0F), q = s * s;
  const float log2 = s * (2.88539008F + q * (0.961796694F + q * (0.577078016F + q * (0.412198583F + q * 0.32059890F))));
  float y = (log2 + static_cast<float>(exponent)) * gamma;
  y = y > -126.0F ? y : -126.0F;
  y = y < 126.0F ? y : 126.0F;
  const auto whole = static_cast<int32_t>(y + 127.5F);  // never below 0: truncation is the floor
  const float f = y - static_cast<float>(whole - 127);
  const float mantissa =
      1.0F +
      f * (0.693147181F + f * (0.240226507F + f * (0.0555041087F +
                                                   f * (0.00961812911F + f * (0.00133335581F + f * 0.000154035304F)))));
  const int32_t scale_bits = whole * (1 << 23);
  float scale;
  memcpy(&scale, &scale_bits, sizeof scale);
  return mantissa * scale;
}

template <typename Sample, size_t colours>
static void unpack_colours(const Sample* RESTRICT in, size_t step, const float* const* tables, size_t count,
                           IccPlane* RESTRICT planes) {
  for (size_t i = 0; i < count; ++i)
    for (size_t c = 0; c < colours; ++c) planes[c][i] = tables[c][in[i * step + c]];
}

template <typename Sample>
static void unpack(const Sample* RESTRICT in, size_t step, size_t colours, const float* const* tables, size_t count,
                   IccPlane* RESTRICT planes) {
  if (colours == 1)
    unpack_colours<Sample, 1>(in, step, tables, count, planes);
  else if (colours == 3)
    unpack_colours<Sample, 3>(in, step, tables, count, planes);
  else
    unpack_colours<Sample, 4>(in, step, tables, count, planes);
}

template <typename Sample, size_t colours>
static void pack_colours(const Sample (*RESTRICT whole)[icc_block], size_t step, size_t count, Sample* RESTRICT out) {
  for (size_t i = 0; i < count; ++i)
    for (size_t c = 0; c < colours; ++c) out[i * step + c] = whole[c][i];
}

template <typename Sample>
static void pack(const IccPlane* RESTRICT planes, size_t colours, size_t step, size_t count, Sample* RESTRICT out) {
  const float top = sizeof(Sample) == 1 ? 255.0F : 65535.0F;
  Sample whole[4][icc_block];
  for (size_t c = 0; c < colours; ++c) {
    const float* RESTRICT in = planes[c];
    Sample* RESTRICT to = whole[c];
    for (size_t i = 0; i < count; ++i) to[i] = static_cast<Sample>(static_cast<int32_t>(unit(in[i]) * top + 0.5F));
  }
  if (colours == 1)
    pack_colours<Sample, 1>(whole, step, count, out);
  else if (colours == 3)
    pack_colours<Sample, 3>(whole, step, count, out);
  else
    pack_colours<Sample, 4>(whole, step, count, out);
}

// Samples of 16 bits, in and out: Little CMS rounds to them on both sides of a table, which is seen near black.
static void table_curve(const float* RESTRICT samples, int last, size_t count, float* RESTRICT plane) {
  const float step = static_cast<float>(last) / 65535.0F;
  for (size_t i = 0; i < count; ++i) {
    const float at = static_cast<float>(static_cast<int32_t>(unit(plane[i]) * 65535.0F + 0.5F)) * step;
    int32_t cell = static_cast<int32_t>(at);
    cell = cell < last - 1 ? cell : last - 1;
    const float low = samples[cell], high = samples[cell + 1];
    const float value = low + (high - low) * (at - static_cast<float>(cell));
    plane[i] = static_cast<float>(static_cast<int32_t>(value + 0.5F)) * (1.0F / 65535.0F);
  }
}

static void power_curve(const PowerCurve& curve, size_t count, float* RESTRICT plane) {
  const PowerCurve k = curve;
  for (size_t i = 0; i < count; ++i) {
    const float x = plane[i];
    const float argument = k.scale * x + k.offset;
    const float upper = (argument > 0.0F ? k.gain * power(argument, k.gamma) : 0.0F) + k.base;
    const float lower = k.slope * x + k.start;
    plane[i] = x >= k.limit ? upper : lower;
  }
}

static void matrix(const float (*rows)[4], size_t inputs, size_t outputs, size_t count, IccPlane* RESTRICT planes) {
  if (inputs == 1) {
    const float a = rows[0][0], b = rows[1][0], c = rows[2][0], x = rows[0][3], y = rows[1][3], z = rows[2][3];
    for (size_t i = 0; i < count; ++i) {
      const float v = planes[0][i];
      planes[0][i] = a * v + x;
      planes[1][i] = b * v + y;
      planes[2][i] = c * v + z;
    }
    return;
  }
  if (outputs == 1) {
    const float a = rows[0][0], b = rows[0][1], c = rows[0][2], x = rows[0][3];
    for (size_t i = 0; i < count; ++i) planes[0][i] = a * planes[0][i] + b * planes[1][i] + c * planes[2][i] + x;
    return;
  }
  float m[3][4];
  memcpy(m, rows, sizeof m);
  for (size_t i = 0; i < count; ++i) {
    const float u = planes[0][i], v = planes[1][i], w = planes[2][i];
    planes[0][i] = m[0][0] * u + m[0][1] * v + m[0][2] * w + m[0][3];
    planes[1][i] = m[1][0] * u + m[1][1] * v + m[1][2] * w + m[1][3];
    planes[2][i] = m[2][0] * u + m[2][1] * v + m[2][2] * w + m[2][3];
  }
}

static inline float cube_or_line(float t) {
  const float line = (108.0F / 841.0F) * (t - 16.0F / 116.0F), cube = t * t * t;
  return t <= 24.0F / 116.0F ? line : cube;
}

static inline float root_or_line(float t) {
  const float line = (841.0F / 108.0F) * t + 16.0F / 116.0F, root = power(t, 1.0F / 3.0F);
  return t <= 0.00885645168F ? line : root;
}

// CIELAB of D50 as the ICC encodes it on 0 … 1, to XYZ of which white has Y = 1; and back.
static void lab_to_xyz(size_t count, IccPlane* RESTRICT planes) {
  for (size_t i = 0; i < count; ++i) {
    const float y = (planes[0][i] * 100.0F + 16.0F) / 116.0F;
    const float x = y + (planes[1][i] * 255.0F - 128.0F) * 0.002F;
    const float z = y - (planes[2][i] * 255.0F - 128.0F) * 0.005F;
    planes[0][i] = 0.9642F * cube_or_line(x);
    planes[1][i] = cube_or_line(y);
    planes[2][i] = 0.8249F * cube_or_line(z);
  }
}

static void xyz_to_lab(size_t count, IccPlane* RESTRICT planes) {
  for (size_t i = 0; i < count; ++i) {
    const float x = root_or_line(planes[0][i] * (1.0F / 0.9642F));
    const float y = root_or_line(planes[1][i]);
    const float z = root_or_line(planes[2][i] * (1.0F / 0.8249F));
    planes[0][i] = (116.0F * y - 16.0F) * 0.01F;
    planes[1][i] = (500.0F * (x - y) + 128.0F) * (1.0F / 255.0F);
    planes[2][i] = (200.0F * (y - z) + 128.0F) * (1.0F / 255.0F);
  }
}

// Where a value, in 16 bits, lies on an axis of a grid: the cell as an offset in floats, and the fraction of the way
// through it.
static inline void locate(const float* RESTRICT plane, size_t count, int points, int stride, int32_t* RESTRICT cell,
                          float* RESTRICT fraction) {
  const float step = static_cast<float>(points - 1) / 65535.0F;
  for (size_t i = 0; i < count; ++i) {
    const float at = static_cast<float>(static_cast<int32_t>(unit(plane[i]) * 65535.0F + 0.5F)) * step;
    int32_t whole = static_cast<int32_t>(at);
    whole = whole < points - 2 ? whole : points - 2;
    fraction[i] = at - static_cast<float>(whole);
    cell[i] = whole * stride;
  }
}

// Little CMS interpolates in 16 bits and rounds after every step.
static inline float whole(float sum) { return static_cast<float>(static_cast<int32_t>(sum + 0.5F)); }
static inline float between(float low, float high, float fraction) { return whole(low + (high - low) * fraction); }

constexpr float from_16 = 1.0F / 65535.0F;

using Node = float[4];

static void to_planes(const Node* RESTRICT nodes, size_t count, IccPlane* RESTRICT planes) {
  float* RESTRICT a = planes[0];
  float* RESTRICT b = planes[1];
  float* RESTRICT c = planes[2];
  float* RESTRICT d = planes[3];
  for (size_t i = 0; i < count; ++i) {
    a[i] = nodes[i][0] * from_16;
    b[i] = nodes[i][1] * from_16;
    c[i] = nodes[i][2] * from_16;
    d[i] = nodes[i][3] * from_16;
  }
}

static void linear(const ColourGrid& grid, size_t count, IccPlane* RESTRICT planes) {
  IccPlane fraction;
  int32_t cell[icc_block];
  locate(planes[0], count, grid.points[0], 4, cell, fraction);
  for (size_t i = 0; i < count; ++i) {
    const float* RESTRICT node = grid.nodes + cell[i];
    for (size_t c = 0; c < 4; ++c) planes[c][i] = between(node[c], node[4 + c], fraction[i]) * from_16;
  }
}

// The four corners of the tetrahedron that a colour lies in: the cell's first, one and two steps on, and its last,
// as offsets in floats, with their weights.
struct Corners {
  int32_t first[icc_block], second[icc_block], third[icc_block];
  IccPlane weight[4];
};

static void find_corners(const IccPlane* RESTRICT axes, const int* points, size_t count, Corners& corners) {
  const int32_t sz = 4, sy = sz * points[2], sx = sy * points[1], all = sx + sy + sz;
  int32_t cx[icc_block], cy[icc_block], cz[icc_block];
  IccPlane fx, fy, fz;
  locate(axes[0], count, points[0], sx, cx, fx);
  locate(axes[1], count, points[1], sy, cy, fy);
  locate(axes[2], count, points[2], sz, cz, fz);
  for (size_t i = 0; i < count; ++i) {
    const float x = fx[i], y = fy[i], z = fz[i];
    const float xy_high = x > y ? x : y, xy_low = x > y ? y : x;
    const int32_t xy_high_step = x > y ? sx : sy, xy_low_step = x > y ? sy : sx;
    const float high = xy_high > z ? xy_high : z, low = xy_low < z ? xy_low : z;
    const int32_t high_step = xy_high > z ? xy_high_step : sz, low_step = xy_low < z ? xy_low_step : sz;
    const float middle = x + y + z - high - low;
    const int32_t first = cx[i] + cy[i] + cz[i];
    corners.first[i] = first;
    corners.second[i] = first + high_step;
    corners.third[i] = first + all - low_step;
    corners.weight[0][i] = 1.0F - high;
    corners.weight[1][i] = high - middle;
    corners.weight[2][i] = middle - low;
    corners.weight[3][i] = low;
  }
}

// Three inputs by tetrahedra; four by tetrahedra in the last three on both sides of the first, and a line between.
static void tetrahedral(const ColourGrid& grid, size_t count, IccPlane* RESTRICT planes) {
  Corners at;
  Node sums[icc_block];
  const int* points = grid.points + (grid.inputs - 3);
  const int32_t last = 4 * (1 + points[2] * (1 + points[1]));
  find_corners(planes + (grid.inputs - 3), points, count, at);
  if (grid.inputs == 3) {
    for (size_t i = 0; i < count; ++i) {
      const float* RESTRICT a = grid.nodes + at.first[i];
      const float* RESTRICT b = grid.nodes + at.second[i];
      const float* RESTRICT c = grid.nodes + at.third[i];
      const float wa = at.weight[0][i], wb = at.weight[1][i], wc = at.weight[2][i], wd = at.weight[3][i];
      float* RESTRICT sum = sums[i];
      for (int k = 0; k < 4; ++k) sum[k] = whole(a[k] * wa + b[k] * wb + c[k] * wc + a[last + k] * wd);
    }
    return to_planes(sums, count, planes);
  }
  IccPlane fraction;
  int32_t slab[icc_block];
  const int32_t step = 4 * points[0] * points[1] * points[2];
  locate(planes[0], count, grid.points[0], step, slab, fraction);
  for (size_t i = 0; i < count; ++i) {
    const float* RESTRICT lower = grid.nodes + slab[i];
    const float* RESTRICT a = lower + at.first[i];
    const float* RESTRICT b = lower + at.second[i];
    const float* RESTRICT c = lower + at.third[i];
    const float wa = at.weight[0][i], wb = at.weight[1][i], wc = at.weight[2][i], wd = at.weight[3][i];
    const float f = fraction[i];
    float* RESTRICT sum = sums[i];
    for (int k = 0; k < 4; ++k) {
      const float low = whole(a[k] * wa + b[k] * wb + c[k] * wc + a[last + k] * wd);
      const float high = whole(a[step + k] * wa + b[step + k] * wb + c[step + k] * wc + a[step + last + k] * wd);
      sum[k] = between(low, high, f);
    }
  }
  to_planes(sums, count, planes);
}

static void trilinear(const ColourGrid& grid, size_t count, IccPlane* RESTRICT planes) {
  Node sums[icc_block];
  const int32_t sz = 4, sy = sz * grid.points[2], sx = sy * grid.points[1];
  int32_t cx[icc_block], cy[icc_block], cz[icc_block];
  IccPlane fx, fy, fz;
  locate(planes[0], count, grid.points[0], sx, cx, fx);
  locate(planes[1], count, grid.points[1], sy, cy, fy);
  locate(planes[2], count, grid.points[2], sz, cz, fz);
  for (size_t i = 0; i < count; ++i) {
    const float* RESTRICT a = grid.nodes + cx[i] + cy[i] + cz[i];
    const float* RESTRICT b = a + sx;
    const float x = fx[i], y = fy[i], z = fz[i];
    float* RESTRICT sum = sums[i];
    for (int k = 0; k < 4; ++k) {
      const float a00 = a[k], a01 = a[sz + k], a10 = a[sy + k], a11 = a[sy + sz + k];
      const float b00 = b[k], b01 = b[sz + k], b10 = b[sy + k], b11 = b[sy + sz + k];
      const float c00 = between(a00, b00, x), c01 = between(a01, b01, x);
      const float c10 = between(a10, b10, x), c11 = between(a11, b11, x);
      sum[k] = between(between(c00, c10, y), between(c01, c11, y), z);
    }
  }
  to_planes(sums, count, planes);
}

#undef RESTRICT

void fill(IccKernels& table) {
  table.unpack_8 = unpack<uint8_t>;
  table.unpack_16 = unpack<uint16_t>;
  table.table_curve = table_curve;
  table.power_curve = power_curve;
  table.matrix = matrix;
  table.lab_to_xyz = lab_to_xyz;
  table.xyz_to_lab = xyz_to_lab;
  table.linear = linear;
  table.tetrahedral = tetrahedral;
  table.trilinear = trilinear;
  table.pack_8 = pack<uint8_t>;
  table.pack_16 = pack<uint16_t>;
}

}  // namespace PYRAMIDION_KERNELS
}  // namespace pyramidion

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
