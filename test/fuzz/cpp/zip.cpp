// Zip archives: their table of contents, the entries' data, and the network's record in them.
#include "core/normalization.h"
#include "core/zip_reader.h"
#include "fuzz_target.h"

using namespace dinov3_seg;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::set_input({data, size});
  fuzz::read_or_refuse([] {
    const ZipReader zip(MappedFile::open(fuzz::input_path));
    if (zip.content_id().size() != 64) fuzz::finding("an id that is no SHA-256");
    for (const ZipEntry& entry : zip.entries()) {
      if (zip.find(entry.name) != &entry) fuzz::finding("an entry that is not found by its name");
      fuzz::read_or_refuse([&] {
        if (zip.checked_data(entry).size() != entry.size) fuzz::finding("an entry of another size");
      });
    }
    fuzz::read_or_refuse([&] {
      if (const auto normalization = recorded_normalization(zip)) check_normalization(*normalization);
    });
  });
  return 0;
}
