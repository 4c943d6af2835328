// SPDX-License-Identifier: MIT
#pragma once

namespace mtlx {

/// A number as a template argument: `nn::Huber<0.5>` (clang 14 takes a `double` there only within a class).
struct Real {
  double value;

  constexpr Real(double number) : value(number) {}  // NOLINT: it stands for the number
  constexpr Real(int number) : value(number) {}     // NOLINT: it stands for the number
};

}  // namespace mtlx
