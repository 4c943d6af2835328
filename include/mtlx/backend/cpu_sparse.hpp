// SPDX-License-Identifier: MIT
// Layers whose sizes and weights only a run knows: what is left of a network under a mask. Every one of them is
//   y[o][j] = bias[o] + sum_k weight[o][k] x[from[k] + j]
// over runs of neighbouring numbers j: the samples of a feature (Dense), those of the pixels of a row (Conv2d), or, for one
// sample, all pixels of a padded plane read as one row. Weights are full, or compressed rows: the weights that are not 0,
// output after output, each with how many places it reads after the one before it.
#pragma once

#include <mtlx/backend/cpu_dense.hpp>
#include <mtlx/backend/pack.hpp>
#include <mtlx/core/geometry.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// Numbers in packs: `packs` of them, of x `step` apart, of y `y_step`. A place counts 2^shift numbers.
struct Runs {
  std::size_t packs = 0;
  std::size_t step = 0, y_step = 0;
  int shift = 0;
};

/// A compressed row. The first place is `skip[0]`, each of the others so many after the one before.
template <class T>
struct SparseRow {
  const std::uint16_t* skip;
  const T* weight;
  std::size_t count;
  T bias;
};

/// One output of compressed rows, over a run.
template <class T>
class SparseRuns {
 public:
  [[gnu::noinline]] static void run(const Runs& runs, const SparseRow<T>& row, const T* x, T* y) {
    // Constant steps are part of the addresses.
    if (runs.step == lane && runs.y_step == lane)
      all<true>(runs, row, x, y);
    else
      all<false>(runs, row, x, y);
  }

 private:
  static constexpr std::size_t lane = lanes<T>;

  template <bool near>
  static void all(const Runs& runs, const SparseRow<T>& row, const T* x, T* y) {
    const std::size_t step = near ? lane : runs.step, y_step = near ? lane : runs.y_step;
    std::size_t p = 0;
    for (; p + 8 <= runs.packs; p += 8) tile<8>(runs.shift, row, x + p * step, step, y + p * y_step, y_step);
    for (; p + 4 <= runs.packs; p += 4) tile<4>(runs.shift, row, x + p * step, step, y + p * y_step, y_step);
    for (; p < runs.packs; ++p) tile<1>(runs.shift, row, x + p * step, step, y + p * y_step, y_step);
  }

  // Eight sums are under way, of one weight after the other or of several at a time.
  template <std::size_t Packs>
  [[gnu::always_inline]] static void tile(int shift, const SparseRow<T>& row, const T* x, std::size_t step, T* y,
                                          std::size_t y_step) {
    constexpr std::size_t chains = 8 / Packs;
    Pack<T> sums[chains][Packs];
#pragma GCC unroll 8
    for (std::size_t c = 0; c < chains; ++c)
#pragma GCC unroll 8
      for (std::size_t p = 0; p < Packs; ++p) sums[c][p] = Pack<T>(c == 0 ? row.bias : T(0));
    const std::size_t even = row.count / chains * chains;
    for (std::size_t k = 0; k < even; k += chains)
#pragma GCC unroll 8
      for (std::size_t c = 0; c < chains; ++c) x = add(shift, row, k + c, x, step, sums[c]);
    for (std::size_t k = even; k < row.count; ++k) x = add(shift, row, k, x, step, sums[0]);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < Packs; ++p) {
      Pack<T> total = sums[0][p];
#pragma GCC unroll 8
      for (std::size_t c = 1; c < chains; ++c) total += sums[c][p];
      total.store(y + p * y_step);
    }
  }

  // Returns where it has read.
  template <std::size_t Packs>
  [[gnu::always_inline]] static const T* add(int shift, const SparseRow<T>& row, std::size_t k, const T* x,
                                             std::size_t step, Pack<T> (&sums)[Packs]) {
    x += static_cast<std::size_t>(row.skip[k]) << shift;
    const Pack<T> factor(row.weight[k]);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < Packs; ++p) sums[p] = fused(Pack<T>::load(x + p * step), factor, sums[p]);
    return x;
  }
};

/// Several outputs of full weights, over a run. All read the same places; weight k of output o is at
/// weight[k * next + o * output].
template <class T>
struct FullWeights {
  const std::uint32_t* from;  ///< null: one place after the other
  const T* weight;
  std::size_t count;  ///< a row
  std::size_t next, output;
  const T* bias;
};

template <class T>
class FullRuns {
 public:
  /// y of output o begins at y + o * plane.
  [[gnu::noinline]] static void run(const Runs& runs, const FullWeights<T>& rows, std::size_t outputs, const T* x, T* y,
                                    std::size_t plane) {
    FullWeights<T> some = rows;
    std::size_t o = 0;
    const auto go = [&]<std::size_t Outputs>() {
      std::size_t p = 0;
      for (; p + most <= runs.packs; p += most)
        tile<Outputs, most>(runs, some, x + p * runs.step, y + p * runs.y_step, plane);
      for (; p < runs.packs; ++p) tile<Outputs, 1>(runs, some, x + p * runs.step, y + p * runs.y_step, plane);
      o += Outputs, y += Outputs * plane, some.weight += Outputs * rows.output, some.bias += Outputs;
    };
    while (o + 4 <= outputs) go.template operator()<4>();
    while (o < outputs) go.template operator()<1>();
  }

 private:
  static constexpr std::size_t most = register_count == 32 ? 4 : 2;

  template <std::size_t Outputs, std::size_t Packs>
  [[gnu::always_inline]] static void tile(const Runs& runs, const FullWeights<T>& rows, const T* x, T* y,
                                          std::size_t plane) {
    const std::size_t step = runs.step, next = rows.next, output = rows.output;
    const int shift = runs.shift;
    Pack<T> sums[Outputs][Packs];
#pragma GCC unroll 4
    for (std::size_t o = 0; o < Outputs; ++o)
#pragma GCC unroll 4
      for (std::size_t p = 0; p < Packs; ++p) sums[o][p] = Pack<T>(rows.bias[o]);
    const T* weight = rows.weight;
    for (std::size_t k = 0; k < rows.count; ++k, weight += next) {
      const T* from = x + ((rows.from != nullptr ? std::size_t{rows.from[k]} : k) << shift);
      Pack<T> numbers[Packs];
#pragma GCC unroll 4
      for (std::size_t p = 0; p < Packs; ++p) numbers[p] = Pack<T>::load(from + p * step);
#pragma GCC unroll 4
      for (std::size_t o = 0; o < Outputs; ++o) {
        const Pack<T> factor(weight[o * output]);
#pragma GCC unroll 4
        for (std::size_t p = 0; p < Packs; ++p) sums[o][p] = fused(numbers[p], factor, sums[o][p]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t o = 0; o < Outputs; ++o)
#pragma GCC unroll 4
      for (std::size_t p = 0; p < Packs; ++p) sums[o][p].store(y + o * plane + p * runs.y_step);
  }
};

/// Compressed rows on one sample, no numbers of which are neighbours: row o goes from starts[o] to starts[o + 1].
template <class T>
[[gnu::noinline]] void sparse_product(std::size_t rows, const std::uint32_t* starts, const std::uint16_t* skip,
                                      const T* weight, const T* bias, const T* x, T* y) {
  for (std::size_t o = 0; o < rows; ++o) {
    const T* at = x;
    T even = bias[o], odd = T(0);
    std::size_t k = starts[o];
    const std::size_t end = starts[o + 1];
    for (; k + 2 <= end; k += 2) {
      at += skip[k];
      even += weight[k] * *at;
      at += skip[k + 1];
      odd += weight[k + 1] * *at;
    }
    if (k < end) even += weight[k] * at[skip[k]];
    y[o] = even + odd;
  }
}

/// Each channel of an image of `width` numbers a pixel with zeros around it.
template <class T>
[[gnu::noinline]] void pad(Shape in, int padding, int width, const T* x, T* to) {
  const auto line = static_cast<std::size_t>(in.width * width), edge = static_cast<std::size_t>(padding * width);
  const std::size_t margin = static_cast<std::size_t>(padding) * (line + 2 * edge);
  for (int i = 0; i < in.channels; ++i) {
    to = std::fill_n(to, margin, T(0));
    for (int r = 0; r < in.height; ++r, x += line) {
      to = std::fill_n(to, edge, T(0));
      to = std::copy_n(x, line, to);
      to = std::fill_n(to, edge, T(0));
    }
    to = std::fill_n(to, margin, T(0));
  }
}

/// What a pooling makes of a window's numbers: the largest (NaN if there is one), their mean, where the padding counts as
/// zeros, or the mean of the whole channel.
enum class Pooled { largest, mean, channel_mean };

/// A pixel is a Number: a pack of the samples, `width` of them, or one sample's.
template <class T, class Number>
[[gnu::noinline]] void pool(const Pooling& pooling, Pooled how, int width, const T* x, T* y) {
  const auto [kernel, stride, padding] = pooling.window;
  const bool whole = how == Pooled::channel_mean;
  const Shape in = pooling.in, out = whole ? Shape{in.channels, 1, 1} : pooling.out();
  const auto read = [](const T* at) {
    if constexpr (std::is_same_v<Number, T>)
      return *at;
    else
      return Number::load(at);
  };
  const auto write = [](Number number, T* at) {
    if constexpr (std::is_same_v<Number, T>)
      *at = number;
    else
      number.store(at);
  };
  constexpr int size = sizeof(Number) / sizeof(T);
  const Number share(static_cast<T>(1.0 / (whole ? in.height * in.width : kernel * kernel)));
  for (int i = 0; i < in.channels; ++i)
    for (int r = 0; r < out.height; ++r) {
      const int top = std::max(r * stride - padding, 0);
      const int bottom = whole ? in.height : std::min(r * stride - padding + kernel, in.height);
      for (int c = 0; c < out.width; ++c) {
        const int left = std::max(c * stride - padding, 0);
        const int right = whole ? in.width : std::min(c * stride - padding + kernel, in.width);
        for (int p = 0; p < width; p += size) {
          const auto at = [&](int h, int w) {
            return read(x + in.at(i, h, w) * static_cast<std::size_t>(width) + static_cast<std::size_t>(p));
          };
          T* to = y + out.at(i, r, c) * static_cast<std::size_t>(width) + static_cast<std::size_t>(p);
          if (how != Pooled::largest) {
            Number total(T(0));
            for (int h = top; h < bottom; ++h)
              for (int w = left; w < right; ++w) total += at(h, w);
            write(total * share, to);
          } else {
            Number best = at(top, left);
            for (int h = top; h < bottom; ++h)
              for (int w = left; w < right; ++w) {
                const Number number = at(h, w);
                if constexpr (std::is_same_v<Number, T>)
                  best = number > best || number != number ? number : best;
                else
                  best = select((number > best) | (number != number), number, best);
              }
            write(best, to);
          }
        }
      }
    }
}

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
