// What the inner loops of colour conversion work on, and the table of them, filled by the best instruction set at hand.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pyramidion {

// Pixels go through a link in blocks of this many, as planes of floats.
constexpr size_t icc_block = 256;
using IccPlane = float[icc_block];

// x from `limit` up: gain · (scale · x + offset)^gamma + base; below: slope · x + start.
struct PowerCurve {
  float limit, scale, offset, gamma, gain, base, slope, start;
};

// Nodes of four floats each, of which `outputs` count; the last input is the fastest. Inputs: 1, 3 or 4.
struct ColourGrid {
  const float* nodes;
  int inputs, outputs;
  int points[4];
};

struct IccKernels {
  void (*unpack_8)(const uint8_t*, size_t, size_t, const float* const*, size_t, IccPlane*);
  void (*unpack_16)(const uint16_t*, size_t, size_t, const float* const*, size_t, IccPlane*);
  void (*table_curve)(const float*, int, size_t, float*);
  void (*power_curve)(const PowerCurve&, size_t, float*);
  void (*matrix)(const float (*)[4], size_t, size_t, size_t, IccPlane*);
  void (*lab_to_xyz)(size_t, IccPlane*);
  void (*xyz_to_lab)(size_t, IccPlane*);
  void (*linear)(const ColourGrid&, size_t, IccPlane*);
  void (*tetrahedral)(const ColourGrid&, size_t, IccPlane*);
  void (*trilinear)(const ColourGrid&, size_t, IccPlane*);
  void (*pack_8)(const IccPlane*, size_t, size_t, size_t, uint8_t*);
  void (*pack_16)(const IccPlane*, size_t, size_t, size_t, uint16_t*);
};

namespace kernels_baseline {
void fill(IccKernels& table);
}
#ifdef PYRAMIDION_AVX2
namespace kernels_avx2 {
void fill(IccKernels& table);
}
#endif

}  // namespace pyramidion
