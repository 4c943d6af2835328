// SPDX-License-Identifier: MIT
// How code for one sample sees a slice: a lane stands for one sample, or for as many as the backend's number type
// holds. Layers, losses and a user's own functions are written once over these accessors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/random.hpp>

namespace mtlx::backend {

/// Names the random numbers of one training step: the same key, path, unit and sample give the same number on every
/// backend and for any number of threads.
struct Draws {
  std::array<std::uint32_t, 2> key{};
  std::uint32_t step = 0;
  std::uint32_t path = 0;   ///< the layer's place in the network
  std::uint32_t first = 0;  ///< position in the batch of the slice's first sample

  /// The draws of the `index`-th part of a compound layer.
  constexpr Draws child(std::size_t index) const {
    Draws inner = *this;
    // 67 is more than the parts of any compound here: paths of different layers differ (to five levels).
    inner.path = path * 67 + static_cast<std::uint32_t>(index) + 1;
    return inner;
  }
  /// Four random words for a block of four units of one sample.
  constexpr std::array<std::uint32_t, 4> words(std::uint32_t sample, std::uint32_t block) const {
    return philox({first + sample, block, step, path}, key);
  }
};

/// A place that can be read, set and added to, in the backend's number type.
template <class S>
struct Place {
  using Number = typename S::Number;
  typename S::Scalar* at;

  operator Number() const { return S::read(at); }  // NOLINT: a place stands for its number
  const Place& operator=(Number number) const { return S::write(at, number), *this; }
  const Place& operator=(const Place& other) const { return *this = Number(other); }
  const Place& operator+=(Number number) const { return *this = S::read(at) + number; }
};

/// Features of one lane, to be written.
template <class S>
struct LaneView {
  typename S::Scalar* base;
  Place<S> operator[](std::size_t feature) const { return {base + feature * S::width}; }
};

/// Features of one lane, to be read.
template <class S>
struct ConstLaneView {
  const typename S::Scalar* base;
  typename S::Number operator[](std::size_t feature) const { return S::read(base + feature * S::width); }
};

/// Parameters, the same for every sample.
template <class S>
struct ParameterView {
  const typename S::Scalar* base;
  typename S::Number operator[](std::size_t i) const { return typename S::Number(base[i]); }
};

/// Gradients of parameters: `view[i] += g` adds g summed over the lane's samples.
template <class S>
struct GradientView {
  struct Sum {
    typename S::Scalar* at;
    void operator+=(typename S::Number number) const { S::accumulate(at, number); }
  };
  typename S::Scalar* base;
  Sum operator[](std::size_t i) const { return {base + i}; }
};

/// Takes what is written to it nowhere: the gradient of an input that nobody asked for.
template <class S>
struct Nowhere {
  struct Sink {
    void operator=(typename S::Number) const {}
    void operator+=(typename S::Number) const {}
  };
  Sink operator[](std::size_t) const { return {}; }
};

}  // namespace mtlx::backend
