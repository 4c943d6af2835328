// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/backend/pack.hpp>
#include <mtlx/core/geometry.hpp>

#include <algorithm>

namespace mtlx::backend {
inline namespace MTLX_ISA {

/// y[i][r][c] = the largest x in the window at (r, c), the first of equals, NaN if there is one; `winner[i][r][c]` is
/// its place in the window, row by row. The padding never wins.
template <class T, int Width, Pooling P>
[[gnu::noinline]] void max_pool_forward(const T* x, T* y, T* winner) {
  constexpr int kernel = P.window.kernel, stride = P.window.stride, padding = P.window.padding;
  constexpr Shape in = P.in, out = P.out();
  for (int i = 0; i < in.channels; ++i)
    for (int r = 0; r < out.height; ++r)
      for (int c = 0; c < out.width; ++c)
        for (int p = 0; p < Width; p += lanes<T>) {
          Pack<T> best(T(0));
          Pack<T> place(T(0));
          bool any = false;
#pragma GCC unroll 4
          for (int a = 0; a < kernel; ++a)
#pragma GCC unroll 4
            for (int b = 0; b < kernel; ++b) {
              const int h = r * stride + a - padding, w = c * stride + b - padding;
              if (padding > 0 && (h < 0 || h >= in.height || w < 0 || w >= in.width)) continue;
              const Pack<T> number = Pack<T>::load(x + ((i * in.height + h) * in.width + w) * Width + p);
              const Pack<T> here(static_cast<T>(a * kernel + b));
              if (!any) {
                best = number, place = here, any = true;
                continue;
              }
              const auto wins = (number > best) | (number != number);
              best = select(wins, number, best);
              place = select(wins, here, place);
            }
          const int at = ((i * out.height + r) * out.width + c) * Width + p;
          best.store(y + at);
          place.store(winner + at);
        }
}

/// dx = dy at the winners, zero elsewhere; where windows overlap, their parts add up.
template <class T, int Width, Pooling P>
[[gnu::noinline]] void max_pool_backward(const T* winner, const T* dy, T* dx) {
  constexpr int kernel = P.window.kernel, stride = P.window.stride, padding = P.window.padding;
  constexpr Shape in = P.in, out = P.out();
  // Windows that tile the image write each pixel once.
  constexpr bool tiled = stride == kernel && padding == 0 && in.height % kernel == 0 && in.width % kernel == 0;
  if constexpr (!tiled) std::fill_n(dx, in.size() * Width, T(0));
  for (int i = 0; i < in.channels; ++i)
    for (int r = 0; r < out.height; ++r)
      for (int c = 0; c < out.width; ++c)
        for (int p = 0; p < Width; p += lanes<T>) {
          const int at = ((i * out.height + r) * out.width + c) * Width + p;
          const Pack<T> place = Pack<T>::load(winner + at);
          const Pack<T> delta = Pack<T>::load(dy + at);
#pragma GCC unroll 4
          for (int a = 0; a < kernel; ++a)
#pragma GCC unroll 4
            for (int b = 0; b < kernel; ++b) {
              const int h = r * stride + a - padding, w = c * stride + b - padding;
              if (padding > 0 && (h < 0 || h >= in.height || w < 0 || w >= in.width)) continue;
              T* to = dx + ((i * in.height + h) * in.width + w) * Width + p;
              const Pack<T> part = select(place == Pack<T>(static_cast<T>(a * kernel + b)), delta, Pack<T>(T(0)));
              (tiled ? part : Pack<T>::load(to) + part).store(to);
            }
        }
}

}  // namespace MTLX_ISA
}  // namespace mtlx::backend
