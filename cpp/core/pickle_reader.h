// A pickle machine that makes data only: it runs no code, whatever the pickle asks for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pickle_value.h"

namespace dinov3_seg {

/// What a pickle may refer to beyond plain data. See torch_globals.h.
class PickleGlobals {
 public:
  virtual ~PickleGlobals() = default;
  /// Whether the global may be named at all. What is not allowed ends reading with CHECKPOINT_UNSAFE.
  virtual bool allows(std::string_view module, std::string_view name) const = 0;
  /// The value of `function(*arguments)`, `function` being an allowed global and `arguments` a tuple.
  virtual PickleValue* call(PickleTree& tree, const PickleValue& function, const PickleValue& arguments) = 0;
  /// The storage behind a persistent id.
  virtual PickleValue* storage(PickleTree& tree, const PickleValue& id) = 0;
};

/// "module.name", for messages.
std::string full_name(const PickleGlobal& global);

/// What a file makes of `file_bytes` may take this much memory: several times what torch.save's files need,
/// and little enough for a machine that can hold the file.
constexpr std::uint64_t memory_allowed_for(std::uint64_t file_bytes) {
  return 16 * file_bytes + (std::uint64_t{4} << 20);
}

/// Reads one pickle of protocol 2 to 5, and stops with its job.
/// Memory and time are in proportion to `bytes`; more than 64 MiB, 4 million values or
/// `memory_allowed_for(bytes)` are refused.
/// `where` names the file in messages. Throws CHECKPOINT_UNSAFE (naming the global), CHECKPOINT_TRUNCATED
/// (the pickle ends early), CHECKPOINT_FORMAT (it is not a pickle, or uses what torch.save does not), and
/// ABORTED.
PickleTree read_pickle(std::span<const std::uint8_t> bytes, PickleGlobals& globals, const std::string& where);

/// Reads a pickle for its form and its size alone: it may name any class, and nothing comes of it. For what
/// another reader is to load next. Throws as read_pickle does, but never CHECKPOINT_UNSAFE.
void check_pickle(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace dinov3_seg
