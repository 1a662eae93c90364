#include "models/shared_backbone.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <unordered_map>

#include "core/dtype_names.h"
#include "core/error.h"
#include "core/job_control.h"
#include "core/mapped_file.h"
#include "core/state_dict.h"
#include "core/torch_archive.h"
#include "core/zip_reader.h"
#include "models/backbone_plan.h"
#include "models/builder.h"
#include "models/detector_plan.h"
#include "models/segmentor_plan.h"
#include "ops/quantized_ops.h"

namespace dinov3_seg {
namespace {

using TensorMap = std::map<std::string, at::Tensor>;

/// The backbone's tensors in a file, and the records that hold them.
class BackboneFile {
 public:
  /// `prefix`: of the backbone's names.
  BackboneFile(const std::string& path, const std::string& prefix)
      : file_(MappedFile::open(path)), zip_(file_) {
    for (const ZipEntry& entry : zip_.entries()) records_.emplace(entry.offset, &entry);
    for (auto& [name, tensor] : find_module_tensors(read_torch_archive(file_).pickle, path).tensors)
      if (name.starts_with(prefix)) tensors_.emplace(name.substr(prefix.size()), std::move(tensor));
  }

  const TensorMap& tensors() const { return tensors_; }
  std::string content_id() const { return zip_.content_id(); }
  /// Where a tensor of this file begins in it.
  std::uint64_t offset_of(const at::Tensor& tensor) const {
    return static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(tensor.const_data_ptr()) -
                                      file_->bytes().data());
  }
  /// The record that holds exactly this tensor, row by row; null if there is none.
  const ZipEntry* record_of(const at::Tensor& tensor) const {
    const auto found = records_.find(offset_of(tensor));
    const bool whole =
        found != records_.end() && found->second->size == tensor.nbytes() && tensor.is_contiguous();
    return whole ? found->second : nullptr;
  }
  std::span<const std::uint8_t> data(const ZipEntry& record) const { return zip_.data(record); }

 private:
  std::shared_ptr<const MappedFile> file_;
  ZipReader zip_;
  TensorMap tensors_;
  std::unordered_map<std::uint64_t, const ZipEntry*> records_;
};

/// The backbone's tensors in a segmentor's module, without their prefix.
TensorMap backbone_tensors(const SegmentationModel& segmentor) {
  const std::string prefix = backbone_prefix;
  TensorMap tensors;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (name.starts_with(prefix)) tensors.emplace(name.substr(prefix.size()), tensor);
  };
  for (const auto& entry : segmentor.parameters_by_name()) add(entry.name, entry.value);
  for (const auto& entry : segmentor.buffers_by_name()) add(entry.name, entry.value);
  return tensors;
}

/// Collects differences and reports them in one error.
class Differences {
 public:
  Differences(std::string detector, const SegmentationModel& segmentor)
      : begin_(std::move(detector) + " cannot share the backbone of " + segmentor.path() + ": ") {}

  template <typename... Parts>
  void note(const Parts&... parts) {
    if (count_++ == 0) first_ = c10::str(parts...);
  }
  void check(const char* advice) const {
    if (count_ == 0) return;
    const std::string others = count_ > 1 ? c10::str(" (and ", count_ - 1, " more differences)") : "";
    fail("BACKBONE_MISMATCH", begin_, first_, others, ". ", advice);
  }
  /// Fails if there is nothing to compare with.
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail("BACKBONE_MISMATCH", begin_, parts...);
  }

 private:
  std::string begin_, first_;
  int64_t count_ = 0;
};

void check_device(const std::string& name, c10::Device device, const SegmentationModel& segmentor) {
  if (device != segmentor.device())
    fail("DEVICE", name, " is to be loaded on ", device.str(), ", but ", segmentor.path(), " is on ",
         segmentor.device().str(),
         ". A backbone can only be shared on one device: load both on the same one");
}

/// The segmentor's tensor of this name; notes a difference if it has another shape or dtype.
at::Tensor find_loaded(const TensorMap& loaded, const std::string& name, at::IntArrayRef shape,
                       at::ScalarType dtype, Differences& differences) {
  const auto found = loaded.find(name);
  if (found == loaded.end()) {
    differences.note("the segmentor has no ", name);
    return {};
  }
  const at::Tensor& tensor = found->second;
  if (tensor.sizes() != shape)
    differences.note(name, " has shape ", shape, ", the segmentor's has ", tensor.sizes());
  else if (!is_quantized(tensor) && tensor.scalar_type() != dtype)
    differences.note(name, " should be ", dtype_name(dtype), ", but the segmentor has it in ",
                     dtype_name(tensor.scalar_type()));
  return tensor;
}

/// The dtype of each of the file's tensors after loading.
std::map<std::string, at::ScalarType> loaded_dtypes(const BackboneFile& file, const std::string& dtype) {
  std::map<std::string, at::ScalarType> dtypes;
  for (const auto& [name, tensor] : file.tensors()) dtypes.emplace(name, tensor.scalar_type());
  if (dtype == "stored") return dtypes;
  std::vector<KeyShape> keys;
  for (const auto& [name, tensor] : file.tensors())
    keys.push_back({name, tensor.sizes().vec(), tensor.scalar_type()});
  for (const KeyShape& key : backbone_keys(read_backbone_dims(keys)))
    if (const auto found = dtypes.find(key.name); found != dtypes.end())
      found->second = stored_dtype(key, cast_target(dtype));
  return dtypes;
}

bool same_record(const BackboneFile& a, const ZipEntry& of_a, const BackboneFile& b, const ZipEntry& of_b) {
  if (of_a.size != of_b.size) return false;
  // 0 stands for none as well.
  if (of_a.crc32 != 0 && of_b.crc32 != 0) return of_a.crc32 == of_b.crc32;
  return std::ranges::equal(a.data(of_a), b.data(of_b));
}

}  // namespace

SharedTensors shared_backbone(const std::string& path, const ModelPlacement& placement,
                              const SegmentationModel& segmentor) {
  check_device(path, placement.device, segmentor);
  const BackboneFile own(path, detector_backbone_prefix);
  if (own.tensors().empty())
    fail("MODEL_FORMAT", path, " has no backbone under ", detector_backbone_prefix,
         "…: expected a detector made by convert with task detection");
  Differences differences(path, segmentor);
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(segmentor.path(), unknown))
    differences.refuse(
        "the segmentor has no file to compare with. Load it from a file, or create the detector by init");
  const BackboneFile other(segmentor.path(), backbone_prefix);
  if (other.content_id() != segmentor.id())
    differences.refuse("that file has changed since the segmentor was loaded. Load it again");

  const TensorMap loaded = backbone_tensors(segmentor);
  const auto dtypes = loaded_dtypes(own, placement.dtype);
  SharedTensors shared;
  for (const auto& [name, tensor] : own.tensors()) {
    check_cancelled();
    const at::Tensor there = find_loaded(loaded, name, tensor.sizes(), dtypes.at(name), differences);
    if (!there.defined()) continue;
    const auto stored = other.tensors().find(name);
    const ZipEntry* record = own.record_of(tensor);
    const ZipEntry* its_record = stored == other.tensors().end() ? nullptr : other.record_of(stored->second);
    if (!record || !its_record)
      differences.note("the values of ", name, " are not a separate record in both files");
    else if (stored->second.scalar_type() != tensor.scalar_type())
      differences.note(name, " is stored as ", dtype_name(tensor.scalar_type()),
                       ", but in the segmentor's file as ", dtype_name(stored->second.scalar_type()));
    else if (!same_record(own, *record, other, *its_record))
      differences.note("the values of ", name, " differ");
    else
      shared.emplace(record->offset, there);
  }
  differences.check(
      "Convert both from the same backbone in the same dtype and load both in the same dtype, or load the "
      "detector without sharing");
  return shared;
}

std::vector<NamedTensor> backbone_of(const SegmentationModel& segmentor, const std::vector<KeyShape>& keys,
                                     at::ScalarType dtype, c10::Device device, const std::string& name) {
  check_device(name, device, segmentor);
  Differences differences(name, segmentor);
  const TensorMap loaded = backbone_tensors(segmentor);
  std::vector<NamedTensor> tensors;
  for (const KeyShape& key : keys)
    tensors.push_back(
        {key.name, find_loaded(loaded, key.name, key.shape, stored_dtype(key, dtype), differences)});
  differences.check("Use the shape and dtype of the segmentor's backbone");
  return tensors;
}

}  // namespace dinov3_seg
