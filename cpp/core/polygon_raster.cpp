#include "core/polygon_raster.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "core/error.h"
#include "core/job_control.h"
#include "core/page_allocator.h"

namespace dinov3_seg {
namespace {

struct Corner {
  int64_t x, y;
};

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/// An edge that is not horizontal, followed row by row from `first` on. x at row y is
/// x0 + (y − y0)·dx/dy; kept is x + ½ as whole + rest/(2·dy), which is exact.
struct Edge {
  int64_t y0, y1;  // y0 < y1
  int64_t first;   // y0, or 0 where that is above the image
  int64_t whole, rest;
  int64_t whole_step, rest_step;
  int64_t denominator;

  Edge(Corner a, Corner b) {
    if (a.y > b.y) std::swap(a, b);
    const int64_t dx = b.x - a.x, dy = b.y - a.y;
    y0 = a.y;
    y1 = b.y;
    first = std::max<int64_t>(y0, 0);
    denominator = 2 * dy;
    // Coordinates are bounded so that no product passes 1e13.
    const int64_t numerator = (2 * a.x + 1) * dy + 2 * (first - y0) * dx;
    whole = floor_divide(numerator, denominator);
    rest = numerator - whole * denominator;
    whole_step = floor_divide(2 * dx, denominator);
    rest_step = 2 * dx - whole_step * denominator;
  }

  /// Where a span that begins here has its first pixel is (key + 1) >> 1, where one that ends here its last
  /// is key >> 1: x to the next whole number, and halves to the inside of the span. Sorts as x does, as far
  /// as that matters.
  int64_t key() const { return 2 * whole - (rest == 0); }

  void step() {
    whole += whole_step;
    rest += rest_step;
    if (rest >= denominator) {
      rest -= denominator;
      ++whole;
    }
  }
};

/// Draws into one label; its arrays serve one polygon after the other.
class Painter {
 public:
  /// `first`: the first pixel.
  Painter(uint8_t* first, const LabelCanvas& canvas)
      : first_(first),
        height_(canvas.height),
        width_(canvas.width),
        row_bytes_(canvas.margin + canvas.width) {}

  void paint(std::span<const double> points, uint8_t value) {
    value_ = value;
    check_cancelled();
    read_corners(points);
    list_edges();
    active_.clear();
    size_t next = 0;
    for (int64_t y = edges_.empty() ? height_ : edges_.front().first; y < height_; ++y) {
      check_cancelled();
      bool corner = false;
      for (; next < edges_.size() && edges_[next].first == y; ++next) active_.push_back(&edges_[next]);
      for (const Edge* edge : active_) corner |= edge->y0 == y || edge->y1 == y;
      // Between corners the rows just above and just below are crossed by the same edges.
      spans(y, [](const Edge& edge, int64_t row) { return edge.y1 > row; });
      if (corner) {
        spans(y, [](const Edge& edge, int64_t row) { return edge.y0 < row; });
        std::erase_if(active_, [y](const Edge* edge) { return edge->y1 == y; });
      }
      if (active_.empty() && next == edges_.size()) break;
      for (Edge* edge : active_) edge->step();
    }
  }

 private:
  void read_corners(std::span<const double> points) {
    corners_.clear();
    for (size_t i = 0; i < points.size(); i += 2)
      corners_.push_back({static_cast<int64_t>(points[i]), static_cast<int64_t>(points[i + 1])});
  }

  /// Edges that reach into the image's rows, by their first row; horizontal ones are drawn at once.
  void list_edges() {
    edges_.clear();
    for (size_t i = 0; i < corners_.size(); ++i) {
      const Corner a = corners_[i], b = corners_[i + 1 < corners_.size() ? i + 1 : 0];
      if (a.y == b.y)
        fill(a.y, std::min(a.x, b.x), std::max(a.x, b.x));
      else if (std::max(a.y, b.y) >= 0 && std::min(a.y, b.y) < height_)
        edges_.emplace_back(a, b);
    }
    std::sort(edges_.begin(), edges_.end(), [](const Edge& a, const Edge& b) { return a.first < b.first; });
  }

  /// The inside of row y between the edges that `crosses` chooses, an even number of them.
  template <typename Crosses>
  void spans(int64_t y, Crosses crosses) {
    keys_.clear();
    for (const Edge* edge : active_)
      if (crosses(*edge, y)) keys_.push_back(edge->key());
    std::sort(keys_.begin(), keys_.end());
    for (size_t i = 0; i + 1 < keys_.size(); i += 2) fill(y, (keys_[i] + 1) >> 1, keys_[i + 1] >> 1);
  }

  void fill(int64_t y, int64_t from, int64_t to) {
    if (y < 0 || y >= height_) return;
    from = std::max<int64_t>(from, 0);
    to = std::min(to, width_ - 1);
    if (from <= to) std::memset(first_ + y * row_bytes_ + from, value_, static_cast<size_t>(to - from + 1));
  }

  uint8_t* first_;
  int64_t height_, width_, row_bytes_;
  uint8_t value_ = 0;
  std::vector<Corner> corners_;
  std::vector<Edge> edges_;
  std::vector<Edge*> active_;
  std::vector<int64_t> keys_;
};

void check(const Polygons& polygons, const LabelCanvas& canvas) {
  if (canvas.height < 1 || canvas.width < 1 || canvas.margin < 0)
    fail("SHAPE", "expected a label of at least 1×1 pixels with a margin of at least 0, got ", canvas.height,
         "×", canvas.width, " with margin ", canvas.margin);
  if (polygons.counts.size() != polygons.values.size())
    fail("INVALID_ARGUMENT", "expected one value per polygon: ", polygons.counts.size(), " polygons, ",
         polygons.values.size(), " values");
  size_t read = 0;
  for (size_t i = 0; i < polygons.counts.size(); ++i) {
    const int64_t count = polygons.counts[i];
    if (count < 0 || static_cast<size_t>(count) > (polygons.points.size() - read) / 2)
      fail("INVALID_ARGUMENT", "polygon ", i, " should have ", count, " corners, but only ",
           (polygons.points.size() - read) / 2, " are left");
    for (const size_t end = read + 2 * static_cast<size_t>(count); read < end; ++read)
      if (!(std::abs(polygons.points[read]) <= most_coordinate))
        fail("INVALID_ARGUMENT", "polygon ", i, " has the coordinate ", polygons.points[read],
             "; expected numbers from ", -most_coordinate, " to ", most_coordinate);
  }
  if (read != polygons.points.size())
    fail("INVALID_ARGUMENT", "expected ", read, " coordinates, got ", polygons.points.size());
}

}  // namespace

at::Tensor fill_polygons(const Polygons& polygons, const LabelCanvas& canvas) {
  check(polygons, canvas);
  const int64_t row_bytes = canvas.margin + canvas.width;
  at::Tensor label = empty_page_allocated({canvas.height, row_bytes}, at::kByte);
  auto* data = static_cast<uint8_t*>(label.mutable_data_ptr());
  std::memset(data, canvas.background, label.nbytes());
  for (int64_t y = 0; y < canvas.height; ++y)
    std::memset(data + y * row_bytes, 0, static_cast<size_t>(canvas.margin));
  Painter painter(data + canvas.margin, canvas);
  std::span<const double> rest = polygons.points;
  for (size_t i = 0; i < polygons.counts.size(); ++i) {
    const size_t length = 2 * static_cast<size_t>(polygons.counts[i]);
    painter.paint(rest.first(length), polygons.values[i]);
    rest = rest.subspan(length);
  }
  return label;
}

}  // namespace dinov3_seg
