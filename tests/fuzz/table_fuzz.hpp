// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/data/table.hpp>

#include "fuzz.hpp"

namespace fuzz {

/// A table that was read is sound, and everything can be made of it that a model learns from, or refused.
inline void use(const mtlx::data::Table& table) {
  using namespace mtlx::data;
  require(table.rows() > 0);
  std::size_t last = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    require(table.file_row(row) > last);
    last = table.file_row(row);
  }
  const auto names = table.names();
  attempt([&] { inputs_from(table, names); });
  attempt([&] { inputs_from(table, names, {.fill = Fill::mean, .one_hot = 10}); });
  for (const auto& column : table.columns()) require(column.size() == table.rows());
  for (std::size_t c = 0; c < names.size() && c < 4; ++c) attempt([&] { classes_from(table, names[c]); });
  attempt([&] { values_from(table, names); });
  attempt([&] { binary_from(table, names); });
}

}  // namespace fuzz
