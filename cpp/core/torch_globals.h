// The few Python names that a checkpoint of tensors needs, and what they stand for here.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "pickle_reader.h"

namespace dinov3_seg {

/// Allows: collections.OrderedDict; torch._utils._rebuild_tensor, _rebuild_tensor_v2, _rebuild_tensor_v3,
/// _rebuild_parameter; torch's storage classes and dtypes; torch.Size; torch.device. In a TorchScript archive
/// also the classes of its own modules (`__torch__.…`, kept as names) and the type tags of torch.jit._pickle.
///
/// Tensors come out as views of their storages with the strides of the file, detached, on the CPU wherever
/// they were saved. Strides and offsets are checked against the storage first.
class TorchGlobals : public PickleGlobals {
 public:
  /// `where` names the file in messages. Tensors that repeat elements (stride 0) may stand for at most
  /// `repeat_budget_bytes` in all, so that a small file cannot ask for any amount of memory once they are
  /// used.
  TorchGlobals(std::string where, bool torchscript, std::uint64_t repeat_budget_bytes)
      : where_(std::move(where)), torchscript_(torchscript), repeat_budget_bytes_(repeat_budget_bytes) {}

  bool allows(std::string_view module, std::string_view name) const override;
  PickleValue* call(PickleTree& tree, const PickleValue& function, const PickleValue& arguments) override;
  PickleValue* storage(PickleTree& tree, const PickleValue& id) override;

 protected:
  /// The bytes of the storage `key`: the same object for the same key, as long as this object lives.
  virtual c10::Storage load_storage(const std::string& key) = 0;

 private:
  struct View;

  PickleValue* rebuild(PickleTree& tree, const PickleGlobal& function, const PickleItems& arguments);
  void check_bounds(View& view);
  void check_booleans(const c10::Storage& storage);

  std::string where_;
  bool torchscript_;
  std::uint64_t repeat_budget_bytes_;
  std::unordered_set<const c10::StorageImpl*> checked_booleans_;
};

}  // namespace dinov3_seg
