// What network_ops.cpp launches, as kernels.h: pointers and sizes only. `vectors`: all pointers and strides
// are multiples of 16 bytes where that is said to matter, and rows a whole number of vectors.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "ops/panorama_place.h"

namespace dinov3_seg::cuda {

/// The 16-bit kinds do not meet in one kernel (are_together(), tensor_arguments.h). float8: e4m3, of results
/// alone.
enum class Kind { float32, bfloat16, float64, float16, float8 };

constexpr int most_levels = 16;

struct Level {
  int height, width, start;  // start: its first token
};

struct DeformableArguments {
  int64_t batch, queries;
  int heads, channels, levels, points;
  Level level[most_levels];
  Kind value_kind, parameter_kind;  // float64 for both or for none
  bool vectors;                     // of value
  const void* value;                // B×S×M×D, the last two dimensions contiguous
  int64_t value_batch;              // stride of an image, in values
  int value_token;                  // stride of a token
  const void* reference;            // Q×2, float32; float64 for float64
  const void* offsets;              // B×Q×(M·L·P·2)
  int64_t offsets_batch, offsets_query;
  const void* logits;  // B×Q×(M·L·P)
  int64_t logits_batch, logits_query;
  void* out;  // B×Q×M×D, contiguous
};

int64_t deformable_blocks(const DeformableArguments& in);
void deformable_attend(const DeformableArguments& in, cudaStream_t stream);

struct RotateArguments {
  int64_t batch, tokens, rotated;
  int heads, channels;
  Kind kind;
  bool vectors;  // of each half of D
  void* qkv;     // B×N×3×M×D
  const void *sin, *cos;
};

void rotate_qkv(const RotateArguments& in, cudaStream_t stream);

struct NormArguments {
  int64_t rows, channels;
  Kind x_kind, y_kind, parameter_kind, to_kind;  // x_kind: float32 or float64
  bool vectors;
  const void *x, *y;                  // rows×C
  const void *gamma, *weight, *bias;  // C; gamma may be null
  void *sum, *normed;                 // rows×C
  float* scales;                      // rows, where to_kind is float8
  double eps;
};

void add_scaled_norm(const NormArguments& in, cudaStream_t stream);

struct SwigluArguments {
  int64_t rows, columns;
  Kind kind;
  bool vectors;
  const void* gate;
  int64_t gate_row;  // stride of a row, in values
  const void* up;
  int64_t up_row;
  void* out;  // rows×columns, contiguous
};

int64_t swiglu_blocks(const SwigluArguments& in);
void swiglu(const SwigluArguments& in, cudaStream_t stream);

/// Rows, or silu(rows)·up, in e4m3 with a scale each (quantized_ops.h). `vectors`: rows are whole packs of 8.
struct QuantizeArguments {
  int64_t rows, columns;
  Kind kind;
  bool vectors;
  const void* x;
  int64_t row;     // stride of a row, in values
  const void* up;  // of the same kind; null without a gate
  int64_t up_row;
  void* values;   // rows×columns, contiguous
  float* scales;  // rows
};

void quantize_rows(const QuantizeArguments& in, cudaStream_t stream);

struct ArgmaxArguments {
  int64_t batch;
  int classes, grid_height, grid_width, height, width;
  Kind kind;
  const void* scores;  // B×K×h×w
  uint8_t* best;       // B×H×W
};

int64_t argmax_blocks(const ArgmaxArguments& in);
void argmax_resized(const ArgmaxArguments& in, cudaStream_t stream);

struct MasksArguments {
  int64_t batch;
  int queries, classes, grid_height, grid_width, height, width;
  const float* query_classes;  // B×Q×K, contiguous
  const float* masks;          // B×Q×h×w, contiguous
  void* scratch;               // masks_bytes()
  uint8_t* best;               // B×H×W
};

int64_t masks_blocks(const MasksArguments& in);
int64_t masks_bytes(const MasksArguments& in);
void argmax_masks(const MasksArguments& in, cudaStream_t stream);

constexpr int most_layers = 8;

struct CountArguments {
  int64_t pixels;
  int layers, columns;
  bool vectors;                      // of maps and `excluded`
  const uint8_t* maps[most_layers];  // `pixels` classes each
  const uint8_t* tables;             // layers×256
  const uint8_t* excluded;           // pixels, or null
};

int64_t count_blocks(const CountArguments& in);
/// Added to counts, columns + 2.
void count_classes(const CountArguments& in, int64_t* counts, cudaStream_t stream);

struct PixelsArguments {
  int source_height, source_width, height, width;
  int64_t row, column, channel;  // strides of the pixels
  const uint8_t* pixels;         // H×W×3
  float mean[3], std[3];
  float* rows;      // 3×H×width: scratch
  float* prepared;  // 3×height×width
};

int64_t pixels_blocks(const PixelsArguments& in);
void prepare_pixels(const PixelsArguments& in, cudaStream_t stream);

/// At most 524,280 rows, as many blocks as a grid has.
struct ViewArguments {
  ViewGeometry view;
  int samples;                   // along a side of a pixel
  int64_t row, column, channel;  // strides of the panorama
  const uint8_t* panorama;       // H×W×3
  uint8_t* pixels;               // height×width×3
};

void perspective_view(const ViewArguments& in, cudaStream_t stream);

/// B×H×W×C of which the channels lie together: strides of an image, a row and a column, in values.
struct MapPlace {
  const void* values;
  Kind kind;
  int64_t image, row, column;
};

struct AddResizedArguments {
  int64_t batch;
  int height, width, grid_height, grid_width, channels;
  bool vectors;
  MapPlace x, y;              // y: batch×grid_height×grid_width×C; float64 for both or for neither
  const void *scale, *shift;  // C, float32 (float64 for float64), or null
  void* out;                  // B×H×W×C float32 (float64), contiguous
};

int64_t add_resized_blocks(const AddResizedArguments& in);
void add_resized(const AddResizedArguments& in, cudaStream_t stream);

struct GroupNormArguments {
  int64_t batch, tokens;
  int channels, groups;
  Kind kind;
  bool vectors, relu;
  const void* x;  // B×N×C, the channels in one piece
  int64_t image, token;
  const void *weight, *bias;  // C, float32 (float64 for float64), as all below
  void* moments;              // B×G×chunks×2: scratch
  void* statistics;           // B×G×2: scratch
  void* out;                  // B×N×C, contiguous
  double eps;
};

int64_t group_norm_chunks(int64_t tokens);
int64_t group_norm_blocks(const GroupNormArguments& in);
void group_norm_tokens(const GroupNormArguments& in, cudaStream_t stream);

struct DepthwiseArguments {
  int64_t batch;
  int channels, levels;
  Level level[most_levels];
  Kind kind;
  bool vectors;
  const void* x;  // B×N×C, the channels in one piece
  int64_t image, token;
  const void *weight, *bias;  // C×9 and C, of the same kind
  void* out;                  // B×N×C, contiguous
  int64_t tokens;
};

int64_t depthwise_blocks(const DepthwiseArguments& in);
void depthwise_gelu(const DepthwiseArguments& in, cudaStream_t stream);

struct UpscaledArguments {
  int64_t batch;
  int height, width, channels;  // of x, and C
  Kind kind, to_kind;
  bool vectors;                         // packs of four values of anything here; never of float64
  const void* x;                        // B×H×W×2×2×C, contiguous
  const void* weight;                   // 9×C, float32 (float64 for float64), as the two below
  const void *norm_weight, *norm_bias;  // C
  void* out;                            // B×2H×2W×C, contiguous
  double eps;
};

int64_t upscaled_blocks(const UpscaledArguments& in);
void upscaled_norm(const UpscaledArguments& in, cudaStream_t stream);

/// A first layer of H×2 and H values and a second one of M×H, float32 (float64 for float64).
struct BoxAxis {
  const void *hidden, *shift, *weight;
};

struct BoxBiasArguments {
  int64_t batch;
  int queries, heads, hidden, height, width, stride;  // stride: pixels from place to place
  Kind kind, to_kind;  // kind: of the boxes and all weights, float32 or float64
  const void* boxes;   // B×Q×4, contiguous
  BoxAxis axes[2];     // x, y
  void* out;           // B×M×Q×row
  int64_t row;         // an even number of values, from height·width
};

/// 0 where a map is too large for the kernel.
int64_t box_bias_blocks(const BoxBiasArguments& in);
void box_bias(const BoxBiasArguments& in, cudaStream_t stream);

struct Float16Arguments {
  int64_t count;
  Kind kind;
  bool vectors;  // a whole number of packs of 8
  const void* x;
  void* out;          // float16; not written where x is
  unsigned* largest;  // bits of a float32
};

int64_t float16_blocks(const Float16Arguments& in);
void to_float16(const Float16Arguments& in, cudaStream_t stream);

}  // namespace dinov3_seg::cuda
