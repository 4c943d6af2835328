// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

template <Pooling P>
struct Case {
  static constexpr Pooling pooling = P;
};

}  // namespace

TEST_CASE_TEMPLATE("max pooling", C, Case<Pooling{{1, 1, 1}, {1, 1, 0}}>, Case<Pooling{{3, 6, 4}, {2, 2, 0}}>,
                   Case<Pooling{{2, 7, 5}, {2, 2, 0}}>, Case<Pooling{{2, 7, 6}, {3, 2, 1}}>,
                   Case<Pooling{{3, 5, 5}, {3, 1, 1}}>, Case<Pooling{{1, 7, 7}, {2, 3, 0}}>,
                   Case<Pooling{{1, 6, 6}, {2, 2, 1}}>, Case<Pooling{{2, 9, 7}, {5, 2, 2}}>) {
  for (const auto& report : {testing::check_pooling<backend::Cpu<float>, C::pooling>(),
                             testing::check_pooling<backend::Cpu<double>, C::pooling>()}) {
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 100);
  }
}
