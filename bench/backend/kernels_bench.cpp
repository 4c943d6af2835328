// SPDX-License-Identifier: MIT
// The CPU backend's dense and convolution kernels on one slice: FLOP/s and share of the machine's measured peak, counted
// as the sums read: by tiles, which take fewer operations, a convolution can be above the peak.
#include "../peak.hpp"

#include <benchmark/benchmark.h>
#include <mtlx/backend/cpu.hpp>
#include <mtlx/core/buffer.hpp>

namespace {

using namespace mtlx;

enum class Pass { forward, input, parameters };

template <int in, int out, int width, Pass pass>
void dense(benchmark::State& state) {
  using Slice = backend::CpuSlice<float, width>;
  Buffer<float> x(in * width), y(out * width), weight(in * out), bias(out), dweight(in * out), dbias(out);
  std::fill_n(x.data(), x.size(), 0.5F);
  std::fill_n(y.data(), y.size(), 0.25F);
  for (auto _ : state) {
    if constexpr (pass == Pass::forward)
      Slice::template dense_forward<in, out>(weight.data(), bias.data(), {x.data()}, {y.data()});
    else if constexpr (pass == Pass::input)
      Slice::template dense_backward_input<in, out>(weight.data(), {y.data()}, {x.data()});
    else
      Slice::template dense_backward_parameters<in, out>({x.data()}, {y.data()}, dweight.data(), dbias.data());
    benchmark::ClobberMemory();
  }
  bench::report<float>(state, 2.0 * in * out * width);
}

constexpr auto automatic = backend::Convolving::automatic, direct = backend::Convolving::direct;

template <Convolution c, backend::Convolving how, Pass pass>
void convolution(benchmark::State& state) {
  constexpr int width = 16;
  using Slice = backend::CpuSlice<float, width, how>;
  Buffer<float> x(c.in.size() * width), y(c.out().size() * width), weight(c.weights()), bias(c.filters),
      dweight(c.weights()), dbias(c.filters);
  std::fill_n(x.data(), x.size(), 0.5F);
  std::fill_n(y.data(), y.size(), 0.25F);
  for (auto _ : state) {
    if constexpr (pass == Pass::forward)
      Slice::template convolution_forward<c>(weight.data(), bias.data(), {x.data()}, {y.data()});
    else if constexpr (pass == Pass::input)
      Slice::template convolution_backward_input<c>(weight.data(), {y.data()}, {x.data()});
    else
      Slice::template convolution_backward_parameters<c>({x.data()}, {y.data()}, dweight.data(), dbias.data());
    benchmark::ClobberMemory();
  }
  bench::report<float>(state, 2.0 * static_cast<double>(c.weights()) * c.out().height * c.out().width * width);
}

constexpr Convolution lenet28_1{{1, 28, 28}, {5, 1, 0}, 10}, lenet28_2{{10, 12, 12}, {5, 1, 0}, 20},
    lenet36_1{{1, 36, 36}, {9, 1, 0}, 10}, padded{{8, 16, 16}, {3, 1, 1}, 16}, enlarge{{64, 48, 48}, {3, 1, 1}, 32},
    strided{{7, 17, 15}, {3, 2, 1}, 12};

#define MTLX_PASSES(function, ...)                   \
  BENCHMARK((function<__VA_ARGS__, Pass::forward>)); \
  BENCHMARK((function<__VA_ARGS__, Pass::input>));   \
  BENCHMARK((function<__VA_ARGS__, Pass::parameters>))

MTLX_PASSES(dense, 320, 50, 16);
MTLX_PASSES(dense, 50, 10, 16);
MTLX_PASSES(dense, 128, 128, 64);
MTLX_PASSES(dense, 37, 33, 16);
MTLX_PASSES(convolution, lenet28_1, direct);
MTLX_PASSES(convolution, lenet28_2, direct);
MTLX_PASSES(convolution, lenet28_2, automatic);
MTLX_PASSES(convolution, lenet36_1, direct);
MTLX_PASSES(convolution, padded, direct);
MTLX_PASSES(convolution, padded, automatic);
MTLX_PASSES(convolution, enlarge, direct);
MTLX_PASSES(convolution, enlarge, automatic);
MTLX_PASSES(convolution, strided, direct);

}  // namespace
