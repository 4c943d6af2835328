// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/random.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/sampler.hpp>
#include <span>
#include <string>
#include <vector>

namespace mtlx::training {

/// Hyper-parameters of a model's policies, and the seed of everything random.
template <class Balancing, class Optimizing, class Grouping, class BackendOptions, class Sharing = sharing::NoOptions>
struct ModelOptions {
  Sharing sharing{};
  Balancing balancer{};
  Optimizing optimizer{};
  Grouping grouping{};
  BackendOptions backend{};
  std::uint64_t seed = 0;
};

/// When to stop before the last epoch. Needs validation data.
struct EarlyStopping {
  std::size_t patience = 0;        ///< epochs in a row without an improvement that end the run; 0: none do
  double minimum_improvement = 0;  ///< of the monitor, to count as one; a monitor that is not finite never does
  bool restore_best = true;        ///< the model ends as it was after the best epoch, not as it was after the last
};

/// Files that keep a run from being lost, for `fit(data, options, checkpointing)`. `last.mtlx` is written at the start, after
/// every epoch and between, and `best.mtlx` whenever the monitor is better than before in this run, by at least
/// `minimum_improvement` (with validation data); `load` reads both. While a grouping rule looks for its plan by training,
/// `search.mtlx` keeps the trainings that are over, and it is removed when the plan is found. An argument of its own, so
/// that programs without files don't compile what writes them.
struct Checkpointing {
  std::string directory{};      ///< made if it alone is missing (POSIX); empty: no files
  std::size_t every_steps = 0;  ///< besides every epoch, after so many steps of it; 0: not
  /// Go on where `last.mtlx` ends, or the search in `search.mtlx`, if it is there: the same bits as without interruption. The
  /// data's content and the policies' hyper-parameters are not in the files: they must be given as before.
  bool resume = false;
};

/// A pointer to a function object that changes a training sample in place: its values after normalisation, its shape, and
/// random numbers that depend on the seed, the step and the place in the batch alone. Called by several threads at once.
template <class Scalar>
class Augmentation {
 public:
  Augmentation() = default;
  template <class Function>
    requires std::invocable<const Function&, std::span<Scalar>, const Shape&, Random&>
  Augmentation(const Function* function)  // NOLINT: a pointer to a callable is an augmentation
      : function_(function), call_([](const void* f, std::span<Scalar> sample, const Shape& shape, Random& random) {
          (*static_cast<const Function*>(f))(sample, shape, random);
        }) {}

  explicit operator bool() const { return function_ != nullptr; }
  void operator()(std::span<Scalar> sample, const Shape& shape, Random& random) const {
    call_(function_, sample, shape, random);
  }

 private:
  const void* function_ = nullptr;
  void (*call_)(const void*, std::span<Scalar>, const Shape&, Random&) = nullptr;
};

/// How to train.
template <class Scalar>
struct FitOptions {
  std::size_t epochs = 1;
  std::size_t batch_size = 64;                          ///< samples a step, from each stream that takes part
  const data::DataSet* validation = nullptr;            ///< evaluated after every epoch
  const data::Clusters* validation_clusters = nullptr;  ///< whose each validation sample is; without, each is its own
  Sampling sampling = Sampling::together;               ///< where tasks have inputs of their own
  DrawOptions drawn{};                                  ///< for Sampling::drawn
  bool shuffle = true;
  std::vector<Observer*> observers{};    ///< look on; not owned
  std::vector<Probe<Scalar>*> probes{};  ///< ask for losses elsewhere; not owned
  /// What says how good an epoch was, lower is better; without one, the mean validation loss of the network's tasks.
  double (*monitor)(const Epoch&) = nullptr;
  EarlyStopping early_stopping{};
  Augmentation<Scalar> augment{};  ///< of training samples: a pointer to a callable, not owned
};

}  // namespace mtlx::training
