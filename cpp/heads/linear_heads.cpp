#include "heads/linear_heads.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "core/dense_scores.h"
#include "core/error.h"
#include "core/tf32.h"

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

Precision parse_precision(const std::string& name) {
  if (name == "bfloat16") return Precision::bfloat16;
  if (name == "float32") return Precision::float32;
  fail("INVALID_ARGUMENT", "unknown precision '", name, "': expected bfloat16 or float32");
}

at::Tensor xavier_uniform(int64_t width, int64_t outputs, const std::vector<uint64_t>& seeds) {
  if (width < 1 || outputs < 1)
    fail("INVALID_ARGUMENT", "a head needs at least one input and one class, got ", width, " and ", outputs);
  const double bound = std::sqrt(6.0 / static_cast<double>(width + outputs));
  std::vector<at::Tensor> weights;
  for (const uint64_t seed : seeds)
    weights.push_back(at::empty({outputs, width}, at::kFloat)
                          .uniform_(-bound, bound, at::detail::createCPUGenerator(seed)));
  return at::stack(weights);
}

LinearHeads::LinearHeads(const at::Tensor& weight, const at::Tensor& bias, c10::Device device,
                         Precision precision)
    : TrainedHeads(heads_of(weight), parameters_of(weight, bias), device),
      width_(weight.size(2)),
      outputs_(weight.size(1)),
      dtype_(precision == Precision::float32 ? at::kFloat : at::kBFloat16) {
  value_.copy_(at::cat({weight.flatten(1).to(at::kFloat), bias.to(at::kFloat)}, 1));
}

at::Tensor LinearHeads::weight() const {
  return value_.slice(1, 0, outputs_ * width_).view({heads(), outputs_, width_});
}

at::Tensor LinearHeads::bias() const { return value_.slice(1, outputs_ * width_); }

int64_t LinearHeads::scored_classes(Scoring scoring) const {
  return scoring == Scoring::ade20k ? outputs_ - 1 : outputs_;
}

DenseScores LinearHeads::dense_scores(const NetworkOutputs& outputs, Scoring scoring) const {
  DenseScores scores(forward(outputs).select(2, 0), outputs.masks.to(device()), scoring);
  scores.watch(outputs.marks);
  return scores;
}

at::Tensor LinearHeads::forward(const NetworkOutputs& outputs) const {
  const at::Tensor& queries = outputs.queries;
  check_queries(queries);
  const at::Tensor value = value_.to(dtype_);
  const int64_t weights = outputs_ * width_;
  const at::Tensor all_weights = value.slice(1, 0, weights).reshape({heads() * outputs_, width_});
  const at::Tensor biases = value.slice(1, weights).reshape(-1);
  const Tf32Guard float32(device(), false);
  return at::linear(queries.to(device(), dtype_), all_weights, biases)
      .to(at::kFloat)
      .view({queries.size(0), queries.size(1), heads(), outputs_});
}

void LinearHeads::backward(const at::Tensor& queries, const at::Tensor& d_logits) {
  if (queries.dim() != 3 || queries.size(2) != width_ ||
      d_logits.sizes() != at::IntArrayRef{queries.size(0), queries.size(1), heads(), outputs_})
    fail("SHAPE", "expected queries B×Q×", width_, " and d_logits B×Q×", heads(), "×", outputs_, ", got ",
         queries.sizes(), " and ", d_logits.sizes());
  const int64_t weights = outputs_ * width_;
  const at::Tensor rows = queries.to(device(), dtype_).flatten(0, 1);                // BQ×C
  const at::Tensor d_rows = d_logits.to(device(), dtype_).flatten(0, 1).flatten(1);  // BQ×NR
  const Tf32Guard float32(device(), false);
  gradient_.slice(1, 0, weights).add_(at::mm(d_rows.t(), rows).view({heads(), weights}));
  gradient_.slice(1, weights).add_(d_rows.sum(0).view({heads(), outputs_}));
}

void LinearHeads::check_queries(const at::Tensor& queries) const {
  if (!queries.defined() || queries.dim() != 3 || queries.size(2) != width_)
    fail("HEAD_MISMATCH", "class_embed expects queries B×Q×", width_, ", got ", queries.sizes(),
         "; use a head made for this network's hidden width");
}

void LinearHeads::check_batch(const HeadBatch& batch) const {
  if (!batch.queries.defined() || !batch.masks.defined() || !batch.labels.defined())
    fail("INVALID_ARGUMENT", "these heads learn from queries, masks and labels; one of them is missing");
  check_queries(batch.queries);
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
