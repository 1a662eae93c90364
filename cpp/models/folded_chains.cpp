#include "models/folded_chains.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/job_control.h"
#include "models/builder.h"
#include "models/folded_detector.h"
#include "models/module_tree.h"
#include "models/quantized_blocks.h"
#include "models/segmentor_plan.h"
#include "models/torchscript_parser.h"
#include "models/torchscript_sources.h"

namespace dinov3_seg {
namespace {

using torch::jit::Module;

const std::string adapter_prefix = "segmentation_model.0.";
const std::string extractors_prefix = adapter_prefix + "interactions.";
const std::string decoder_prefix = "segmentation_model.1.pixel_decoder.";
const std::string encoder_prefix = decoder_prefix + "encoder.";
const std::string predictor_prefix = "segmentation_model.1.predictor.";
constexpr double batch_norm_eps = 1e-5;  // as BatchNorm in common.py

/// Tensors of a network without its backbone.
class Factors {
 public:
  explicit Factors(const Module& module) {
    for (const auto& [name, tensor] : module.named_parameters()) take(name, tensor);
    for (const auto& [name, tensor] : module.named_buffers()) take(name, tensor);
  }
  /// Of what a file holds; no value is read.
  explicit Factors(const std::vector<NamedTensor>& tensors) {
    for (const auto& [name, tensor] : tensors) take(name, tensor.to(at::kMeta));
  }

  const std::vector<NamedTensor>& tensors() const { return head_; }
  at::ScalarType dtype(const std::string& name) const { return table_.at(name).scalar_type(); }
  at::Tensor stored(const std::string& name) const { return table_.at(name); }
  at::Tensor exact(const std::string& name) const { return stored(name).to(at::kDouble); }

  /// Nothing for other keys or shapes than those of a segmentor.
  std::optional<SegmentorDims> dims() const {
    std::vector<NamedTensor> backbone;
    for (const auto& [name, tensor] : backbone_)
      backbone.push_back({name.substr(std::string(backbone_prefix).size()), tensor});
    try {
      const SegmentorDims dims = read_dims(shapes_of(backbone), shapes_of(head_));
      size_t found = 0;
      for (const KeyShape& key : head_keys(dims)) {
        if (!key.repeats.empty()) continue;
        const auto entry = table_.find(key.name);
        if (entry == table_.end() || entry->second.sizes() != key.shape) return std::nullopt;
        ++found;
      }
      return found == table_.size() ? std::optional(dims) : std::nullopt;
    } catch (const Error&) {
      return std::nullopt;
    }
  }

 private:
  void take(const std::string& name, const at::Tensor& tensor) {
    const bool own = !name.starts_with(backbone_prefix);
    // Empty: linears of the same class in the backbone are quantised (quantized_blocks.h).
    if (own && name.ends_with(weight_scales_name)) return;
    (own ? head_ : backbone_).push_back({name, tensor});
    if (own) table_.emplace(name, tensor);
  }

  std::vector<NamedTensor> backbone_, head_;
  std::map<std::string, at::Tensor> table_;
};

struct Chain {
  // Of the names that the running network lacks: their beginning, and what stands somewhere after it.
  struct Factor {
    std::string beginning, part = {};
  };
  std::vector<Factor> factors;
  std::vector<FoldedTensor> (*compose)(const Factors& factors);
};

/// Of the adapter's f1 = norm1(up(c2) + fc1(c1) + resized tap), and of the lateral convolution.
std::vector<FoldedTensor> compose_fine_map(const Factors& factors) {
  const std::string place = adapter_prefix + "fine.", widest = decoder_prefix + "lateral_convs.0.weight";
  const std::string norm = adapter_prefix + "norm1.";
  const at::Tensor scale =
      factors.exact(norm + "weight") * (factors.exact(norm + "running_var") + batch_norm_eps).rsqrt();
  const at::Tensor shift = factors.exact(norm + "bias") - factors.exact(norm + "running_mean") * scale;
  const at::Tensor lateral = factors.exact(widest).flatten(1);  // D×C
  const at::Tensor scaled = lateral * scale;
  const at::Tensor fc1 = scaled.matmul(factors.exact(adapter_prefix + "spm.fc1.weight").flatten(1));  // D×P
  const at::Tensor bias =
      scaled.mv(factors.exact(adapter_prefix + "up.bias") + factors.exact(adapter_prefix + "spm.fc1.bias")) +
      lateral.mv(shift);
  const at::Tensor up = factors.stored(adapter_prefix + "up.weight");  // C×C×2×2, in and out
  const int64_t width = up.size(0), planes = fc1.size(1), outputs = fc1.size(0);
  const at::ScalarType dtype = factors.dtype(widest);
  // Rows are the four pixels of a place with D channels each, columns those of c2 and the pixels' P each.
  at::Tensor weight = at::zeros({4 * outputs, width + 4 * planes}, up.options().dtype(dtype));
  for (int64_t pixel = 0; pixel < 4; ++pixel) {
    check_cancelled();
    const at::Tensor kernel = up.select(3, pixel % 2).select(2, pixel / 2).to(at::kDouble);
    const at::Tensor rows = weight.narrow(0, pixel * outputs, outputs);
    rows.narrow(1, 0, width).copy_(scaled.matmul(kernel.t()));
    rows.narrow(1, width + pixel * planes, planes).copy_(fc1);
  }
  return {{place + "up.weight", weight, widest},
          {place + "up.bias", bias.repeat({4}).to(dtype), widest},
          {place + "tap.weight", scaled.to(dtype), widest}};
}

/// Of mask = embedding · (W x + b) where embedding = M h + m: its factors of x are WᵀM h + Wᵀm, and b ·
/// embedding is added.
std::vector<FoldedTensor> compose_mask_kernels(const Factors& factors) {
  const std::string place = predictor_prefix + "mask_kernels.",
                    widest = decoder_prefix + "mask_feature.weight";
  // Rows whose number is no multiple of 8 take matrix products without tensor cores.
  constexpr int64_t rows_of_bias = 8;
  const at::Tensor feature = factors.exact(widest).flatten(1);
  const at::Tensor bias = factors.exact(decoder_prefix + "mask_feature.bias");
  const at::Tensor last = factors.exact(predictor_prefix + "mask_embed.layers.2.weight");
  const at::Tensor last_bias = factors.exact(predictor_prefix + "mask_embed.layers.2.bias");
  const at::Tensor both = at::cat({feature, bias.unsqueeze(1)}, 1).t();  // (C+1)×C
  const at::ScalarType dtype = factors.dtype(widest);
  const at::Tensor weight = at::constant_pad_nd(both.matmul(last), {0, 0, 0, rows_of_bias - 1});
  const at::Tensor added = at::constant_pad_nd(both.mv(last_bias), {0, rows_of_bias - 1});
  return {{place + "weight", weight.to(dtype), widest}, {place + "bias", added.to(dtype), widest}};
}

/// Of the adapter's extractors: offsets and logits of one query.
std::vector<FoldedTensor> compose_places(const Factors& factors) {
  const std::string offsets = "sampling_offsets.";
  std::vector<FoldedTensor> tensors;
  for (const auto& [name, tensor] : factors.tensors()) {
    const size_t found = name.find(".attn." + offsets);
    if (!name.starts_with(extractors_prefix) || found == name.npos) continue;
    const std::string attention = name.substr(0, found) + ".attn.";
    const std::string kind = name.substr(attention.size() + offsets.size());
    const at::Tensor logits = factors.stored(attention + "attention_weights." + kind);
    tensors.push_back({attention + "places." + kind, at::cat({tensor, logits}), name});
  }
  return tensors;
}

/// Of the encoder's layers: offsets and logits of x + position, and values of x.
std::vector<FoldedTensor> compose_placed_attention(const Factors& factors) {
  std::vector<FoldedTensor> tensors;
  std::vector<at::Tensor> placed;
  const std::string layers = encoder_prefix + "encoder.layers.";
  const int64_t count = factors.dims()->encoder_layers;
  for (int64_t i = 0; i < count; ++i) {
    const std::string layer = layers + std::to_string(i) + ".";
    const auto part = [&](const char* name, const char* kind) {
      return factors.stored(layer + "self_attn." + name + "." + kind);
    };
    const std::string like = layer + "self_attn.value_proj.weight";
    for (const char* kind : {"weight", "bias"}) {
      const at::Tensor moved = at::cat({part("sampling_offsets", kind), part("attention_weights", kind)});
      tensors.push_back(
          {layer + "placed_attn.projections." + kind, at::cat({part("value_proj", kind), moved}), like});
      if (moved.dim() > 1) placed.push_back(moved);
    }
  }
  // Places are float32 whatever the products are in.
  tensors.push_back({encoder_prefix + "placed", at::cat(placed), encoder_prefix + "level_encoding"});
  return tensors;
}

// Of the encoder's layers: what stays of their attention goes with them.
constexpr std::string_view placed_part = ".placed_attn.output_proj.", stored_part = ".self_attn.output_proj.";

/// The name in the file's network of a tensor that is no product.
std::string stored_name(std::string name) {
  if (const size_t found = name.find(placed_part); found != name.npos)
    name.replace(found, placed_part.size(), stored_part);
  return name;
}
std::string running_name(std::string name) {
  const size_t found = name.find(stored_part);
  if (name.starts_with(encoder_prefix) && found != name.npos)
    name.replace(found, stored_part.size(), placed_part);
  return name;
}

const std::array chains{
    Chain{{{adapter_prefix + "spm.fc1."},
           {adapter_prefix + "up."},
           {adapter_prefix + "norm1."},
           {decoder_prefix + "lateral_convs.0.weight"}},
          compose_fine_map},
    Chain{{{extractors_prefix, ".attn.sampling_offsets."}, {extractors_prefix, ".attn.attention_weights."}},
          compose_places},
    Chain{{{encoder_prefix + "encoder.layers.", ".self_attn."}}, compose_placed_attention},
    Chain{{{decoder_prefix + "mask_feature."}, {predictor_prefix + "mask_embed.layers.2."}},
          compose_mask_kernels}};

/// What holds the backbone; nothing in a module of another class than that which the sources call Segmentor.
std::optional<Module> adapter_of(const Module& module) {
  const auto& name = module.type()->name();
  const bool own = name && name->qualifiedName().starts_with("__torch__.dinov3_seg.") &&
                   name->name().starts_with("Segmentor");
  if (!own || !module.hasattr("segmentation_model")) return std::nullopt;
  const Module parts = module.attr("segmentation_model").toModule();
  if (!parts.hasattr("0")) return std::nullopt;
  const Module adapter = parts.attr("0").toModule();
  return adapter.hasattr("backbone") ? std::optional(adapter) : std::nullopt;
}

Module backbone_module(const Module& segmentor) { return adapter_of(segmentor)->attr("backbone").toModule(); }

/// Whether what the sources call of the backbone is in its code, which may be an earlier release's.
bool has_methods(const Module& backbone) {
  return backbone.find_method("forward") && backbone.find_method("last");
}

FoldedChains compose(const Factors& factors) {
  const at::NoGradGuard no_gradients;
  FoldedChains folded;
  for (const Chain& chain : chains)
    for (FoldedTensor& product : chain.compose(factors)) folded.tensors.push_back(std::move(product));
  return folded;
}

bool is_factor(const std::string& name) {
  return std::ranges::any_of(chains, [&](const Chain& chain) {
    return std::ranges::any_of(chain.factors, [&](const Chain::Factor& each) {
      return name.starts_with(each.beginning) && name.find(each.part, each.beginning.size()) != name.npos;
    });
  });
}

}  // namespace

bool is_folded_factor(const std::string& stored) { return is_factor(running_name(stored)); }

bool is_folded_method(const std::string& method) {
  return method == "forward" || method.starts_with("decode");
}

std::optional<FoldedChains> fold_chains(const Module& stored) {
  if (is_detector(stored)) return fold_detector(stored);
  if (!adapter_of(stored) || !has_methods(backbone_module(stored))) return std::nullopt;
  const Factors factors(stored);
  if (!factors.dims()) return std::nullopt;
  return compose(factors);
}

int64_t folded_bytes(const std::vector<NamedTensor>& tensors) {
  const Factors factors(tensors);
  if (!factors.dims()) return 0;
  int64_t bytes = 0;
  for (const FoldedTensor& each : compose(factors).tensors)
    bytes += static_cast<int64_t>(each.tensor.nbytes());
  return bytes;
}

Module folded_network(const Module& stored, const FoldedChains& folded, c10::Device device,
                      const WeightStream* stream) {
  if (is_detector(stored)) return folded_detector(stored, folded, device, stream);
  const Factors factors(stored);
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& each : factors.tensors())
    if (!is_folded_factor(each.name)) tensors.push_back({running_name(each.name), each.tensor});
  for (const auto& [name, tensor, like] : folded.tensors)
    tensors.push_back({name, tensor.to(device, factors.dtype(like))});
  Module module = build_module(parse_sources(torchscript_sources()), "Segmentor",
                               segmentor_constants(*factors.dims()), tensors,
                               {{adapter_prefix + "backbone",  // Slots of its own and the same tensors.
                                 backbone_module(stored).deepcopy(device)}});
  module.eval();
  share_tensors(module, stored, stream);
  return module;
}

void share_products(FoldedChains& chains, const Module& folded) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : folded.named_parameters()) tensors.emplace(name, tensor);
  for (FoldedTensor& product : chains.tensors) {
    const auto found = tensors.find(product.name);
    if (found != tensors.end() && found->second.scalar_type() == product.tensor.scalar_type())
      product.tensor = found->second;
  }
}

void share_tensors(const Module& running, const Module& stored, const WeightStream* stream) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : stored.named_parameters()) tensors.emplace(name, tensor);
  for (const auto& [name, tensor] : stored.named_buffers()) tensors.emplace(name, tensor);
  for (const auto& [path, owner] : running.named_modules()) {
    const auto object = owner._ivalue();
    for (size_t slot = 0; slot < object->slots().size(); ++slot) {
      const std::string prefix = path.empty() ? "" : path + ".";
      const auto found = tensors.find(stored_name(prefix + object->type()->getAttributeName(slot)));
      const c10::IValue& own = object->getSlot(slot);
      if (found == tensors.end() || !found->second.defined() || !own.isTensor()) continue;
      const at::Tensor& tensor = found->second;
      // Of the network that was cast.
      if (own.toTensor().scalar_type() != tensor.scalar_type()) continue;
      // A stream knows its matrices themselves. Others are not held: a file says of what is held more than
      // once where it first was.
      const bool streamed = stream && !stream->stored(tensor).is_same(tensor);
      object->setSlot(slot, streamed ? tensor : tensor.detach());
    }
  }
}

}  // namespace dinov3_seg
