// Copies of a loaded network, on other devices or beside it.
#pragma once

#include <memory>

#include "models/detection_model.h"
#include "models/segmentation_model.h"

namespace dinov3_seg {

/// Where a copy runs: the number of the replica on the device tells copies on one device apart.
struct ReplicaPlace {
  c10::Device device = c10::kCPU;
  int replica = 0;
};

/// A network that runs as the first one does. On the same device it shares the weights, on another one it has
/// a copy of them, brought from device to device. A network with tensors in its code or in containers is
/// loaded again from its file. The first one must not run meanwhile; afterwards each has a thread of its own.
/// Throws OUT_OF_MEMORY, and what loading throws.
std::shared_ptr<SegmentationModel> replica_of(const SegmentationModel& first, const ReplicaPlace& place);

/// The same of a detector. One that shares its backbone with `segmentor` shares that of `its_replica`, which
/// is in the same place.
std::shared_ptr<DetectionModel> replica_of(const DetectionModel& first, const ReplicaPlace& place,
                                           const SegmentationModel* segmentor,
                                           const SegmentationModel* its_replica);

}  // namespace dinov3_seg
