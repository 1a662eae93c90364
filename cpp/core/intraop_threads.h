// How many threads an operator uses on the CPU.
#pragma once

namespace dinov3_seg {

/// For every thread that runs jobs, from its next one on, and for the calling one now.
void set_intraop_threads(int threads);

/// Takes over what was set last. OpenMP keeps a number for each thread that calls operators.
void use_intraop_threads();

}  // namespace dinov3_seg
