// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

template <Convolution C>
struct Case {
  template <class B>
  static void check() {
    const testing::Report report = testing::check_convolution<B, C>();
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 100);
  }
};

using F = backend::Cpu<float>;
using D = backend::Cpu<double>;

}  // namespace

TEST_CASE_TEMPLATE("convolutions", C,
                   // kernels of one
                   Case<Convolution{{1, 1, 1}, {1, 1, 0}, 1}>, Case<Convolution{{3, 4, 5}, {1, 1, 0}, 7}>,
                   Case<Convolution{{7, 5, 4}, {1, 3, 0}, 3}>, Case<Convolution{{1, 3, 2}, {1, 2, 1}, 2}>,
                   // three
                   Case<Convolution{{3, 7, 5}, {3, 1, 0}, 7}>, Case<Convolution{{7, 5, 9}, {3, 1, 1}, 3}>,
                   Case<Convolution{{1, 8, 6}, {3, 2, 1}, 20}>, Case<Convolution{{20, 4, 7}, {3, 2, 2}, 1}>,
                   Case<Convolution{{3, 9, 8}, {3, 3, 1}, 5}>, Case<Convolution{{1, 1, 1}, {3, 2, 1}, 3}>,
                   // five
                   Case<Convolution{{1, 11, 12}, {5, 1, 0}, 10}>, Case<Convolution{{3, 6, 9}, {5, 2, 2}, 7}>,
                   Case<Convolution{{2, 10, 5}, {5, 3, 1}, 3}>,
                   // wider than the registers: rows of taps come in strips
                   Case<Convolution{{1, 10, 11}, {9, 1, 0}, 3}>, Case<Convolution{{3, 9, 7}, {9, 2, 2}, 1}>,
                   Case<Convolution{{2, 6, 6}, {9, 2, 2}, 3}>, Case<Convolution{{2, 5, 5}, {7, 2, 1}, 3}>,
                   Case<Convolution{{1, 5, 12}, {8, 3, 2}, 2}>, Case<Convolution{{1, 14, 14}, {13, 1, 1}, 2}>) {
  C::template check<F>();
}

TEST_CASE_TEMPLATE("convolutions in double", C, Case<Convolution{{3, 4, 5}, {1, 1, 0}, 7}>,
                   Case<Convolution{{3, 7, 5}, {3, 2, 1}, 7}>, Case<Convolution{{2, 6, 9}, {5, 1, 2}, 3}>,
                   Case<Convolution{{2, 6, 6}, {9, 2, 2}, 3}>) {
  C::template check<D>();
}
