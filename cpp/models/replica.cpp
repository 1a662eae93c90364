#include "models/replica.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/function_impl.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/available_memory.h"
#include "core/job_control.h"
#include "models/archive.h"

namespace dinov3_seg {
namespace {

using torch::jit::Module;

constexpr const char* advice =
    "Name fewer devices (--device), convert or export the network with --dtype bfloat16, or end other "
    "processes on this device";

/// Tensors that stand in code itself, also in that of functions which it calls.
bool has_tensors(const torch::jit::Block& block) {
  return std::ranges::any_of(block.nodes(), [](const torch::jit::Node* node) {
    if (node->kind() == c10::prim::Constant) {
      const auto& type = node->output()->type();
      if (const auto function = type->cast<c10::FunctionType>()) {
        const auto* called = torch::jit::tryToGraphFunction(*function->function());
        return !called || has_tensors(*called->graph()->block());
      }
      return type->kind() == c10::TypeKind::TensorType;
    }
    return std::ranges::any_of(node->blocks(),
                               [](const torch::jit::Block* inner) { return has_tensors(*inner); });
  });
}

/// Whether all that is on the device stands in the slots of modules: code is shared by copies.
bool can_move(const Module& module) {
  for (const Module& each : module.modules()) {
    for (const c10::IValue& value : each._ivalue()->slots()) {
      bool holds_tensors = false;
      if (!value.isTensor() && !value.isModule())
        value.visit([&](const c10::IValue& inner) {
          holds_tensors = holds_tensors || inner.isTensor() || inner.isObject();
          return holds_tensors;
        });
      if (holds_tensors) return false;
    }
    for (const torch::jit::Method& method : each.get_methods())
      if (has_tensors(*method.graph()->block())) return false;
  }
  return true;
}

/// Tensors of one device for those of another; what shares memory shares it there too.
class Mover {
 public:
  explicit Mover(c10::Device device) : device_(device) {}

  /// The tensors of one network stand for the equal ones of another.
  void add(const NetworkModule& from, const NetworkModule& to) {
    const auto add_all = [&](const auto& own, const auto& others) {
      auto other = others.begin();
      for (const auto& entry : own) {
        const at::Tensor there = (*other).value;
        ++other;
        storages_.emplace(entry.value.storage().unsafeGetStorageImpl(), there.storage());
        tensors_.emplace(entry.value.unsafeGetTensorImpl(), there);
      }
    };
    add_all(from.parameters_by_name(), to.parameters_by_name());
    add_all(from.buffers_by_name(), to.buffers_by_name());
  }

  void move(const Module& module) {
    for (const Module& each : module.modules()) {
      const auto object = each._ivalue();
      for (size_t slot = 0; slot < object->slots().size(); ++slot) {
        const c10::IValue& value = object->getSlot(slot);
        if (value.isTensor() && value.toTensor().defined()) object->setSlot(slot, moved(value.toTensor()));
      }
    }
  }

 private:
  at::Tensor moved(const at::Tensor& tensor) {
    check_cancelled();
    // Itself: a stream knows its matrices by that.
    if (const auto known = tensors_.find(tensor.unsafeGetTensorImpl()); known != tensors_.end())
      return known->second;
    const c10::Storage& own = tensor.storage();
    auto known = storages_.find(own.unsafeGetStorageImpl());
    if (known == storages_.end()) {
      if (tensor.device() == device_) return tensor;
      const auto bytes = static_cast<int64_t>(own.nbytes());
      const at::Tensor all = at::empty({0}, tensor.options().dtype(at::kByte)).set_(own, 0, {bytes});
      known = storages_.emplace(own.unsafeGetStorageImpl(), all.to(device_).storage()).first;
    }
    at::Tensor result = at::empty({0}, tensor.options().device(device_));
    return result.set_(known->second, tensor.storage_offset(), tensor.sizes(), tensor.strides());
  }

  c10::Device device_;
  // Of the module that is moved:
  std::unordered_map<const c10::StorageImpl*, c10::Storage> storages_;
  std::unordered_map<const c10::TensorImpl*, at::Tensor> tensors_;
};

/// Where a copy of a network runs, and how: as the first one does.
ModelPlacement placement_of(const NetworkModule& first, const ReplicaPlace& place) {
  ModelPlacement placement = first.placement();
  placement.device = place.device;
  placement.replica = place.replica;
  placement.stream = nullptr;
  return placement;
}

/// A copy of the network's modules there; nothing where it has to be loaded again. Gives the placement the
/// copy's stream.
std::optional<NetworkModules> copy_of(const NetworkModule& first, ModelPlacement& placement,
                                      const NetworkModule* shared = nullptr,
                                      const NetworkModule* its_replica = nullptr) {
  const auto& [module, folded] = first.modules();
  const c10::Device device = placement.device;
  say_doing("Copying " + first.path() + " to " + device.str());
  const bool elsewhere = device != first.device();
  if (elsewhere && !can_move(module)) return std::nullopt;
  Mover mover(device);
  // Its buffers are not its replica's, on the same device either.
  if (shared && (elsewhere || first.stream())) mover.add(*shared, *its_replica);
  int64_t bytes = first.size_bytes() + first.folded_bytes();
  if (shared) bytes -= std::min(bytes, shared->size_bytes());
  if (first.stream() && !shared) bytes -= static_cast<int64_t>(first.stream()->bytes());
  if (elsewhere) require_memory(device, static_cast<uint64_t>(bytes), "Copying " + first.path(), advice);
  // Slots of its own and the same tensors.
  NetworkModules copy{module.deepcopy(first.device()), std::nullopt};
  if (folded) copy.folded = folded->deepcopy(first.device());
  if (shared)
    placement.stream = its_replica->stream();
  else if (first.stream())
    placement.stream = first.stream()->replicate(copy.stored, device);
  const bool moves = elsewhere || first.stream();
  if (moves) mover.move(copy.stored);
  if (folded) {
    // With what its stream put there.
    share_tensors(*copy.folded, copy.stored, placement.stream.get());
    if (moves) mover.move(*copy.folded);
  }
  return copy;
}

}  // namespace

std::shared_ptr<SegmentationModel> replica_of(const SegmentationModel& first, const ReplicaPlace& place) {
  ModelPlacement placement = placement_of(first, place);
  if (const auto copy = copy_of(first, placement))
    return std::make_shared<SegmentationModel>(first, *copy, placement);
  return std::make_shared<SegmentationModel>(first.path(), placement);
}

std::shared_ptr<DetectionModel> replica_of(const DetectionModel& first, const ReplicaPlace& place,
                                           const SegmentationModel* segmentor,
                                           const SegmentationModel* its_replica) {
  ModelPlacement placement = placement_of(first, place);
  if (const auto copy = copy_of(first, placement, segmentor, its_replica))
    return std::make_shared<DetectionModel>(first, *copy, placement);
  return its_replica ? std::make_shared<DetectionModel>(first.path(), placement, *its_replica)
                     : std::make_shared<DetectionModel>(first.path(), placement);
}

}  // namespace dinov3_seg
