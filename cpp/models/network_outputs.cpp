#include "models/network_outputs.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {
namespace {

constexpr const char* output_advice =
    ". The file is no network of this kind: convert one, or mend the method where it was made";

template <typename... Parts>
[[noreturn]] void refuse_output(const std::string& path, Parts&&... parts) {
  fail("MODEL_OUTPUT", path, ": ", parts..., output_advice);
}

void check_output(const std::string& path, const char* method, size_t number, const at::Tensor& tensor,
                  const at::Tensor& images) {
  const auto refuse = [&](const auto&... what) {
    refuse_output(path, "output ", number, " of its method ", method, " ", what...);
  };
  if (!tensor.defined()) refuse("is no tensor");
  if (tensor.layout() != at::kStrided || tensor.is_quantized())
    refuse("is not dense, but of layout ", tensor.layout());
  if (tensor.device() != images.device())
    refuse("is on ", tensor.device(), ", expected ", images.device(), ", where the images are");
  if (!tensor.is_floating_point()) refuse("is of dtype ", tensor.scalar_type(), ", expected a floating one");
  const int64_t batch = images.size(0);
  if (tensor.dim() == 0 || tensor.size(0) != batch)
    refuse("has the shape ", tensor.sizes(), ", expected ", batch, " as first size, the number of images");
  if (tensor.numel() == 0) refuse("has the shape ", tensor.sizes(), ", which is empty");
  const auto held = static_cast<int64_t>(tensor.storage().nbytes()) / tensor.element_size();
  if (tensor.numel() / batch > held)
    refuse("has the shape ", tensor.sizes(), ", but only ", held, " elements in memory, which it repeats");
}

bool is_map_of(const at::Tensor& map, const at::Tensor& images) {
  return map.dim() == 4 && map.size(2) <= images.size(2) && map.size(3) <= images.size(3);
}

}  // namespace

std::vector<at::Tensor> network_outputs(const std::string& path, const char* method,
                                        const c10::IValue& result, const at::Tensor& images) {
  std::vector<at::Tensor> tensors;
  const auto take = [&](const c10::IValue& value) {
    if (!value.isTensor())
      refuse_output(path, "its method ", method, " gives a value of type ", value.tagKind(),
                    ", expected a tensor or a tuple of tensors");
    check_output(path, method, tensors.size() + 1, value.toTensor(), images);
    tensors.push_back(value.toTensor());
  };
  if (result.isTuple())
    for (const c10::IValue& item : result.toTupleRef().elements()) take(item);
  else
    take(result);
  for (at::Tensor& tensor : tensors) tensor = tensor.to(at::kFloat);
  return tensors;
}

void check_decoded(const std::string& path, const at::Tensor& queries, const at::Tensor& masks,
                   int64_t hidden, const at::Tensor& images) {
  const bool fit = queries.dim() == 3 && is_map_of(masks, images) && queries.size(1) == masks.size(1) &&
                   queries.size(2) == hidden;
  if (!fit)
    refuse_output(path, "queries ", queries.sizes(), " and masks ", masks.sizes(), " for images ",
                  images.sizes(), ", expected B×Q×", hidden,
                  " and B×Q×h×w, h and w at most those of the images");
}

void check_features(const std::string& path, const at::Tensor& features, const at::Tensor& images) {
  if (!is_map_of(features, images))
    refuse_output(path, "features ", features.sizes(), " for images ", images.sizes(),
                  ", expected B×C×h×w, h and w at most those of the images");
}

void check_detections(const std::string& path, const at::Tensor& logits, const at::Tensor& boxes) {
  const bool fit =
      logits.dim() == 3 && boxes.dim() == 3 && logits.size(1) == boxes.size(1) && boxes.size(2) == 4;
  if (!fit)
    refuse_output(path, "logits ", logits.sizes(), " and boxes ", boxes.sizes(),
                  ", expected B×Q×K and B×Q×4");
}

}  // namespace dinov3_seg
