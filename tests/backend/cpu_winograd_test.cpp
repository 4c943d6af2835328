// SPDX-License-Identifier: MIT
#include <mtlx/backend/cpu.hpp>
#include <mtlx/testing/backend_laws.hpp>

#include <doctest/doctest.h>

using namespace mtlx;

namespace {

// What a Cpu would choose is not asked here: sizes that don't fill a tile would hardly be tested.
template <class T, int Width>
struct TiledSlice : backend::CpuSlice<T, Width> {
  using Slice = backend::CpuSlice<T, Width>;
  using typename Slice::ConstView, typename Slice::View;
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    backend::Winograd<T, Width, C>::forward(x.data, weight, bias, y.data);
  }
  template <Convolution C>
  static void convolution_backward_input(const T* weight, ConstView dy, View dx) {
    backend::Winograd<T, Width, C>::backward_input(weight, dy.data, dx.data);
  }
  template <Convolution C>
  static void convolution_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    backend::Winograd<T, Width, C>::backward_weights(x.data, dy.data, dweight);
    backend::add_sums<T, Width, C.filters, C.out().height * C.out().width>(dy.data, dbias);
  }
};

// The same in one direction.
template <class T, int Width>
struct RowsSlice : backend::CpuSlice<T, Width> {
  using Slice = backend::CpuSlice<T, Width>;
  using typename Slice::ConstView, typename Slice::View;
  template <Convolution C>
  static void convolution_forward(const T* weight, const T* bias, ConstView x, View y) {
    backend::WinogradRows<T, Width, C>::forward(x.data, weight, bias, y.data);
  }
  template <Convolution C>
  static void convolution_backward_parameters(ConstView x, ConstView dy, T* dweight, T* dbias) {
    backend::WinogradRows<T, Width, C>::backward_parameters(x.data, dy.data, dweight, dbias);
  }
};

template <class S>
struct With : backend::Cpu<typename S::Scalar> {
  using backend::Cpu<typename S::Scalar>::Cpu;
  template <std::size_t>
  using Slice = S;
};

template <Convolution C, class Slice = TiledSlice<float, 16>>
struct Case {
  static void check() {
    const testing::Report report = testing::check_convolution<With<Slice>, C>();
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 10);
  }
};
template <Convolution C, class Slice = RowsSlice<float, 16>>
using Rows = Case<C, Slice>;

// The largest errors of y, dx and dweight against Reference, as shares of the largest number.
struct Errors {
  double y, dx, dweight;
};
template <class B, Convolution C>
Errors errors() {
  using Kernel = testing::detail::ConvolutionKernel<C>;
  using Slice = typename B::template Slice<(std::size_t{1} << 20)>;
  constexpr std::size_t samples = 16;
  testing::detail::WeightedInput input{testing::detail::normals(samples * Kernel::in, 1, 1),
                                       testing::detail::normals(samples * Kernel::out, 1, 2),
                                       testing::detail::normals(Kernel::weights + Kernel::biases, 1, 3)};
  for (auto* numbers : {&input.x, &input.dy, &input.weight})
    for (double& number : *numbers) number = static_cast<double>(static_cast<float>(number));
  const auto truth = testing::detail::run_weighted<backend::ReferenceSlice, Kernel>(input);
  const auto got = testing::detail::run_weighted<Slice, Kernel>(input);
  const auto error = [](const std::vector<double>& right, const std::vector<double>& found) {
    double most = 0, largest = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
      most = std::max(most, std::abs(right[i] - found[i]));
      largest = std::max(largest, std::abs(right[i]));
    }
    return most / largest;
  };
  return {error(truth.y, got.y), error(truth.dx, got.dx), error(truth.dweight, got.dweight)};
}

constexpr Convolution lenet{{10, 12, 12}, {5, 1, 0}, 20}, enlarge{{64, 8, 48}, {3, 1, 1}, 32},
    first{{1, 28, 28}, {5, 1, 0}, 10};

}  // namespace

TEST_CASE_TEMPLATE("convolutions by tiles agree with Reference", C,
                   // (at least as many pairs of channel and filter as a register has lanes)
                   // one channel, three channels; images of less than a tile, of one, and a pixel more
                   Case<Convolution{{1, 6, 5}, {3, 1, 1}, 16}>, Case<Convolution{{3, 3, 4}, {3, 1, 0}, 17}>,
                   Case<Convolution{{3, 6, 6}, {3, 1, 0}, 6}>, Case<Convolution{{17, 7, 19}, {3, 1, 2}, 3}>,
                   Case<Convolution{{9, 13, 11}, {3, 1, 1}, 7}>, Case<Convolution{{1, 5, 6}, {5, 1, 0}, 16}>,
                   Case<Convolution{{3, 9, 10}, {5, 1, 2}, 20}>, Case<Convolution{{10, 7, 5}, {5, 1, 4}, 2}>,
                   // registers of other widths
                   Case<Convolution{{3, 9, 10}, {3, 1, 1}, 9}, TiledSlice<double, 16>>,
                   Case<Convolution{{5, 9, 7}, {5, 1, 1}, 4}, TiledSlice<float, 32>>) {
  C::check();
}

TEST_CASE_TEMPLATE("convolutions by tiles in one direction agree with Reference", C,
                   // rows that tiles fill, rows that they don't, an odd number of rows, less than a tile
                   Rows<Convolution{{1, 12, 12}, {5, 1, 0}, 3}>, Rows<Convolution{{3, 9, 10}, {5, 1, 2}, 5}>,
                   Rows<Convolution{{2, 5, 6}, {5, 1, 0}, 1}>, Rows<Convolution{{1, 6, 5}, {3, 1, 1}, 9}>,
                   Rows<Convolution{{3, 3, 4}, {3, 1, 0}, 2}>, Rows<Convolution{{2, 7, 19}, {3, 1, 2}, 3}>,
                   // registers of other widths
                   Rows<Convolution{{2, 9, 7}, {5, 1, 4}, 3}, RowsSlice<double, 16>>,
                   Rows<Convolution{{1, 9, 10}, {3, 1, 1}, 4}, RowsSlice<float, 32>>) {
  C::check();
}

TEST_CASE("what a Cpu convolves by tiles") {
  using F = backend::CpuSlice<float, 16>;
  CHECK(F::by_tiles<lenet>);
  CHECK(F::by_tiles<enlarge>);
  CHECK_FALSE(F::by_tiles<first>);
  CHECK_FALSE(F::by_tiles<Convolution{{10, 12, 12}, {5, 2, 0}, 20}>);
  CHECK_FALSE(F::by_tiles<Convolution{{16, 12, 12}, {1, 1, 0}, 16}>);
  CHECK_FALSE(F::by_tiles<Convolution{{16, 5, 5}, {5, 1, 0}, 16}>);
  // What lies between the stages must fit the stack.
  CHECK_FALSE(F::by_tiles<Convolution{{256, 8, 8}, {3, 1, 1}, 256}>);
  CHECK_FALSE(backend::Cpu<float, backend::Convolving::direct>::Slice<99999>::by_tiles<lenet>);
}

TEST_CASE("what a Cpu convolves by tiles in one direction") {
  constexpr auto pays = [](const Convolution& c) { return backend::winograd_rows_pay(c, 64, 32); };
  CHECK(pays(first));
  CHECK(pays({{3, 28, 28}, {5, 1, 0}, 10}));
  CHECK(pays({{1, 48, 48}, {3, 1, 1}, 64}));
  CHECK(pays({{16, 12, 12}, {3, 1, 0}, 6}));
  CHECK_FALSE(backend::winograd_rows_pay({{16, 12, 12}, {3, 1, 0}, 6}, 32, 16));
  // too few filters to share the pixels' transform; strides; kernels; what does not fit the stack
  CHECK_FALSE(pays({{32, 48, 48}, {3, 1, 1}, 1}));
  CHECK_FALSE(pays({{1, 28, 28}, {5, 2, 0}, 10}));
  CHECK_FALSE(pays({{1, 28, 28}, {4, 1, 0}, 10}));
  CHECK_FALSE(pays({{7, 200, 200}, {5, 1, 0}, 10}));
  CHECK_FALSE(backend::CpuSlice<float, 16>::by_rows<lenet>);
  CHECK_FALSE(backend::Cpu<float, backend::Convolving::direct>::Slice<99999>::by_rows<first>);
}

TEST_CASE("rounding by tiles is near that of the direct sums") {
  // Errors may be so many times the direct sums'; those of samples in lanes round least of all in dweight.
  const auto check = [](const Errors& tiled, const Errors& direct, double times, double dweight) {
    MESSAGE("y ", tiled.y, " direct ", direct.y, "; dx ", tiled.dx, " ", direct.dx, "; dweight ", tiled.dweight, " ",
            direct.dweight);
    CHECK(tiled.y < times * direct.y);
    CHECK(tiled.dx < times * direct.dx);
    CHECK(tiled.dweight < dweight);
    // They are not the same kernel.
    CHECK(tiled.y != direct.y);
  };
  using Direct = backend::Cpu<float, backend::Convolving::direct>;
  using Tiles = With<TiledSlice<float, backend::lanes<float>>>;
  check(errors<Tiles, enlarge>(), errors<Direct, enlarge>(), 4, 3e-6);
  check(errors<Tiles, lenet>(), errors<Direct, lenet>(), 10, 1e-5);
  check(errors<With<RowsSlice<float, backend::lanes<float>>>, first>(), errors<Direct, first>(), 4, 3e-6);
}
