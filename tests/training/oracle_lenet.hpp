// SPDX-License-Identifier: MIT
// What the comparison with PyTorch trains, said once for the test and for the program that writes it down for Python
// (scripts/oracle/dump.cpp): a LeNet with two heads on real Multi-Fashion pairs, the sum of the two losses, Adam.
// Reference for the network: Lin et al., "Pareto Multi-Task Learning", NeurIPS 2019 (the one for 36 x 36).
#pragma once

#include <cstddef>
#include <cstdint>
#include <mtlx/mtlx.hpp>

namespace oracle {

using namespace mtlx;

/// One trunk for pictures of 28 x 28, one for 36 x 36.
template <int side>
struct Trunk;
template <>
struct Trunk<28> {
  using type = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                              nn::Relu, nn::Dense<50>, nn::Relu>;
};
template <>
struct Trunk<36> {
  using type = nn::Sequential<nn::Conv2d<10, 9>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                              nn::Relu, nn::Dense<50>, nn::Relu>;
};

template <int side, class T = float>
using LeNet =
    MultiTask<Input<1, side, side>, Tasks<Classification<"left", 10>, Classification<"right", 10>>,
              sharing::Hard<typename Trunk<side>::type>, balancing::EqualWeights, optim::Adam, backend::Cpu<T>>;

/// One epoch over the pairs of the first 3,200 pictures: 100 steps.
inline constexpr std::size_t steps = 100, batch_size = 64, pictures = 3200;
inline constexpr std::uint64_t seed = 7;

template <int side>
data::MultiFashion pairs() {
  auto both = data::multi_fashion("/usr/share/datasets/fashion-mnist", {.size = side, .limit = pictures});
  data::normalise(both.train, {&both.test});
  return both;
}

/// A fresh model; in every number type it begins with the same parameters, those of float.
template <int side, class T = float>
struct Start {
  LeNet<side, T> model{{.backend = {.threads = 1}, .seed = seed}};

  Start() {
    for (T& parameter : model.parameters()) parameter = static_cast<T>(static_cast<float>(parameter));
  }
};

}  // namespace oracle
