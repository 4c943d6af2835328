// SPDX-License-Identifier: MIT
// Policies of your own: a balancer, an optimizer and a grouping rule. Each is an aggregate of hyper-parameters with a
// `kind`; the model takes it as it takes the library's.
#include <array>
#include <cmath>
#include <cstdio>
#include <mtlx/mtlx.hpp>
#include <mtlx/testing/balancer_laws.hpp>
#include <vector>

using namespace mtlx;

/// Every task counts the same, whatever its loss's unit: w_t = 1 / (running mean of the task's loss).
struct InverseLoss {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::losses;
  struct State {
    std::array<double, TaskSet::capacity> mean{};
  };

  double decay = 0.9;

  void weights(const balancing::Problem& problem, State& state, std::span<double> w) const {
    for (std::size_t i = 0; i < w.size(); ++i) {
      double& mean = state.mean[problem.task(i)];
      mean = mean == 0 ? problem.losses[i] : decay * mean + (1 - decay) * problem.losses[i];
      w[i] = 1 / mean;
    }
  }
};

/// Lion: p -= rate sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g.
/// Reference: Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2.
struct Lion {
  static constexpr auto kind = Kind::optimizer;
  static constexpr std::size_t states = 1;

  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;

  auto rule(const optim::Now&) const {
    return [*this](auto& p, auto gradient, auto& state) {
      using Number = decltype(gradient);
      const Number zero(0), rate(learning_rate);
      const Number c = Number(beta1) * state[0] + Number(1 - beta1) * gradient;
      p -= select(c > zero, rate, select(c < zero, -rate, zero));
      state[0] = Number(beta2) * state[0] + Number(1 - beta2) * gradient;
    };
  }
};

/// The first `apart` tasks each have a network of their own, the others share one.
struct FirstApart {
  static constexpr auto kind = Kind::grouping;

  std::size_t apart = 1;

  std::vector<grouping::Group> plan(std::size_t tasks) const {
    std::vector<grouping::Group> groups;
    TaskSet rest;
    for (std::size_t t = 0; t < tasks; ++t)
      if (t < apart)
        groups.push_back({TaskSet::only(t), TaskSet::only(t)});
      else
        rest = rest.with(t);
    if (!rest.empty()) groups.push_back({rest, rest});
    return groups;
  }
};

using Model = MultiTask<Input<2>, Tasks<Regression<"sum", 1>, Regression<"product", 1>, Regression<"distance", 1>>,
                        sharing::Hard<nn::Sequential<nn::Dense<32>, nn::Tanh, nn::Dense<32>, nn::Tanh>>, InverseLoss,
                        Lion, FirstApart>;

int main() try {
  const testing::Report laws = testing::check_balancer(InverseLoss{});
  if (!laws.ok()) return std::fputs(laws.text().c_str(), stderr), 1;
  Random random(1, Purpose::user);
  std::vector<float> x(4000), sum(2000), product(2000), distance(2000);
  for (std::size_t i = 0; i < 2000; ++i) {
    const auto a = static_cast<float>(random.normal()), b = static_cast<float>(random.normal());
    x[2 * i] = a, x[2 * i + 1] = b;
    sum[i] = a + b, product[i] = 10 * a * b, distance[i] = std::sqrt(a * a + b * b);
  }
  const auto column = [](const std::vector<float>& y) { return data::Targets::values(1, y); };
  const data::DataSet data(data::Inputs({2}, x),
                           {{"sum", column(sum)}, {"product", column(product)}, {"distance", column(distance)}});
  Model model{{.balancer = {.decay = 0.95}, .optimizer = {.learning_rate = 2e-3}, .grouping = {.apart = 1}}};
  model.fit(data, {.epochs = 60});
  const auto scores = model.evaluate(data);
  std::printf("%zu networks; errors: sum %.3f, product %.3f, distance %.3f\n", model.plan().size(),
              scores.get<"sum">().rmse, scores.get<"product">().rmse, scores.get<"distance">().rmse);
  return scores.get<"product">().rmse < 5 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
