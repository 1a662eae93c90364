// The archive that a network's file is, before anything in it is looked at.
#pragma once

#include <exception>
#include <string>

#include "core/zip_reader.h"

namespace dinov3_seg {

/// The archive that a network's file is. Throws FILE_NOT_FOUND, IO, what ZipReader throws, and MODEL_FORMAT
/// for a file that is no archive.
ZipReader network_archive(const std::string& path);

/// The identity of a network's file: SHA-256 over names, sizes and checksums of its records. Throws as
/// network_archive() does.
std::string archive_id(const std::string& path);

/// What libtorch says of a file, for a message: printable, of at most 2000 bytes. It shows lines and names of
/// the file as they are, of any length.
std::string libtorch_message(const std::exception& error);

/// Throws MODEL_FORMAT with what libtorch says of the file.
[[noreturn]] void fail_to_load(const std::string& path, const std::exception& error);

}  // namespace dinov3_seg
