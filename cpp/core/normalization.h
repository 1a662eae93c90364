// Mean and standard deviation of the images that a network was trained on, and their record in its file.
#pragma once

#include <array>
#include <optional>
#include <string>

namespace dinov3_seg {

class ZipReader;

/// Of the channels red, green, blue of pixels in 0…1. A network takes (pixel − mean)/std.
struct Normalization {
  std::array<double, 3> mean, std;
  bool operator==(const Normalization&) const = default;
};

/// Backbones trained on web images (LVD-1689M): ImageNet's. Source: DINOv3's README.
inline constexpr Normalization lvd_normalization{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
/// Backbones trained on satellite images (SAT-493M). Source: the same.
inline constexpr Normalization sat_normalization{{0.430, 0.411, 0.296}, {0.213, 0.156, 0.143}};

/// Name of the record in a TorchScript archive, behind the archive's own name. It holds
/// {"normalization": {"mean": [R, G, B], "std": [R, G, B]}}; other members are for later releases.
inline constexpr const char* network_record_name = "extra/dinov3_seg.json";

/// Throws INVALID_ARGUMENT unless all numbers are finite and every std is above 0.
void check_normalization(const Normalization& normalization);

/// The text of the record.
std::string network_record(const Normalization& normalization);

/// What an archive's record says; nothing where there is none: the file is of an earlier release, was made
/// elsewhere or has random weights, and LVD holds. Throws MODEL_FORMAT for a damaged record.
std::optional<Normalization> recorded_normalization(const ZipReader& zip);
/// The same of any file. Throws FILE_NOT_FOUND, IO, and what ZipReader throws.
std::optional<Normalization> recorded_normalization(const std::string& path);

}  // namespace dinov3_seg
