#include "models/network_input.h"

#include "core/device_copies.h"
#include "core/error.h"
#include "core/image_ops.h"
#include "ops/network_ops.h"

namespace dinov3_seg {

at::Tensor network_input(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization) {
  return prepare_pixels(to_rgb(pixels.to(device)), height, width, normalization.mean, normalization.std);
}

at::Tensor network_input_aside(const at::Tensor& pixels, c10::Device device, int64_t height, int64_t width,
                               const Normalization& normalization) {
  return upload(pixels, device, [&](const at::Tensor& uploaded) {
    return network_input(uploaded, device, height, width, normalization);
  });
}

at::Tensor network_input(const PassImage& image, c10::Device device, int64_t height, int64_t width,
                         const Normalization& normalization) {
  if (!image.input.defined()) return network_input(image.pixels, device, height, width, normalization);
  if (image.input.sizes() != at::IntArrayRef{3, height, width} || image.input.device() != device)
    fail("SHAPE", "expected an image made for ", width, "×", height, " on ", device, ", got ",
         image.input.sizes(), " on ", image.input.device());
  return image.input;
}

}  // namespace dinov3_seg
