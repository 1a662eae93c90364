// Inputs and results of heads, as JavaScript sees them.
#pragma once

#include <tuple>

#include "bindings/method.h"
#include "heads/trained_heads.h"

namespace dinov3_seg {

/// OutputHandles.
template <>
inline constexpr auto fields<NetworkOutputs> = std::tuple{
    optional_field("queries", &NetworkOutputs::queries), optional_field("masks", &NetworkOutputs::masks),
    optional_field("features", &NetworkOutputs::features)};

template <>
inline constexpr auto fields<StepOptions> = std::tuple{field("learningRate", &StepOptions::learning_rate),
                                                       field("weightDecay", &StepOptions::weight_decay),
                                                       field("beta1", &StepOptions::beta1),
                                                       field("beta2", &StepOptions::beta2),
                                                       field("epsilon", &StepOptions::epsilon),
                                                       field("maxNorm", &StepOptions::max_norm)};

/// HeadsEvaluation; on the CPU, counts as float64.
template <>
inline constexpr auto fields<HeadCounts> = std::tuple{field<Values>("losses", &HeadCounts::losses),
                                                      field<Values>("confusion", &HeadCounts::confusion)};

}  // namespace dinov3_seg
