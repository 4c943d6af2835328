// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

template <int In, int Out>
struct Sizes {
  template <class B>
  static testing::Report check() {
    return testing::check_dense<B, In, Out>();
  }
};

}  // namespace

// One, odd, around a register and a tile, and the sizes of LeNet.
TEST_CASE_TEMPLATE("dense products", Size, Sizes<1, 1>, Sizes<1, 5>, Sizes<3, 5>, Sizes<5, 1>, Sizes<50, 1>,
                   Sizes<33, 3>, Sizes<7, 16>, Sizes<37, 10>, Sizes<130, 33>, Sizes<320, 50>, Sizes<9, 65>) {
  for (const auto& report :
       {Size::template check<backend::Cpu<float>>(), Size::template check<backend::Cpu<double>>()}) {
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 100);
  }
}
