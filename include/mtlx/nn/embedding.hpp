// SPDX-License-Identifier: MIT
// y[d][place] = W[x[place]][d];  dW[x[place]][d] += dy[d][place],  dx = 0.
//
// The gradient is dense: it has a row for every id, whatever rows a batch reads. Each slot of a batch that has a gradient
// of its own holds a whole table, and a step zeroes, sums and updates all of it; with Adam a row that isn't read moves on
// by its momentum, as PyTorch's does with sparse=False.
#pragma once

#include <mtlx/nn/layer.hpp>

namespace mtlx::nn {

/// A row of a table for each id. Ids are whole numbers from 0 to Vocabulary - 1, held as floats.
/// x : (places, batch) -> y : (Dimensions, 1, places, batch), or
/// x : (1, height, width, batch) -> y : (Dimensions, height, width, batch). weight : (Vocabulary, Dimensions).
///
/// So a place is a pixel with `Dimensions` channels, whose neighbours lie beside it: `Conv2d<Filters, 3, 1, 1>` is a
/// convolution along a text (of its kernel only the middle row meets numbers), a pooling over all pixels is a bag of
/// words, `Dense` takes all places at once. A single id gives a plain vector.
///
/// What is no id (-1, 0.5, Vocabulary, NaN) gives NaN, so that the loss stops training; it has no row and no gradient.
/// The gradient of x is 0.
template <int Vocabulary, int Dimensions, Initialiser Weight = normal<1>>
struct Embedding {
  static constexpr std::string_view name = "Embedding";

  static constexpr Shape output(Shape in) {
    if (in.channels == 1) return {Dimensions, in.height, in.width};
    return {Dimensions, 1, in.channels};
  }

  /// One row is read for an id, so that the fan-in is 1.
  static constexpr std::array<Parameter, 1> parameters(Shape) {
    return {Parameter{"weight", {Vocabulary, Dimensions}, Role::embedding, 1, Dimensions, Weight}};
  }

  template <Shape In>
  static consteval bool check() {
    constexpr bool sound = Vocabulary > 0 && Vocabulary <= 1 << 24 && Dimensions > 0;
    static_assert(sound, "mtlx: Embedding needs 1 to 16777216 ids (float has no more whole numbers) and a dimension");
    constexpr bool fits = In.channels == 1 || In.height * In.width == 1;
    static_assert(!sound || fits, "mtlx: Embedding takes a row of ids or one image of ids, not several channels");
    return sound && fits;
  }

  template <Shape In, class Pass>
  static void forward(const Pass& pass) {
    constexpr int places = static_cast<int>(In.size());
    Pass::Slice::template embedding_forward<Vocabulary, Dimensions, places>(pass.parameters, pass.x, pass.y);
  }

  template <Shape In, bool NeedInput, class Pass>
  static void backward(const Pass& pass) {
    constexpr int places = static_cast<int>(In.size());
    Pass::Slice::template embedding_backward<Vocabulary, Dimensions, places>(pass.x, pass.dy, pass.dparameters);
    if constexpr (NeedInput) Pass::Slice::fill(pass.dx, In.size(), typename Pass::Slice::Scalar{});
  }
};

}  // namespace mtlx::nn
