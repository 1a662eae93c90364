#include "core/class_columns.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace dinov3_seg {
namespace {

void check_columns(int64_t columns) {
  if (columns < 1 || columns > 255) fail("INVALID_ARGUMENT", "columns must be 1 to 255, got ", columns);
}

}  // namespace

void check_column_table(const at::Tensor& table, int64_t columns) {
  check_columns(columns);
  if (table.scalar_type() != at::kByte || table.dim() != 1 || table.size(0) != 256)
    fail("INVALID_ARGUMENT", "a table of columns has 256 bytes, got ", table.sizes(), " ",
         table.scalar_type());
  if (at::logical_and(table.ge(columns), table.ne(no_column)).any().item<bool>())
    fail("INVALID_ARGUMENT", "a table of columns contains numbers below ", columns, ", or 255 for none");
}

at::Tensor count_columns(const at::Tensor& column_map, int64_t columns) {
  check_columns(columns);
  const at::Tensor counts = at::bincount(column_map.flatten(), {}, 256).cpu();
  const int64_t foreign = counts.slice(0, columns, no_column).sum().item<int64_t>();
  if (foreign > 0)
    fail("LABEL_VALUE", foreign, " pixels have a value that is neither one of the ", columns,
         " classes nor 255");
  return at::cat({counts.slice(0, 0, columns), counts.slice(0, no_column)});
}

at::Tensor column_shares(const at::Tensor& scores, const at::Tensor& table, int64_t columns,
                         const at::Tensor& below) {
  const int64_t classes = scores.size(0);
  const at::Tensor values = scores.to(at::kDouble);  // K×N
  const at::Tensor total = values.sum(0, true);      // 1×N
  const at::Tensor is_blank = total.eq(0);           // 1×N
  const at::Tensor shares = values / total.masked_fill(is_blank, 1);
  // A product with zeros and ones, and not index_add, whose order of sums CUDA does not keep.
  const at::Tensor row = table.slice(0, 0, classes).to(scores.device(), at::kLong);
  const at::Tensor places = at::arange(columns + 1, row.options()).unsqueeze(1);  // (columns+1)×1
  const at::Tensor member = row.masked_fill(row.eq(no_column), columns).eq(places).to(at::kDouble);
  at::Tensor own = at::mm(member, shares);  // (columns+1)×N
  at::Tensor rest = own.narrow(0, columns, 1);
  rest.add_(is_blank);
  if (!below.defined()) return own;
  own = at::cat({own.narrow(0, 0, columns), at::zeros_like(rest)});
  return own + below * (1 - own.sum(0, true));
}

}  // namespace dinov3_seg
