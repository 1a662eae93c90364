// The best class of each pixel of resized masks. A product of class shares and masks in float16, on tensor
// cores, tells which classes can be the best of a pixel: its error is bounded. Where that leaves several,
// their scores are computed in float32, query by query. So the results are those of float32 alone.
#include <cuda_fp16.h>
#include <cuda_pipeline.h>

#include "ops/cuda/linear_interpolation.cuh"
#include "ops/cuda/network_kernels.h"
#include "ops/cuda/reduce.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int threads = 256, warp_size = 32;
constexpr int pixels = 128;      // of a block
constexpr int own_pixels = 16;   // of a warp: the rows of a product
constexpr int tile_classes = 8;  // the columns of a product
constexpr int product_queries = 16;
constexpr int queries_at_once = 64;
constexpr int row_halves = queries_at_once + 16;  // in shared memory: rows a quarter of the banks apart

__host__ __device__ __forceinline__ int round_up(int count, int step) {
  return (count + step - 1) / step * step;
}

/// Class shares K'×Q' of an image in float16, zeros beyond the K×Q that there are.
struct HalfShares {
  int classes, queries;

  __host__ __device__ explicit HalfShares(const MasksArguments& in)
      : classes(round_up(in.classes, tile_classes)), queries(round_up(in.queries, product_queries)) {}
  __host__ __device__ int64_t count() const { return static_cast<int64_t>(classes) * queries; }
  __device__ __half* of(const MasksArguments& in, int64_t image) const {
    return static_cast<__half*>(in.scratch) + image * count();
  }
  /// Whether an image's shares are all from 0 to 1, which the bound of the errors needs.
  __device__ int* bounded(const MasksArguments& in) const { return reinterpret_cast<int*>(of(in, in.batch)); }
};

/// Makes the shares of an image, a block.
__global__ void __launch_bounds__(1024) halves_kernel(MasksArguments in) {
  const HalfShares size(in);
  const int64_t image = blockIdx.x;
  const float* shares = in.query_classes + image * in.queries * in.classes;
  __half* halves = size.of(in, image);
  bool bounded = true;
  for (int i = static_cast<int>(threadIdx.x); i < size.count(); i += static_cast<int>(blockDim.x)) {
    const int query = i / size.classes, k = i % size.classes;
    float share = 0.0F;
    if (query < in.queries && k < in.classes) {
      share = shares[static_cast<int64_t>(query) * in.classes + k];
      bounded = bounded && share >= 0.0F && share <= 1.0F;
    }
    halves[static_cast<int64_t>(k) * size.queries + query] = __float2half_rn(share);
  }
  const bool all = __syncthreads_and(bounded) != 0;
  if (threadIdx.x == 0) size.bounded(in)[image] = all;
}

/// The grid values around a pixel.
struct Corners {
  int near_left, far_left, near_right, far_right;  // places in a mask
  float down, across;                              // shares of the far and the right ones
};

__device__ __forceinline__ Corners corners_of(const MasksArguments& in, int64_t pixel) {
  const auto row = linear_interpolation<float>(pixel / in.width, in.grid_height, in.height);
  const auto column = linear_interpolation<float>(pixel % in.width, in.grid_width, in.width);
  const int near = row.near * in.grid_width, far = row.far * in.grid_width;
  return {near + column.near, far + column.near, near + column.far,
          far + column.far,   row.share,         column.share};
}

__device__ __forceinline__ float logit_at(const float* mask, const Corners& at) {
  const float left = interpolate(mask[at.near_left], mask[at.far_left], at.down);
  const float right = interpolate(mask[at.near_right], mask[at.far_right], at.down);
  return interpolate(left, right, at.across);
}

/// A sigmoid within 2^-19 of itself.
__device__ __forceinline__ float quick_sigmoid(float logit) {
  return __fdividef(1.0F, 1.0F + __expf(-logit));
}

struct Best {
  float score;
  int place;  // of the class; -1: none yet
};

/// `by` has a later class. NaN is above all, as libtorch has it.
__device__ __forceinline__ void improve(Best& best, const Best& by) {
  const bool better = !(by.score <= best.score) && best.score == best.score;
  if (by.place >= 0 && (best.place < 0 || better)) best = by;
}

/// How far below the greatest product another class's may lie that has the greater score in float32. Shares
/// and masks are off by 2^-11 of themselves, below float16's normal numbers by 2^-25, and masks by
/// quick_sigmoid()'s error; the tensor cores' sums by at most Q·2^-22 of them, float32's by Q·2^-24. Twice,
/// as both scores may be off.
__device__ __forceinline__ float margin_below(float most, int queries) {
  const auto count = static_cast<float>(queries);
  return most * (0x1p-9F + 0x1p-15F + count * 0x1p-20F) + count * 0x1p-22F;
}

/// sum += a·b of a's 16 rows and b's 8 rows, over 16 queries. A thread's four queries lie side by side: which
/// of the 16 a place stands for does not matter where it is the same one for both.
__device__ __forceinline__ void add_product(float (&sum)[4], const uint2& upper, const uint2& lower,
                                            const uint2& b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(upper.x), "r"(lower.x), "r"(upper.y), "r"(lower.y), "r"(b.x), "r"(b.y));
}

__device__ __forceinline__ const uint2& four(const __half* halves) {
  return *reinterpret_cast<const uint2*>(halves);
}

using Bits = unsigned long long;

/// A block's place, and what it holds in shared memory of some queries at a time.
template <int classes>
struct Block {
  using Rows = __half[row_halves];
  int64_t image, first, all;  // `first`: its first pixel; `all`: pixels of the image
  Rows* masks;                // of its pixels
  Rows* shares;               // of `classes` classes

  /// Pixels beyond the last one go along with it and are not written.
  __device__ int64_t pixel(int row) const { return first + row < all ? first + row : all - 1; }
};

/// Begins to copy the shares of classes from `start` on.
template <int classes>
__device__ __forceinline__ void load_shares(const MasksArguments& in, const Block<classes>& block, int start,
                                            int query, int count) {
  const HalfShares size(in);
  const __half* from = size.of(in, block.image) + query;
  const int vectors = count / 8;
  for (int i = static_cast<int>(threadIdx.x); i < classes * vectors; i += threads) {
    const int row = i / vectors, column = i % vectors * 8;
    __half* to = &block.shares[row][column];
    if (start + row < size.classes)
      __pipeline_memcpy_async(to, from + static_cast<int64_t>(start + row) * size.queries + column,
                              sizeof(uint4));
    else
      *reinterpret_cast<uint4*>(to) = uint4{};
  }
  __pipeline_commit();
}

/// Masks of a pixel, a thread for every second pack of 8 queries.
template <int classes>
__device__ __forceinline__ void make_masks(const MasksArguments& in, const Block<classes>& block,
                                           const Corners& corners, int query, int count) {
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const float* logits = in.masks + block.image * in.queries * step;
  const int row = static_cast<int>(threadIdx.x) % pixels, turn = static_cast<int>(threadIdx.x) / pixels;
  for (int column = turn * 8; column < count; column += threads / pixels * 8) {
    __align__(16) __half2 pack[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float two[2];
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const int own = query + column + 2 * i + j;
        two[j] = own < in.queries ? quick_sigmoid(logit_at(logits + own * step, corners)) : 0.0F;
      }
      pack[i] = __floats2half2_rn(two[0], two[1]);
    }
    *reinterpret_cast<uint4*>(&block.masks[row][column]) = *reinterpret_cast<const uint4*>(pack);
  }
}

/// The best of some classes of a pixel in float32, by a warp. `list`: `count` classes in ascending order.
__device__ __forceinline__ Best best_of(const MasksArguments& in, int64_t image, int64_t pixel,
                                        const __half* list, int count) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const int64_t step = static_cast<int64_t>(in.grid_height) * in.grid_width;
  const float* logits = in.masks + image * in.queries * step;
  const float* shares = in.query_classes + image * in.queries * in.classes;
  const Corners corners = corners_of(in, pixel);
  Best best{0.0F, -1};
  for (int first = 0; first < count; first += warp_size) {
    Best own{0.0F, first + lane < count ? static_cast<int>(__half_as_ushort(list[first + lane])) : -1};
    const int column = own.place < 0 ? 0 : own.place;
    for (int query = 0; query < in.queries; query += warp_size) {
      const int left = in.queries - query < warp_size ? in.queries - query : warp_size;
      float mask = 0.0F;
      if (lane < left) mask = 1.0F / (1.0F + expf(-logit_at(logits + (query + lane) * step, corners)));
#pragma unroll 8
      for (int i = 0; i < left; ++i)
        own.score +=
            __shfl_sync(whole_warp, mask, i) * shares[static_cast<int64_t>(query + i) * in.classes + column];
    }
    for (int offset = 1; offset < warp_size; offset *= 2) {
      const float score = __shfl_down_sync(whole_warp, own.score, offset);
      const int place = __shfl_down_sync(whole_warp, own.place, offset);
      improve(own, {score, place});
    }
    const float score = __shfl_sync(whole_warp, own.score, 0);
    const int place = __shfl_sync(whole_warp, own.place, 0);
    improve(best, {score, place});
  }
  return best;
}

/// Sum over the four threads of a row.
template <typename T>
__device__ __forceinline__ T row_sum(T value) {
  for (int offset = 1; offset < 4; offset *= 2) value += __shfl_xor_sync(whole_warp, value, offset);
  return value;
}

/// The best of classes whose bits the four threads of each row of a warp have, as masks_kernel() says, from
/// `start` on. `is_sure`: the only one of a row is the best. `row`: the warp's first; `list`: memory for the
/// numbers of all classes.
template <int classes>
__device__ __forceinline__ void settle(const MasksArguments& in, const Block<classes>& block, int start,
                                       int row, Bits near, bool is_sure, __half* list, Best& best) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size, across = lane / 4, down = lane % 4;
  const int found = row_sum(__popcll(near));
  // The other threads of the row give 0.
  const int bit = __ffsll(static_cast<long long>(near)) - 1;
  const int place = row_sum(bit < 0 ? 0 : bit / 2 * tile_classes + 2 * down + bit % 2);
  const bool is_clear = is_sure && found == 1;
  if (is_clear) best = {0.0F, start + place};
  // Rows with several, one after the other: a thread for each class.
  for (unsigned open = __ballot_sync(whole_warp, !is_clear && found > 0); open != 0;) {
    const int leader = __ffs(static_cast<int>(open)) - 1;
    open &= ~(0xfU << leader);
    __syncwarp();
    int count = 0;
    for (int word = 0; word < classes; word += warp_size) {
      const Bits bits = __shfl_sync(whole_warp, near, leader + lane % tile_classes / 2);
      const int own = 2 * ((word + lane) / tile_classes) + lane % 2;
      const bool is_in = word + lane < classes && (bits >> own & 1) != 0;
      const unsigned of_word = __ballot_sync(whole_warp, is_in);
      if (is_in)
        list[count + __popc(of_word & ((1U << lane) - 1))] =
            __ushort_as_half(static_cast<unsigned short>(start + word + lane));
      count += __popc(of_word);
    }
    __syncwarp();
    const Best of_row = best_of(in, block.image, block.pixel(row + leader / 4), list, count);
    if (across == leader / 4) improve(best, of_row);
  }
}

/// tiles: of classes, that are scored at a time. A block has pixels that follow one another, and a warp some
/// of them. Of a product's result, a thread has two rows (pixels), `across` and `across` + 8, and of each
/// tile two columns (classes), 2·`down` and the next one.
template <int tiles>
__global__ void __launch_bounds__(threads, 2) masks_kernel(MasksArguments in, int64_t blocks) {
  constexpr int classes = tiles * tile_classes;
  static_assert(2 * tiles <= 64, "a thread's classes have a bit each");
  __shared__ __align__(16) __half masks[pixels][row_halves];
  __shared__ __align__(16) __half shares[classes][row_halves];
  const HalfShares size(in);
  const int64_t image = blockIdx.x / blocks;
  const Block<classes> block{image, blockIdx.x % blocks * pixels, static_cast<int64_t>(in.height) * in.width,
                             masks, shares};
  const int lane = static_cast<int>(threadIdx.x) % warp_size, across = lane / 4, down = lane % 4;
  const int row = static_cast<int>(threadIdx.x) / warp_size * own_pixels;
  const Corners corners = corners_of(in, block.pixel(static_cast<int>(threadIdx.x) % pixels));
  const bool bounded = size.bounded(in)[image] != 0, at_once = in.classes <= classes;

  float most[2] = {-INFINITY, -INFINITY};
  Best best[2] = {{0.0F, -1}, {0.0F, -1}};
  // More classes than fit are scored twice: for the greatest product, then for the classes that come near it.
  for (int pass = at_once ? 1 : 0; pass < 2; ++pass)
    for (int start = 0; start < in.classes; start += classes) {
      float sums[tiles][4] = {};
      for (int query = 0; query < size.queries; query += queries_at_once) {
        const int count = size.queries - query < queries_at_once ? size.queries - query : queries_at_once;
        __syncthreads();
        load_shares(in, block, start, query, count);
        make_masks(in, block, corners, query, count);
        __pipeline_wait_prior(0);
        __syncthreads();
        for (int i = down * 4; i < count; i += product_queries) {
          const uint2 upper = four(&masks[row + across][i]), lower = four(&masks[row + across + 8][i]);
#pragma unroll
          for (int n = 0; n < tiles; ++n)
            add_product(sums[n], upper, lower, four(&shares[n * tile_classes + across][i]));
        }
      }
      // Bit 2n + j: class 8n + 2·down + j from `start` on. NaN is near.
      Bits near[2] = {};
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        if (pass == 0 || at_once) {
#pragma unroll
          for (int n = 0; n < tiles; ++n) most[r] = fmaxf(most[r], fmaxf(sums[n][2 * r], sums[n][2 * r + 1]));
          for (int offset = 1; offset < 4; offset *= 2)
            most[r] = fmaxf(most[r], __shfl_xor_sync(whole_warp, most[r], offset));
        }
        const float bound = bounded ? most[r] - margin_below(most[r], size.queries) : -INFINITY;
#pragma unroll
        for (int n = 0; n < tiles; ++n)
#pragma unroll
          for (int j = 0; j < 2; ++j)
            if (!(sums[n][2 * r + j] < bound) && start + n * tile_classes + 2 * down + j < in.classes)
              near[r] |= Bits{1} << (2 * n + j);
      }
      if (pass == 0) continue;
      for (int r = 0; r < 2; ++r)
        settle(in, block, start, row + 8 * r, near[r], at_once, masks[row], best[r]);
    }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int64_t pixel = block.first + row + 8 * r + across;
    if (down == 0 && pixel < block.all)
      in.best[image * block.all + pixel] = static_cast<uint8_t>(best[r].place);
  }
}

int64_t blocks_of_an_image(const MasksArguments& in) {
  return (static_cast<int64_t>(in.height) * in.width + pixels - 1) / pixels;
}

}  // namespace

int64_t masks_blocks(const MasksArguments& in) { return in.batch * blocks_of_an_image(in); }

int64_t masks_bytes(const MasksArguments& in) {
  return in.batch *
         (HalfShares(in).count() * static_cast<int64_t>(sizeof(__half)) + static_cast<int64_t>(sizeof(int)));
}

void argmax_masks(const MasksArguments& in, cudaStream_t stream) {
  const int64_t blocks = blocks_of_an_image(in);
  const auto grid = static_cast<unsigned>(masks_blocks(in));
  halves_kernel<<<static_cast<unsigned>(in.batch), 1024, 0, stream>>>(in);
  if (in.classes <= 4 * tile_classes)
    masks_kernel<4><<<grid, threads, 0, stream>>>(in, blocks);
  else if (in.classes <= 10 * tile_classes)
    masks_kernel<10><<<grid, threads, 0, stream>>>(in, blocks);
  else
    masks_kernel<20><<<grid, threads, 0, stream>>>(in, blocks);
}

}  // namespace dinov3_seg::cuda
