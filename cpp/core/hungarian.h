// Assignment of rows to columns at least cost.
#pragma once

#include <c10/util/ArrayRef.h>

#include <cstdint>
#include <vector>

namespace dinov3_seg {

/// The column of each row in an assignment of least total cost that pairs min(rows, columns) of them; −1 for
/// rows that are left over. `costs` row by row. The same costs give the same pairs, on ties as well. Throws
/// INVALID_ARGUMENT for costs that are not finite. O(n²m), n the smaller side. Source: Jonker & Volgenant,
/// Computing 38 (1987), in the rectangular form of Crouse, IEEE Trans. Aerosp. Electron. Syst. 52 (2016),
/// Algorithm 1.
std::vector<int64_t> assign_least_cost(c10::ArrayRef<double> costs, int64_t rows, int64_t columns);

}  // namespace dinov3_seg
