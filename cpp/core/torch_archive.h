// Archives of torch.save and torch.jit.save: a pickle and the storages it refers to.
#pragma once

#include <memory>

#include "mapped_file.h"
#include "pickle_value.h"

namespace dinov3_seg {

struct TorchArchive {
  bool torchscript = false;
  PickleTree pickle;  ///< of data.pkl; the tensors are views of the mapped file and keep it alive
};

/// Throws what ZipReader and read_pickle throw, and CHECKPOINT_FORMAT if the archive holds no data.pkl or was
/// written on a big-endian machine.
TorchArchive read_torch_archive(std::shared_ptr<const MappedFile> file);

}  // namespace dinov3_seg
