// What the methods of a network gave, which may be of any file.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

namespace dinov3_seg {

/// The tensor or the tuple of tensors that `method` gave for the images B×3×H×W, as float32. Before any
/// memory is asked for: each is dense, of a floating dtype, on the images' device, has B as first size, at
/// least one element, and not more elements than B times those in the memory behind it (a network may repeat
/// its queries for each image). Throws MODEL_OUTPUT. `path` names the network.
std::vector<at::Tensor> network_outputs(const std::string& path, const char* method,
                                        const c10::IValue& result, const at::Tensor& images);

/// Queries B×Q×C and masks B×Q×h×w, h ≤ H and w ≤ W of images B×3×H×W. Throws MODEL_OUTPUT.
void check_decoded(const std::string& path, const at::Tensor& queries, const at::Tensor& masks,
                   int64_t hidden, const at::Tensor& images);

/// Features B×C×h×w, h ≤ H and w ≤ W of images B×3×H×W. Throws MODEL_OUTPUT.
void check_features(const std::string& path, const at::Tensor& features, const at::Tensor& images);

/// Logits B×Q×K and boxes B×Q×4. Throws MODEL_OUTPUT.
void check_detections(const std::string& path, const at::Tensor& logits, const at::Tensor& boxes);

}  // namespace dinov3_seg
