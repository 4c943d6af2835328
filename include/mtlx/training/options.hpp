// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <mtlx/data/data_set.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/sampler.hpp>
#include <vector>

namespace mtlx::training {

/// Hyper-parameters of a model's policies, and the seed of everything random.
template <class Balancing, class Optimizing, class Grouping, class BackendOptions>
struct ModelOptions {
  Balancing balancer{};
  Optimizing optimizer{};
  Grouping grouping{};
  BackendOptions backend{};
  std::uint64_t seed = 0;
};

/// How to train.
template <class Scalar>
struct FitOptions {
  std::size_t epochs = 1;
  std::size_t batch_size = 64;                ///< samples a step, from each stream that takes part
  const data::DataSet* validation = nullptr;  ///< evaluated after every epoch
  Sampling sampling = Sampling::together;     ///< where tasks have inputs of their own
  bool shuffle = true;
  std::vector<Observer*> observers{};    ///< look on; not owned
  std::vector<Probe<Scalar>*> probes{};  ///< ask for losses elsewhere; not owned
};

}  // namespace mtlx::training
