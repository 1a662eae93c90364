// A residual and its norm: a block takes a row. Rows of whole packs stay in registers between the sum, the
// mean and the variance; others are read again.
#include <type_traits>

#include "ops/cuda/quantize.cuh"

namespace dinov3_seg::cuda {
namespace {

constexpr int most_threads = 512, general_threads = 256;
constexpr int pack = quantized_pack;

/// float16 goes with parameters in float32.
template <typename Y, typename P, typename To>
constexpr bool is_compiled = meet<Y, P> && meet<P, To> && meet<Y, To> && !std::is_same_v<P, Float16>;

/// Row of float32 in registers: `packs` packs of 8 a thread.
template <typename Y, typename P, typename To, int packs>
__global__ void __launch_bounds__(most_threads) norm_kernel(NormArguments in) {
  __shared__ float parts[most_threads / 32];
  const int64_t start = blockIdx.x * in.channels;
  const auto* x = static_cast<const float*>(in.x) + start;
  const auto* y = static_cast<const Y*>(in.y) + start;
  const auto *gamma = static_cast<const P*>(in.gamma), *weight = static_cast<const P*>(in.weight),
             *bias = static_cast<const P*>(in.bias);
  const int channels = static_cast<int>(in.channels), step = static_cast<int>(blockDim.x) * pack;
  const int first = static_cast<int>(threadIdx.x) * pack;
  Pack<float, pack> sums[packs];
  float total = 0;
#pragma unroll
  for (int k = 0; k < packs; ++k) {
    const int c = first + k * step;
    if (c >= channels) continue;
    sums[k] = load_pack<pack>(x + c);
    const auto added = load_pack<pack>(y + c);
    if (gamma) {
      const auto scale = load_pack<pack>(gamma + c);
#pragma unroll
      for (int i = 0; i < pack; ++i) sums[k].values[i] += widen(added.values[i]) * widen(scale.values[i]);
    } else {
#pragma unroll
      for (int i = 0; i < pack; ++i) sums[k].values[i] += widen(added.values[i]);
    }
#pragma unroll
    for (int i = 0; i < pack; ++i) total += sums[k].values[i];
  }
#pragma unroll
  for (int k = 0; k < packs; ++k)
    if (first + k * step < channels)
      store_pack(static_cast<float*>(in.sum) + start + first + k * step, sums[k]);
  const float mean = block_total(total, parts) / static_cast<float>(channels);
  float squares = 0;
#pragma unroll
  for (int k = 0; k < packs; ++k) {
    if (first + k * step >= channels) continue;
#pragma unroll
    for (int i = 0; i < pack; ++i) {
      const float off = sums[k].values[i] - mean;
      squares += off * off;
    }
  }
  const float variance = block_total(squares, parts) / static_cast<float>(channels);
  const float scale = 1.0F / sqrtf(variance + static_cast<float>(in.eps));
  To* normed = static_cast<To*>(in.normed) + start;
  float most = 0;
#pragma unroll
  for (int k = 0; k < packs; ++k) {
    const int c = first + k * step;
    if (c >= channels) continue;
    const auto w = load_pack<pack>(weight + c), b = load_pack<pack>(bias + c);
#pragma unroll
    for (int i = 0; i < pack; ++i)
      sums[k].values[i] = (sums[k].values[i] - mean) * scale * widen(w.values[i]) + widen(b.values[i]);
    if constexpr (std::is_same_v<To, Float8>) {
      most = largest_magnitude(most, sums[k]);
    } else {
      Pack<To, pack> out;
#pragma unroll
      for (int i = 0; i < pack; ++i) out.values[i] = narrow<To>(sums[k].values[i]);
      store_pack(normed + c, out);
    }
  }
  if constexpr (std::is_same_v<To, Float8>)
    store_quantized(sums, most, first, step, channels, normed, in.scales + blockIdx.x, parts);
}

/// Any number of channels and any place of the rows, one value at a time. A thread reads its own sums again.
template <typename X, typename Y, typename P, typename To>
__global__ void __launch_bounds__(general_threads) general_kernel(NormArguments in) {
  __shared__ X parts[general_threads / 32];
  const int64_t start = blockIdx.x * in.channels;
  const auto* x = static_cast<const X*>(in.x) + start;
  const auto* y = static_cast<const Y*>(in.y) + start;
  const auto *gamma = static_cast<const P*>(in.gamma), *weight = static_cast<const P*>(in.weight),
             *bias = static_cast<const P*>(in.bias);
  X* sums = static_cast<X*>(in.sum) + start;
  X total = 0;
  for (int64_t c = threadIdx.x; c < in.channels; c += general_threads) {
    const X added = static_cast<X>(widen(y[c]));
    sums[c] = x[c] + (gamma ? added * static_cast<X>(widen(gamma[c])) : added);
    total += sums[c];
  }
  const X mean = block_total(total, parts) / static_cast<X>(in.channels);
  X squares = 0;
  for (int64_t c = threadIdx.x; c < in.channels; c += general_threads) {
    const X off = sums[c] - mean;
    squares += off * off;
  }
  const X variance = block_total(squares, parts) / static_cast<X>(in.channels);
  const X scale = static_cast<X>(1) / sqrt(variance + static_cast<X>(in.eps));
  const auto normed = [&](int64_t c) {
    return (sums[c] - mean) * scale * static_cast<X>(widen(weight[c])) + static_cast<X>(widen(bias[c]));
  };
  To* out = static_cast<To*>(in.normed) + start;
  if constexpr (std::is_same_v<To, Float8>) {
    __shared__ float magnitudes[general_threads / 32];
    float most = 0;
    for (int64_t c = threadIdx.x; c < in.channels; c += general_threads)
      most = fmaxf(most, fabsf(static_cast<float>(normed(c))));
    const float own = row_scale(block_most(most, magnitudes));
    if (threadIdx.x == 0) in.scales[blockIdx.x] = own;
    const float inverse = 1.0F / own;
    for (int64_t c = threadIdx.x; c < in.channels; c += general_threads)
      out[c] = narrow<Float8>(static_cast<float>(normed(c)) * inverse);
  } else {
    for (int64_t c = threadIdx.x; c < in.channels; c += general_threads) out[c] = narrow<To>(normed(c));
  }
}

/// with_kind and with_narrow_kind, of what a norm may be written in.
template <typename Use>
void with_result_kind(Kind kind, Use use) {
  if (kind == Kind::float8)
    use(Type<Float8>{});
  else
    with_kind(kind, use);
}
template <typename Use>
void with_narrow_result_kind(Kind kind, Use use) {
  if (kind == Kind::float8)
    use(Type<Float8>{});
  else
    with_narrow_kind(kind, use);
}

}  // namespace

void add_scaled_norm(const NormArguments& in, cudaStream_t stream) {
  const auto grid = static_cast<unsigned>(in.rows);
  const int64_t packs = in.channels / pack;
  // Two packs a thread, four in long rows; longer ones do not stay in registers.
  const int64_t shared_by = packs <= 2 * most_threads ? 2 : 4;
  const int64_t wanted = ((packs + shared_by - 1) / shared_by + 31) / 32 * 32;
  const auto threads = static_cast<unsigned>(wanted);
  const bool in_registers = in.vectors && in.channels % pack == 0 && in.x_kind == Kind::float32 &&
                            in.y_kind != Kind::float64 && in.parameter_kind != Kind::float64 &&
                            in.to_kind != Kind::float64 && wanted <= most_threads;
  if (in_registers) {
    with_narrow_kind(in.y_kind, [&](auto y) {
      with_narrow_kind(in.parameter_kind, [&](auto parameter) {
        with_narrow_result_kind(in.to_kind, [&](auto to) {
          using Y = typename decltype(y)::Value;
          using P = typename decltype(parameter)::Value;
          using To = typename decltype(to)::Value;
          if constexpr (is_compiled<Y, P, To>) {
            if (shared_by == 2)
              norm_kernel<Y, P, To, 2><<<grid, threads, 0, stream>>>(in);
            else
              norm_kernel<Y, P, To, 4><<<grid, threads, 0, stream>>>(in);
          }
        });
      });
    });
    return;
  }
  if (in.x_kind == Kind::float64) {
    // The wrapper has brought y and the parameters to float64.
    with_result_kind(in.to_kind, [&](auto to) {
      using To = typename decltype(to)::Value;
      general_kernel<double, double, double, To><<<grid, general_threads, 0, stream>>>(in);
    });
    return;
  }
  with_narrow_kind(in.y_kind, [&](auto y) {
    with_narrow_kind(in.parameter_kind, [&](auto parameter) {
      with_result_kind(in.to_kind, [&](auto to) {
        using Y = typename decltype(y)::Value;
        using P = typename decltype(parameter)::Value;
        using To = typename decltype(to)::Value;
        if constexpr (is_compiled<Y, P, To>)
          general_kernel<float, Y, P, To><<<grid, general_threads, 0, stream>>>(in);
      });
    });
  });
}

}  // namespace dinov3_seg::cuda
