// SPDX-License-Identifier: MIT
// Models that use everything that a checkpoint must keep, and ways to interrupt their training.
#pragma once

#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/nn/dropout.hpp>
#include <mtlx/training/multi_task.hpp>

#include <string>
#include <vector>

#include <unistd.h>

#include "data/temporary.hpp"
#include "small.hpp"

namespace interrupted {

using namespace mtlx;
using training::Sampling;

/// A balancer that remembers its steps, and draws.
struct Drifting {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::losses;
  struct State {
    double drift = 0;
    std::uint64_t steps = 0;
  };
  void weights(const balancing::Problem& problem, State& state, std::span<double> w) const {
    ++state.steps;
    state.drift = 0.9 * state.drift + problem.losses[0];
    Random random = problem.random;
    for (double& weight : w) weight = 0.5 + random.uniform() + 1 / (1 + state.drift + static_cast<double>(state.steps));
  }
  void observe(const balancing::Problem& problem, State& state) const { state.drift += 0.1 * problem.losses.back(); }
};

/// Momentum whose rate depends on the time and on the epochs' losses.
struct Slowing {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;
  struct State {
    double rate = 0.1;
    double lowest = 1e9;
  };
  auto rule(const optim::Now& now, const State& state) const {
    const double rate = state.rate / (1 + 0.1 * now.epoch) / (1 + 1 / static_cast<double>(now.step));
    return [rate](auto& p, auto gradient, auto& row) {
      using Number = decltype(gradient);
      row[0] = Number(0.8) * row[0] + gradient;
      p -= Number(rate) * row[0];
    };
  }
  void observe(State& state, double loss) const {
    state.rate *= loss < state.lowest ? 0.95 : 0.5;
    if (loss < state.lowest) state.lowest = loss;
  }
};

/// One network, or two that overlap.
struct Groups {
  static constexpr auto kind = Kind::grouping;
  bool apart = false;
  std::vector<grouping::Group> plan(std::size_t tasks) const {
    const TaskSet all = TaskSet::first(tasks), last = TaskSet::only(2);
    if (!apart) return {{all, all}};
    return {{TaskSet::first(2), TaskSet::first(2)}, {TaskSet::only(1) | last, last}};
  }
};

using Trunk = nn::Sequential<nn::Dense<5>, nn::Dropout<30>, nn::Tanh>;
template <class Balancing>
using Model = MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, Balancing, Slowing, Groups>;
using Surgery = Model<balancing::PcGrad>;
using Drift = Model<Drifting>;

template <class M>
M make(bool apart = false, int threads = 1, std::uint64_t seed = 3) {
  return M{{.grouping = {.apart = apart}, .backend = {.threads = threads}, .seed = seed}};
}

/// A temporary directory in memory where there is such a thing: hundreds of checkpoints, each waited for to be on the
/// disk, would be all that these tests do.
struct Folder : Temporary {
  Folder() : Temporary(memory()) {}
  static std::filesystem::path memory() {
    return access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
  }
};

/// The whole state of a model.
template <class M>
std::string bytes_of(const M& model) {
  const Folder folder;
  model.save(folder.path() + "/model");
  return read_file(folder.path() + "/model");
}

/// What a crash is to a model: nothing after it happens.
struct Crash {};

/// Crashes behind a step (counting from 0 over all epochs and networks), or behind an epoch as observers hear of it.
struct Crasher : training::Observer {
  std::size_t step = static_cast<std::size_t>(-1), epoch = static_cast<std::size_t>(-1);
  std::size_t steps = 0, epochs = 0;
  void on_step(const training::Step&) override {
    if (steps++ == step) throw Crash{};
  }
  void on_epoch(const training::Epoch&) override {
    if (epochs++ == epoch) throw Crash{};
  }
};

/// Adds noise.
inline constexpr auto noise = [](std::span<float> sample, const Shape&, Random& random) {
  for (float& x : sample) x += static_cast<float>(0.1 * random.normal());
};

}  // namespace interrupted
