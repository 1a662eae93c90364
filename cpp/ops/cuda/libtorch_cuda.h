// libtorch's CUDA side, as far as it can be used without the CUDA runtime: builds of one minor version of
// libtorch have different ones. So no c10::cuda::CUDAGuard, C10_CUDA_CHECK or the like, whose code calls it;
// c10's guards go through libtorch.
#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
