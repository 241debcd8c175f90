// Raw tiles in, stored tiles out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "job.h"

namespace pyramidion {

// Compresses runs of tiles. One object serves all threads of a build.
class TileCodec {
 public:
  // Throws INVALID_OPTION when the coding cannot hold the pixel type.
  TileCodec(const TileCoding& coding, const PixelType& pixels, int tile_size);

  // Compresses `count` raw tiles: one after another, or side by side as one wide picture when side_by_side() says so.
  // out[i] gets the stored form of tile i. May overwrite the raw tiles. Throws INTERNAL when the encoder fails.
  void encode(uint8_t* tiles, int count, std::vector<uint8_t>* out) const;

  bool side_by_side() const { return coding_.kind == Coding::jpeg; }

  // Most tiles worth handing over in one call.
  int batch() const;

  // TIFF fields that describe the coding.
  uint16_t compression() const;
  uint16_t photometric() const;
  const std::vector<uint8_t>& jpeg_tables() const { return tables_; }  // empty unless JPEG
  size_t tile_bytes() const { return tile_bytes_; }

 private:
  void difference(uint8_t* tile) const;
  void encode_jpeg(uint8_t* tiles, int count, std::vector<uint8_t>* out) const;
  void encode_webp(uint8_t* tiles, int count, std::vector<uint8_t>* out) const;

  TileCoding coding_;
  PixelType pixels_;
  int tile_size_;
  size_t tile_bytes_;
  std::vector<uint8_t> tables_;  // SOI, DQT, DHT, EOI
  std::vector<uint8_t> head_;    // SOI, SOF, DRI, SOS of one tile
};

}  // namespace pyramidion
