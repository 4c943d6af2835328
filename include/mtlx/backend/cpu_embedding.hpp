// SPDX-License-Identifier: MIT
// Rows of a table, picked by ids: a gather, and its adjoint, a scatter. Lanes can't share these loads and stores, so
// that both go sample by sample; the samples lie together in x, y and dy.
#pragma once

#include <mtlx/backend/pack.hpp>
#include <mtlx/core/index.hpp>

#include <cstddef>
#include <limits>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// y[d][place] = weight[x[place]][d]; NaN where x[place] is no id.
template <class T, int Width, int Ids, int Dimensions, int Places>
[[gnu::noinline]] void embedding_forward(const T* weight, const T* x, T* y) {
  static constexpr T nothing = std::numeric_limits<T>::quiet_NaN();
  for (int place = 0; place < Places; ++place) {
    // Where there is no row, one number stands for all of it.
    const T* row[Width];
    std::size_t step[Width];
    for (int s = 0; s < Width; ++s) {
      const int id = index_of(x[place * Width + s], Ids);
      row[s] = id < 0 ? &nothing : weight + static_cast<std::size_t>(id) * Dimensions;
      step[s] = id < 0 ? 0 : 1;
    }
    for (std::size_t d = 0; d < Dimensions; ++d) {
      T* to = y + (d * Places + static_cast<std::size_t>(place)) * Width;
      for (int s = 0; s < Width; ++s) to[s] = row[s][d * step[s]];
    }
  }
}

/// dweight[x[place]][d] += dy[d][place], sample after sample; nothing where x[place] is no id.
template <class T, int Width, int Ids, int Dimensions, int Places>
[[gnu::noinline]] void embedding_backward(const T* x, const T* dy, T* dweight) {
  for (int place = 0; place < Places; ++place) {
    T* row[Width];
    int sample[Width];
    int count = 0;
    for (int s = 0; s < Width; ++s) {
      const int id = index_of(x[place * Width + s], Ids);
      if (id < 0) continue;
      row[count] = dweight + static_cast<std::size_t>(id) * Dimensions;
      sample[count++] = s;
    }
    for (std::size_t d = 0; d < Dimensions; ++d) {
      const T* from = dy + (d * Places + static_cast<std::size_t>(place)) * Width;
      for (int i = 0; i < count; ++i) row[i][d] += from[sample[i]];
    }
  }
}

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
