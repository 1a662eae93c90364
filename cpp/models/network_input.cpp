#include "models/network_input.h"

#include "core/image_ops.h"
#include "ops/network_ops.h"

namespace dinov3_seg {

at::Tensor network_input(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization) {
  return prepare_pixels(to_rgb(pixels.to(device)), height, width, normalization.mean, normalization.std);
}

}  // namespace dinov3_seg
