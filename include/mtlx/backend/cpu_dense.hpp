// SPDX-License-Identifier: MIT
// Dense products on a slice of `Width` samples, sample in lane: a feature's numbers for all samples lie together.
// Tiles of results stay in registers; weights come as scalars, spread to all lanes by the multiply-add itself.
#pragma once

#include <mtlx/backend/pack.hpp>

#include <algorithm>
#include <cstddef>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// Registers that may hold sums; the rest hold operands.
inline constexpr int accumulators = register_count == 32 ? 24 : 12;

/// y[n] = start[n] + sum_k x[k] weight[k * InStride + n * OutStride], for `Out` values of n; `start` may be null.
template <class T, int Width, int In, int Out, int InStride, int OutStride>
struct DenseProduct {
  static constexpr int packs = Width / lanes<T>;
  static constexpr int pack_tile = packs % 4 == 0 ? 4 : packs % 2 == 0 ? 2 : 1;
  // 16 results a tile hide the latency of the multiply-add; the largest divisor from 8 up spares a remainder kernel.
  static constexpr int out_tile = [] {
    const int most = std::min({Out, accumulators / pack_tile, 16});
    for (int tile = most; tile >= std::min(most, 5); --tile)
      if (Out % tile == 0) return tile;
    return most;
  }();

  template <int Tile>
  [[gnu::always_inline]] static void tile(const T* x, const T* weight, const T* start, T* y) {
    Pack<T> sums[Tile][pack_tile];
#pragma GCC unroll 16
    for (int n = 0; n < Tile; ++n)
#pragma GCC unroll 4
      for (int p = 0; p < pack_tile; ++p) sums[n][p] = Pack<T>(start != nullptr ? start[n] : T(0));
    // Without it g++ moves a short product's sums between registers in every round.
#pragma GCC unroll 4
    for (int k = 0; k < In; ++k) {
      Pack<T> numbers[pack_tile];
#pragma GCC unroll 4
      for (int p = 0; p < pack_tile; ++p) numbers[p] = Pack<T>::load(x + k * Width + p * lanes<T>);
#pragma GCC unroll 16
      for (int n = 0; n < Tile; ++n) {
        const Pack<T> w(weight[k * InStride + n * OutStride]);
#pragma GCC unroll 4
        for (int p = 0; p < pack_tile; ++p) sums[n][p] = fused(numbers[p], w, sums[n][p]);
      }
    }
#pragma GCC unroll 16
    for (int n = 0; n < Tile; ++n)
#pragma GCC unroll 4
      for (int p = 0; p < pack_tile; ++p) sums[n][p].store(y + n * Width + p * lanes<T>);
  }

  [[gnu::noinline]] static void run(const T* x, const T* weight, const T* start, T* y) {
    constexpr int even = Out / out_tile * out_tile;
    for (int p = 0; p < packs; p += pack_tile) {
      for (int n = 0; n < even; n += out_tile)
        tile<out_tile>(x, weight + n * OutStride, start != nullptr ? start + n : start, y + n * Width);
      if constexpr (even < Out)
        tile<Out - even>(x, weight + even * OutStride, start != nullptr ? start + even : start, y + even * Width);
      x += pack_tile * lanes<T>;
      y += pack_tile * lanes<T>;
    }
  }
};

/// The same as below for few outputs, whose lanes would be mostly empty: samples take the lanes, and as many weights as a
/// register has are summed over their lanes together.
template <class T, int Width, int In, int Out>
struct NarrowWeightGradient {
  static constexpr int packs = Width / lanes<T>;

  // The `Count` weights from k * Out + n = first on.
  template <int Count>
  [[gnu::always_inline]] static void tile(const T* x, const T* dy, T* dweight, int first) {
    Pack<T> sums[lanes<T>];
#pragma GCC unroll 16
    for (int i = 0; i < lanes<T>; ++i) sums[i] = Pack<T>(T(0));
    for (int p = 0; p < packs; ++p) {
#pragma GCC unroll 16
      for (int i = 0; i < Count; ++i)
        sums[i] = fused(Pack<T>::load(x + (first + i) / Out * Width + p * lanes<T>),
                        Pack<T>::load(dy + (first + i) % Out * Width + p * lanes<T>), sums[i]);
    }
    const Pack<T> total = Pack<T>::sums(sums);
    if constexpr (Count == lanes<T>) {
      (Pack<T>::load(dweight + first) + total).store(dweight + first);
    } else {
      T part[lanes<T>];
      total.store(part);
      for (int i = 0; i < Count; ++i) dweight[first + i] += part[i];
    }
  }

  [[gnu::noinline]] static void run(const T* x, const T* dy, T* dweight) {
    constexpr int even = In * Out / lanes<T> * lanes<T>;
    for (int first = 0; first < even; first += lanes<T>) tile<lanes<T>>(x, dy, dweight, first);
    if constexpr (even < In * Out) tile<In * Out - even>(x, dy, dweight, even);
  }
};

/// dweight[k * Out + n] += sum_s x[k][s] dy[n][s]. Lanes of samples would need a sum over lanes for each weight, so the
/// product is turned: dy is transposed, outputs take the lanes, and x is read as scalars from where it lies.
template <class T, int Width, int In, int Out>
struct DenseWeightGradient {
  static constexpr int out_packs = std::min(4, (Out + lanes<T> - 1) / lanes<T>);
  static constexpr int chunk = out_packs * lanes<T>;
  static constexpr int in_tile =
      std::min(In, std::max(1, accumulators / out_packs >= 8 ? 8 : accumulators / out_packs));

  template <int Tile, int Outputs>
  [[gnu::always_inline]] static void tile(const T* x, const T* turned, T* dweight) {
    constexpr int packs = (Outputs + lanes<T> - 1) / lanes<T>;
    Pack<T> sums[Tile][packs];
#pragma GCC unroll 8
    for (int k = 0; k < Tile; ++k)
#pragma GCC unroll 4
      for (int j = 0; j < packs; ++j) sums[k][j] = Pack<T>(T(0));
    for (int s = 0; s < Width; ++s) {
      Pack<T> row[packs];
#pragma GCC unroll 4
      for (int j = 0; j < packs; ++j) row[j] = Pack<T>::load(turned + s * chunk + j * lanes<T>);
#pragma GCC unroll 8
      for (int k = 0; k < Tile; ++k) {
        const Pack<T> number(x[k * Width + s]);
#pragma GCC unroll 4
        for (int j = 0; j < packs; ++j) sums[k][j] = fused(row[j], number, sums[k][j]);
      }
    }
#pragma GCC unroll 8
    for (int k = 0; k < Tile; ++k)
#pragma GCC unroll 4
      for (int j = 0; j < packs; ++j) {
        T* to = dweight + k * Out + j * lanes<T>;
        constexpr int tail = Outputs % lanes<T>;
        if (tail == 0 || j < Outputs / lanes<T>) {
          (Pack<T>::load(to) + sums[k][j]).store(to);
        } else {
          T part[lanes<T>];
          sums[k][j].store(part);
          for (int i = 0; i < tail; ++i) to[i] += part[i];
        }
      }
  }

  // `Outputs` columns of the gradient, at most a chunk.
  template <int Outputs>
  [[gnu::noinline]] static void columns(const T* x, const T* dy, T* dweight) {
    constexpr int packs = (Outputs + lanes<T> - 1) / lanes<T>;
    alignas(register_bytes) T turned[Width * chunk];
    for (int n = 0; n < packs * lanes<T>; n += lanes<T>)
      for (int s = 0; s < Width; s += lanes<T>) {
        Pack<T> block[lanes<T>];
#pragma GCC unroll 16
        for (int i = 0; i < lanes<T>; ++i)
          block[i] = n + i < Outputs ? Pack<T>::load(dy + (n + i) * Width + s) : Pack<T>(T(0));
        Pack<T>::transpose(block);
#pragma GCC unroll 16
        for (int i = 0; i < lanes<T>; ++i) block[i].store(turned + (s + i) * chunk + n);
      }
    constexpr int even = In / in_tile * in_tile;
    for (int k = 0; k < even; k += in_tile) tile<in_tile, Outputs>(x + k * Width, turned, dweight + k * Out);
    if constexpr (even < In) tile<In - even, Outputs>(x + even * Width, turned, dweight + even * Out);
  }

  static void run(const T* x, const T* dy, T* dweight) {
    if constexpr (Out <= lanes<T> / 4) return NarrowWeightGradient<T, Width, In, Out>::run(x, dy, dweight);
    constexpr int even = Out / chunk * chunk;
    if constexpr (even > 0)  // or it would be compiled in vain
      for (int n = 0; n < even; n += chunk) columns<chunk>(x, dy + n * Width, dweight + n);
    if constexpr (even < Out) columns<Out - even>(x, dy + even * Width, dweight + even);
  }
};

/// to[f] += the sum over the samples and places of from[f], for `Features` features of `Places` numbers a sample.
template <class T, int Width, int Features, int Places = 1>
[[gnu::noinline]] void add_sums(const T* from, T* to) {
  for (int f = 0; f < Features; ++f, from += Places * Width) {
    Pack<T> total = Pack<T>::load(from);
    for (int p = lanes<T>; p < Places * Width; p += lanes<T>) total += Pack<T>::load(from + p);
    to[f] += sum(total);
  }
}

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
