// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

static_assert(Backend<backend::Cpu<float>>);
static_assert(Backend<backend::Cpu<double>>);
// A slice is as wide as keeps a quarter of a megabyte.
static_assert(backend::Cpu<float>::Slice<1>::width == 64);
static_assert(backend::Cpu<float>::Slice<1025>::width == 32);
static_assert(backend::Cpu<float>::Slice<2049>::width == 16);
static_assert(backend::Cpu<double>::Slice<513>::width == 32);

}  // namespace

TEST_CASE_TEMPLATE("what is no matter of shape", B, backend::Cpu<float>, backend::Cpu<double>) {
  for (const int threads : {1, 2, 3}) {
    const auto report = testing::check_backend<B>([&] { return B({.threads = threads}); });
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 10000);
  }
}

TEST_CASE("workers are the threads that were asked for") {
  CHECK(backend::Cpu<float>({.threads = 3}).workers() == 3);
  CHECK(backend::Cpu<float>().workers() >= 1);
  CHECK_THROWS_AS(backend::Cpu<float>({.threads = -2}), Error);
}
