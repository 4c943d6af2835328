// SPDX-License-Identifier: MIT
// The border to xtensor: the only header that includes it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

// Since 0.26 xtensor's headers lie in folders; define MTLX_XTENSOR_NEW_LAYOUT as 0 or 1 if both are in reach.
#ifndef MTLX_XTENSOR_NEW_LAYOUT
#if __has_include(<xtensor/containers/xtensor.hpp>)
#define MTLX_XTENSOR_NEW_LAYOUT 1
#else
#define MTLX_XTENSOR_NEW_LAYOUT 0
#endif
#endif
#if MTLX_XTENSOR_NEW_LAYOUT
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xexpression.hpp>
#include <xtensor/core/xnoalias.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xexpression.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/dimensions.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

namespace detail {

template <class Expression>
std::vector<std::size_t> dimensions(const Expression& expression) {
  std::vector<std::size_t> sides;
  for (const auto side : expression.shape()) sides.push_back(static_cast<std::size_t>(side));
  return sides;
}

// The expression's numbers, row-major, whatever its layout. The one place where it is evaluated.
template <class Number, class Expression>
std::vector<Number> evaluated(const Expression& expression) {
  const std::vector<std::size_t> sides = dimensions(expression);
  std::size_t size = 1;
  for (const std::size_t side : sides) size *= side;
  std::vector<Number> numbers(size);
  auto view = xt::adapt<xt::layout_type::row_major>(numbers, sides);
  xt::noalias(view) = expression;
  return numbers;
}

}  // namespace detail

/// Inputs from an array or lazy expression of float, double (rounded to float) or std::uint8_t (b reads as b / 255):
/// `(n, features)` or `(n, channels, height, width)`. It is evaluated once. Throws `Error` for other dimensions and as
/// `Inputs` does.
template <class E>
Inputs inputs_from(const xt::xexpression<E>& array) {
  using Number = typename E::value_type;
  constexpr bool bytes = std::same_as<Number, std::uint8_t>;
  static_assert(bytes || std::floating_point<Number>,
                "mtlx: inputs_from: the array's numbers must be float, double or std::uint8_t");
  const E& expression = array.derived_cast();
  const std::vector<std::size_t> sides = detail::dimensions(expression);
  const Shape shape = detail::sample_shape("inputs_from: the array", sides);
  return Inputs(shape, detail::evaluated<std::conditional_t<bytes, std::uint8_t, float>>(expression));
}

/// Targets from class indices, `(n)` whole numbers of any type, `missing_label` where one isn't known. Throws `Error`
/// for other dimensions and as `Targets::classes` does.
template <class E>
Targets classes_from(const xt::xexpression<E>& array) {
  using Number = typename E::value_type;
  static_assert(std::integral<Number> && !std::same_as<Number, bool>,
                "mtlx: classes_from: the array's numbers must be of a whole-number type");
  const E& expression = array.derived_cast();
  if (expression.dimension() != 1)
    fail("classes_from: an array of ", expression.dimension(), " dimensions, expected 1 (one class per sample)");
  const std::vector<Number> wide = detail::evaluated<Number>(expression);
  std::vector<int> labels(wide.size());
  for (std::size_t row = 0; row < wide.size(); ++row) {
    if (!std::in_range<int>(wide[row])) fail("classes_from: row ", row, " has label ", wide[row], ", too large");
    labels[row] = static_cast<int>(wide[row]);
  }
  return Targets::classes(labels);
}

/// Targets from numbers (float or double), `(n)` or `(n, width)`, NaN where one is missing. Throws `Error` for other
/// dimensions and as `Targets::values` does.
template <class E>
Targets values_from(const xt::xexpression<E>& array) {
  static_assert(std::floating_point<typename E::value_type>,
                "mtlx: values_from: the array's numbers must be float or double");
  const E& expression = array.derived_cast();
  const std::vector<std::size_t> sides = detail::dimensions(expression);
  if (sides.size() != 1 && sides.size() != 2)
    fail("values_from: an array of ", sides.size(), " dimensions, expected 1 (n) or 2 (n, width)");
  return Targets::values(sides.size() == 2 ? sides[1] : 1, detail::evaluated<float>(expression));
}

/// Numbers, row-major, as an xtensor of `(rows, columns)`. Throws `Error` if there are not rows * columns of them.
inline xt::xtensor<float, 2> to_xtensor(std::span<const float> values, std::size_t rows, std::size_t columns) {
  const bool fits = columns == 0 ? values.empty() : values.size() % columns == 0 && values.size() / columns == rows;
  if (!fits) fail("to_xtensor: ", values.size(), " values for ", rows, " rows of ", columns);
  xt::xtensor<float, 2> result(typename xt::xtensor<float, 2>::shape_type{rows, columns});
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < columns; ++column) result(row, column) = values[row * columns + column];
  return result;
}

}  // namespace mtlx::data
