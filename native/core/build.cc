#include "build.h"

#include <vips/vips.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "autocrop.h"
#include "engine.h"
#include "failure.h"
#include "file.h"
#include "grid.h"
#include "pages.h"
#include "reduce.h"
#include "row_reader.h"
#include "source.h"
#include "task_pool.h"
#include "tiff_writer.h"
#include "tile_codec.h"
#include "unsharp.h"

namespace pyramidion {

namespace {

// Rows asked of the decoder at once: the stop flag is looked at between two requests.
constexpr int rows_per_read = 32;

// Memory of pixels or stored tiles, counted in the control block while it lives.
class Held {
 public:
  Held(const Control& control, size_t bytes) : control_(control), bytes_(static_cast<int64_t>(bytes)) {
    control_.add(Control::bytes_held, bytes_);
  }
  ~Held() { control_.add(Control::bytes_held, -bytes_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  const Control& control_;
  int64_t bytes_;
};

// The stored rows of one row of cells.
struct Band {
  Band(const Control& control, size_t size) : pixels(size), held(control, size) {}
  Pages pixels;
  Held held;
  int cell_row = 0, top = 0, rows = 0;
};
using BandRef = std::shared_ptr<Band>;

// Raw tiles on their way to the codec.
struct Batch {
  Batch(const Control& control, size_t size) : tiles(size), held(control, 2 * size) {}
  Pages tiles;
  Held held;  // the codec takes as much again
};
using BatchRef = std::shared_ptr<Batch>;

// Buffers used again and again: giving them back to the system and asking anew costs a page fault for every 4 KiB.
template <typename Buffer>
class Spares {
 public:
  // A spare one, or what `make` makes; it returns here when the last holder lets go.
  template <typename Make>
  std::shared_ptr<Buffer> take(Make make) {
    std::unique_ptr<Buffer> taken;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!spare_.empty()) {
        taken = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    if (!taken) taken = make();
    return std::shared_ptr<Buffer>(taken.release(), [this](Buffer* used) {
      const std::lock_guard<std::mutex> lock(mutex_);
      spare_.emplace_back(used);
    });
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Buffer>> spare_;
};

// All that one band of source rows leads to, on every level. Groups are written whole and in order, so that the same
// input gives the same bytes whatever the threads do.
struct Group {
  struct Piece {
    size_t level, index;
    std::vector<uint8_t> bytes;
  };
  std::atomic<int> open{1};  // tasks that may still add to it, and its maker
  std::mutex mutex;
  std::vector<Piece> pieces;
};
using GroupRef = std::shared_ptr<Group>;

// Gathers rows into bands.
struct BandSink {
  BandRef filling;
  int next_row = 0, cell_row = 0;
};

struct Level {
  Level(size_t number, const Grid& shape) : index(number), grid(shape) {}
  size_t index;
  Grid grid;
  // Bands return here, so it stands before all that may still hold one when a build fails.
  Spares<Band> spare;
  // Towards the level below; null for the smallest.
  std::unique_ptr<RowReducer> reducer;
  std::vector<uint8_t> history;  // the last rows of earlier bands, row y in slot y mod reduce_taps
  int next_out = 0;
  // Bands waiting to be reduced, one at a time and in order.
  std::mutex strand;
  std::deque<std::pair<BandRef, GroupRef>> waiting;
  bool reducing = false;
  // Rows of this level on their way to the next and, sharpened or not, to tiles.
  BandSink rows, sharpened;
  std::unique_ptr<UnsharpStream> unsharp;
};

class Builder {
 public:
  explicit Builder(const BuildJob& job);
  BuildResult run();

 private:
  size_t row_bytes(const Level& level) const {
    return static_cast<size_t>(level.grid.width()) * job_.pixels.pixel_bytes();
  }
  BandRef new_band(Level& level, int cell_row);
  BatchRef new_batch();
  void dispatch(Level& level, const BandRef& band, const GroupRef& group);
  void compress(const Level& level, const BandRef& band, const GroupRef& group);
  void queue_reduction(Level& level, const BandRef& band, const GroupRef& group);
  void reduce(Level& level, const Band& band, const GroupRef& group);
  void take_row(Level& level, const GroupRef& group);
  void close(const GroupRef& group);
  void find_seed(AutocropScan& scan);
  void submit(const GroupRef& group, std::function<void()> task);

  const BuildJob& job_;
  const Control control_;
  Source source_;
  RowReader reader_;
  TileCodec codec_;
  Spares<Batch> batches_;
  std::vector<std::unique_ptr<Level>> levels_;
  OutputFile file_;
  std::unique_ptr<TiffWriter> writer_;
  std::mutex write_mutex_;
  std::deque<GroupRef> order_;  // groups not yet written, oldest first
  std::atomic<int> unwritten_{0};
  TaskPool tasks_;  // last: its threads are gone before anything they use
};

Builder::Builder(const BuildJob& job)
    : job_(job),
      control_(job.control),
      source_(job.input, control_),
      reader_(source_, job),
      codec_(job.coding, job.pixels, job.tile_size),
      file_(job.output),
      tasks_(job.threads) {
  Grid grid(reader_.width(), reader_.height(), job.tile_size, turn_of(job.orientation));
  std::vector<LevelFields> fields;
  for (int i = 0; i < job.levels; ++i, grid = grid.half()) {
    levels_.push_back(std::make_unique<Level>(static_cast<size_t>(i), grid));
    Level& level = *levels_.back();
    if (i + 1 < job.levels) {
      level.reducer = std::make_unique<RowReducer>(RowReducer::Shape{grid.width(), grid.phase_x(), job.pixels},
                                                   job.reduction, job.linear_light);
      level.history.resize(row_bytes(level) * reduce_taps);
    }
    if (i > 0 && job.unsharp.active)
      level.unsharp = std::make_unique<UnsharpStream>(job.unsharp, job.pixels, grid.width(), grid.height());
    fields.push_back({grid.out_width(), grid.out_height(), grid.out_columns(), grid.out_rows()});
  }
  CommonFields common;
  common.pixels = job.pixels;
  common.tile_size = job.tile_size;
  common.compression = codec_.compression();
  common.photometric = codec_.photometric();
  common.predictor = job.coding.predictor && (job.coding.kind == Coding::deflate || job.coding.kind == Coding::lzw);
  common.subsample = job.coding.subsample;
  common.jpeg_tables = codec_.jpeg_tables();
  writer_ = std::make_unique<TiffWriter>(file_, common, fields, job.tags, job.layout, job.big_tiff);
}

BandRef Builder::new_band(Level& level, int cell_row) {
  const int most = std::min(job_.tile_size, level.grid.height());
  BandRef band =
      level.spare.take([&] { return std::make_unique<Band>(control_, row_bytes(level) * static_cast<size_t>(most)); });
  band->cell_row = cell_row;
  band->top = level.grid.row_start(cell_row);
  band->rows = level.grid.row_start(cell_row + 1) - band->top;
  return band;
}

BatchRef Builder::new_batch() {
  return batches_.take([this] {
    // No batch is longer than the full level is wide.
    const int most = std::min(codec_.batch(), levels_[0]->grid.columns());
    return std::make_unique<Batch>(control_, codec_.tile_bytes() * static_cast<size_t>(most));
  });
}

// A task of a group: it keeps the group open until it has run.
void Builder::submit(const GroupRef& group, std::function<void()> task) {
  group->open.fetch_add(1);
  tasks_.submit([this, group, task = std::move(task)]() mutable {
    check_stop(control_);
    task();
    task = nullptr;  // its buffers are free before the group that waits for them is told
    close(group);
  });
}

// One holder of a group is done with it; the last one hands it to the writer, which writes what is next in order.
void Builder::close(const GroupRef& group) {
  if (group->open.fetch_sub(1) != 1) return;
  const std::lock_guard<std::mutex> lock(write_mutex_);
  while (!order_.empty() && order_.front()->open.load() == 0) {
    std::vector<Group::Piece>& pieces = order_.front()->pieces;
    std::sort(pieces.begin(), pieces.end(), [](const Group::Piece& a, const Group::Piece& b) {
      return std::pair(a.level, a.index) < std::pair(b.level, b.index);
    });
    for (const Group::Piece& piece : pieces) writer_->put_tile(piece.level, piece.index, piece.bytes);
    order_.pop_front();
    unwritten_.fetch_sub(1);
  }
  control_.set(Control::bytes_written, static_cast<int64_t>(writer_->size()));
  control_.set(Control::tracked, static_cast<int64_t>(vips_tracked_get_mem()));
}

void Builder::dispatch(Level& level, const BandRef& band, const GroupRef& group) {
  control_.set(Control::level, static_cast<int64_t>(level.index));
  if (!level.unsharp) compress(level, band, group);
  if (level.reducer) queue_reduction(level, band, group);
}

void Builder::compress(const Level& level, const BandRef& band, const GroupRef& group) {
  const int columns = level.grid.columns();
  // Enough pieces for all threads, but no smaller than is worth a call of the codec.
  const int share = (columns + 2 * job_.threads - 1) / (2 * job_.threads);
  const int batch = std::clamp(share, std::min(8, codec_.batch()), codec_.batch());
  for (int first = 0; first < columns; first += batch) {
    const int count = std::min(batch, columns - first);
    submit(group, [this, &level, band, group, first, count] {
      const BatchRef raw = new_batch();
      const size_t line = static_cast<size_t>(job_.tile_size) * job_.pixels.pixel_bytes();
      const size_t step = codec_.side_by_side() ? line : codec_.tile_bytes();
      const size_t stride = codec_.side_by_side() ? line * static_cast<size_t>(count) : line;
      for (int i = 0; i < count; ++i)
        level.grid.cut(band->pixels.data(), band->top, first + i, band->cell_row, job_.pixels.pixel_bytes(),
                       raw->tiles.data() + static_cast<size_t>(i) * step, stride);
      std::vector<std::vector<uint8_t>> stored(static_cast<size_t>(count));
      codec_.encode(raw->tiles.data(), count, stored.data());
      const std::lock_guard<std::mutex> lock(group->mutex);
      for (int i = 0; i < count; ++i)
        group->pieces.push_back(
            {level.index, level.grid.tile_index(first + i, band->cell_row), std::move(stored[static_cast<size_t>(i)])});
    });
  }
}

void Builder::queue_reduction(Level& level, const BandRef& band, const GroupRef& group) {
  group->open.fetch_add(1);  // held by the entry in `waiting`
  {
    const std::lock_guard<std::mutex> lock(level.strand);
    level.waiting.emplace_back(band, group);
    if (level.reducing) return;
    level.reducing = true;
  }
  submit(group, [this, &level] {
    for (;;) {
      std::pair<BandRef, GroupRef> next;
      {
        const std::lock_guard<std::mutex> lock(level.strand);
        if (level.waiting.empty()) {
          level.reducing = false;
          return;
        }
        next = std::move(level.waiting.front());
        level.waiting.pop_front();
      }
      check_stop(control_);
      reduce(level, *next.first, next.second);
      next.first.reset();
      close(next.second);
    }
  });
}

// Makes every row of the level below that this band completes.
void Builder::reduce(Level& level, const Band& band, const GroupRef& group) {
  Level& below = *levels_[level.index + 1];
  const size_t row = row_bytes(level);
  const int half = level.reducer->half(), last = level.grid.height() - 1;
  const int available = band.top + band.rows - 1;
  const auto row_at = [&](int y) {
    y = std::clamp(y, 0, last);
    return y >= band.top ? band.pixels.data() + static_cast<size_t>(y - band.top) * row
                         : level.history.data() + static_cast<size_t>(y % reduce_taps) * row;
  };
  for (; level.next_out < below.grid.height(); ++level.next_out) {
    const int centre = 2 * level.next_out + level.grid.phase_y();
    if (std::min(centre + half, last) > available) break;
    const uint8_t* rows[reduce_taps];
    for (int t = 0; t < 2 * half; ++t) rows[t] = row_at(centre - half + 1 + t);
    BandSink& sink = below.rows;
    if (!sink.filling) sink.filling = new_band(below, sink.cell_row);
    level.reducer->reduce(
        rows, sink.filling->pixels.data() + static_cast<size_t>(sink.next_row - sink.filling->top) * row_bytes(below));
    take_row(below, group);
  }
  for (int y = std::max(band.top, available - reduce_taps + 1); y <= available; ++y)
    std::memcpy(level.history.data() + static_cast<size_t>(y % reduce_taps) * row, row_at(y), row);
}

// The row just written into the band being filled is there: pass it on, and the band when it is whole.
void Builder::take_row(Level& level, const GroupRef& group) {
  BandSink& sink = level.rows;
  const size_t row = row_bytes(level);
  if (level.unsharp) {
    const uint8_t* made = sink.filling->pixels.data() + static_cast<size_t>(sink.next_row - sink.filling->top) * row;
    level.unsharp->push(made, [&](const uint8_t* sharp) {
      BandSink& tiles = level.sharpened;
      if (!tiles.filling) tiles.filling = new_band(level, tiles.cell_row);
      std::memcpy(tiles.filling->pixels.data() + static_cast<size_t>(tiles.next_row - tiles.filling->top) * row, sharp,
                  row);
      if (++tiles.next_row < tiles.filling->top + tiles.filling->rows) return;
      compress(level, tiles.filling, group);
      tiles.filling.reset();
      ++tiles.cell_row;
    });
  }
  if (++sink.next_row < sink.filling->top + sink.filling->rows) return;
  const BandRef whole = std::move(sink.filling);
  sink.filling.reset();
  ++sink.cell_row;
  dispatch(level, whole, group);
}

// The seed of a lower corner is known only at the end of the source: that costs one more decode, and only then.
void Builder::find_seed(AutocropScan& scan) {
  const Source again(job_.input, control_);
  RowReader reader(again, job_);
  const size_t row = row_bytes(*levels_[0]);
  const std::unique_ptr<uint8_t[]> rows(new uint8_t[row * rows_per_read]);
  for (int y = 0; y < reader.height(); y += rows_per_read) {
    check_stop(control_);
    const int count = std::min(rows_per_read, reader.height() - y);
    reader.read(y, count, rows.get());
    if (y + count == reader.height()) scan.take_seed(rows.get() + static_cast<size_t>(count - 1) * row);
  }
}

BuildResult Builder::run() {
  Level& full = *levels_[0];
  const size_t row = row_bytes(full);
  control_.set(Control::rows_total, full.grid.height());
  std::unique_ptr<AutocropScan> scan;
  if (job_.autocrop.active) {
    scan = std::make_unique<AutocropScan>(job_.autocrop, job_.pixels, full.grid.width(), full.grid.height(),
                                          turn_of(job_.orientation));
    if (scan->seed_is_last_row()) find_seed(*scan);
  }
  // While one band is compressed the next is decoded; alone, there is no gain in holding two.
  const int in_flight = job_.threads > 1 ? 2 : 1;
  for (int cell = 0; cell < full.grid.rows(); ++cell) {
    tasks_.help_until([&] { return unwritten_.load() < in_flight; });
    const BandRef band = new_band(full, cell);
    for (int done = 0; done < band->rows; done += rows_per_read) {
      check_stop(control_);
      const int count = std::min(rows_per_read, band->rows - done);
      uint8_t* to = band->pixels.data() + static_cast<size_t>(done) * row;
      reader_.read(band->top + done, count, to);
      if (scan)
        for (int i = 0; i < count; ++i) scan->feed(band->top + done + i, to + static_cast<size_t>(i) * row);
      control_.set(Control::rows_done, band->top + done + count);
    }
    const auto group = std::make_shared<Group>();
    {
      const std::lock_guard<std::mutex> lock(write_mutex_);
      order_.push_back(group);
      unwritten_.fetch_add(1);
    }
    dispatch(full, band, group);
    close(group);
  }
  tasks_.help_until([&] { return unwritten_.load() == 0; });
  writer_->finish();
  file_.sync();
  check_stop(control_);
  file_.keep();

  BuildResult result;
  result.bytes = static_cast<int64_t>(writer_->size());
  control_.set(Control::bytes_written, result.bytes);
  for (const auto& level : levels_)
    result.levels.push_back({level->grid.out_width(), level->grid.out_height(),
                             static_cast<int64_t>(level->grid.columns()) * level->grid.rows(),
                             writer_->level_bytes(level->index)});
  if (scan) result.autocrop = scan->result();
  return result;
}

}  // namespace

BuildResult build(const BuildJob& job) {
  start_vips("pyramidion");
  return Builder(job).run();
}

}  // namespace pyramidion
