// What libtorch would print: nothing of it reaches stderr by itself.
#pragma once

#include <string>
#include <vector>

namespace dinov3_seg {

/// Lets libtorch log errors alone, unless TORCH_CPP_LOG_LEVEL names another level. Once a process.
void set_log_level();

/// From here on warnings that libtorch gives on the calling thread are kept for take_warnings().
void keep_warnings_of_this_thread();

/// The texts that were kept since the last call, each text once a process.
std::vector<std::string> take_warnings();

}  // namespace dinov3_seg
