#include "grid.h"

#include <set>
#include <vector>

#include "check.h"

using namespace pyramidion;

namespace {

// Where a stored pixel goes in the result, from the EXIF 2.32 table of orientations.
std::pair<int, int> placed(int orientation, int width, int height, int x, int y) {
  switch (orientation) {
    case 2: return {width - 1 - x, y};
    case 3: return {width - 1 - x, height - 1 - y};
    case 4: return {x, height - 1 - y};
    case 5: return {y, x};
    case 6: return {height - 1 - y, x};
    case 7: return {height - 1 - y, width - 1 - x};
    case 8: return {y, width - 1 - x};
    default: return {x, y};
  }
}

}  // namespace

TEST("grid: the cells of every orientation cover the result once, each pixel in its place") {
  constexpr int tile = 16;
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const int width : {1, 15, 16, 17, 40})
      for (const int height : {1, 16, 33}) {
        const Grid grid(width, height, tile, turn_of(orientation));
        std::vector<uint8_t> expected(static_cast<size_t>(grid.out_width() * grid.out_height()));
        std::vector<uint8_t> stored(static_cast<size_t>(width * height));
        for (int y = 0; y < height; ++y)
          for (int x = 0; x < width; ++x) {
            const auto value = static_cast<uint8_t>(x * 7 + y * 31);
            stored[static_cast<size_t>(y * width + x)] = value;
            const auto [to_x, to_y] = placed(orientation, width, height, x, y);
            expected[static_cast<size_t>(to_y * grid.out_width() + to_x)] = value;
          }
        std::set<size_t> seen;
        for (int row = 0; row < grid.rows(); ++row)
          for (int column = 0; column < grid.columns(); ++column) {
            const size_t index = grid.tile_index(column, row);
            CHECK(seen.insert(index).second);
            const int top = grid.row_start(row), bottom = grid.row_start(row + 1);
            CHECK(bottom > top && bottom - top <= tile);
            std::vector<uint8_t> cut(tile * tile);
            grid.cut(stored.data() + static_cast<ptrdiff_t>(top) * width, top, column, row, 1, cut.data(), tile);
            const int left = static_cast<int>(index) % grid.out_columns() * tile;
            const int upper = static_cast<int>(index) / grid.out_columns() * tile;
            for (int j = 0; j < tile; ++j)
              for (int i = 0; i < tile; ++i) {
                const int x = std::min(left + i, grid.out_width() - 1), y = std::min(upper + j, grid.out_height() - 1);
                CHECK_EQ(cut[static_cast<size_t>(j * tile + i)],
                         expected[static_cast<size_t>(y * grid.out_width() + x)]);
              }
          }
        CHECK_EQ(seen.size(), static_cast<size_t>(grid.out_columns() * grid.out_rows()));
      }
}

TEST("grid: levels halve, rounding up, and pair pixels from the origin of the result") {
  const Grid odd(101, 57, 16, turn_of(3));
  CHECK_EQ(odd.half().width(), 51);
  CHECK_EQ(odd.half().height(), 29);
  CHECK_EQ(odd.phase_x(), -1);
  CHECK_EQ(odd.phase_y(), -1);
  CHECK_EQ(Grid(101, 57, 16, turn_of(1)).phase_x(), 0);
  CHECK_EQ(Grid(100, 57, 16, turn_of(2)).phase_x(), 0);
}
