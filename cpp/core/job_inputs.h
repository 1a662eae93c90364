// The mapped files that a job reads: what comes of one that could not be read is no result.
#pragma once

#include <memory>
#include <string>

#include "core/mapped_file.h"

namespace dinov3_seg {

// All of these are about the calling thread's job, and do nothing outside of one.

/// The job uses the file: its result stands only if the file was whole to the end. MappedFile::open does this
/// for files that a job opens itself.
void add_job_input(std::shared_ptr<const MappedFile> file);
/// Throws IO if a page of an input could not be read. Cheap.
void check_faulted_inputs();
/// The same, and if an input has become shorter: its last page reads as zeros without a fault.
void check_job_inputs();
/// What is wrong with an input; empty if nothing is.
std::string job_input_damage();
/// For the begin and the end of a job.
void forget_job_inputs();

}  // namespace dinov3_seg
