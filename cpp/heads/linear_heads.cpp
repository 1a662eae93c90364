#include "heads/linear_heads.h"

#include <ATen/ATen.h>

#include "core/dense_scores.h"
#include "core/error.h"

namespace dinov3_seg {
namespace {

int64_t heads_of(const at::Tensor& weight) { return weight.dim() > 0 ? weight.size(0) : 0; }

int64_t parameters_of(const at::Tensor& weight, const at::Tensor& bias) {
  if (weight.dim() != 3 || bias.sizes() != weight.sizes().slice(0, 2) || weight.numel() == 0)
    fail("HEAD_MISMATCH", "expected class_embed weights N×K×C and biases N×K, got ", weight.sizes(), " and ",
         bias.sizes());
  return weight.size(1) * (weight.size(2) + 1);
}

}  // namespace

LinearHeads::LinearHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device,
                         Precision precision)
    : TrainedHeads(heads_of(weight), parameters_of(weight, bias), device),
      hidden_(weight.size(2)),
      outputs_(weight.size(1)),
      dtype_(precision == Precision::float32 ? at::kFloat : at::kBFloat16) {
  value_.copy_(at::cat({weight.flatten(1).to(at::kFloat), bias.to(at::kFloat)}, 1));
}

at::Tensor LinearHeads::forward(const at::Tensor& queries) const {
  const int64_t weights = outputs_ * hidden_;
  const at::Tensor value = value_.to(dtype_);
  const at::Tensor weight = value.slice(1, 0, weights).reshape({heads() * outputs_, hidden_});
  const at::Tensor bias = value.slice(1, weights).reshape(-1);
  return at::linear(queries.to(dtype_), weight, bias)
      .to(at::kFloat)
      .view({queries.size(0), queries.size(1), heads(), outputs_});
}

void LinearHeads::backward(const at::Tensor& queries, const at::Tensor& d_logits) {
  const int64_t weights = outputs_ * hidden_;
  const at::Tensor rows = queries.to(dtype_).flatten(0, 1);                // BQ×C
  const at::Tensor d_rows = d_logits.to(dtype_).flatten(0, 1).flatten(1);  // BQ×NR
  gradient_.slice(1, 0, weights).add_(at::mm(d_rows.t(), rows).view({heads(), weights}));
  gradient_.slice(1, weights).add_(d_rows.sum(0).view({heads(), outputs_}));
}

void LinearHeads::check_batch(const HeadBatch& batch) const {
  if (!batch.queries.defined() || !batch.masks.defined() || !batch.labels.defined())
    fail("INVALID_ARGUMENT", "these heads learn from queries, masks and labels; one of them is not there");
  if (batch.queries.dim() != 3 || batch.queries.size(2) != hidden_)
    fail("HEAD_MISMATCH", "class_embed takes queries B×Q×", hidden_, ", got ", batch.queries.sizes(),
         "; use heads made for this network's hidden width");
  check_decoded(batch.queries, batch.masks);
  if (static_cast<int64_t>(batch.records.size()) != batch.masks.size(0))
    fail("SHAPE", "expected a record number for each of ", batch.masks.size(0), " images, got ",
         batch.records.size());
  if (batch.labels.dim() != 3 || batch.labels.scalar_type() != at::kByte ||
      batch.labels.size(0) != batch.masks.size(0))
    fail("SHAPE", "expected labels B×H×W uint8 with B = ", batch.masks.size(0), ", got ",
         batch.labels.sizes(), " ", batch.labels.scalar_type());
}

}  // namespace dinov3_seg
