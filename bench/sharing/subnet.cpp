// SPDX-License-Identifier: MIT
// Predictions of a task's subnet: of whole networks against the model's own with one task and full weights, and of a layer
// in its two forms, rows and full weights, from which the thresholds in training/pruned_network.hpp come. Half of the
// whole networks' units are dead where `dead` is 1.
#include <benchmark/benchmark.h>
#include <mtlx/mtlx.hpp>
#include <mtlx/training/subnet.hpp>

#include <vector>

namespace {

using namespace mtlx;
using training::Favour;

using LeNet28 = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<50>, nn::Relu>;
using Mlp = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Padded = nn::Sequential<nn::Conv2d<32, 3, 1, 1>, nn::Relu, nn::Conv2d<32, 3, 1, 1>, nn::Relu, nn::MaxPool2d<2>>;
using One = Tasks<Classification<"left", 10>>;

data::Inputs generated(Shape shape, std::size_t samples) {
  Random random(1, Purpose::user);
  std::vector<float> numbers(shape.size() * samples);
  for (float& number : numbers) number = static_cast<float>(random.uniform());
  return {shape, std::move(numbers)};
}

/// A share of the weights; of the units every second one if some are dead.
template <class Model>
Model masked(double density, bool dead) {
  Model model{{.backend = {.threads = 1}}};
  Random random(2, Purpose::user);
  const std::span<float> parameters = model.parameters();
  Model::Network::for_each_parameter([&](const nn::Path& path, const nn::Parameter& p, std::size_t offset) {
    if (p.role != nn::Role::weight || path.text().rfind("trunk", 0) != 0) return;
    const auto outputs = static_cast<std::size_t>(p.shape[static_cast<std::size_t>(p.neurons_at)]);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const std::size_t o = p.turned ? i % outputs : i / (p.size() / outputs);
      if (random.uniform() >= density || (dead && o % 2 == 1)) parameters[offset + i] = 0;
    }
  });
  return model;
}

enum class Way { model, latency, throughput, memory };

template <class In, class Trunk, Way way>
void network(benchmark::State& state) {
  using Model = MultiTask<In, One, sharing::Hard<Trunk>>;
  Model model = masked<Model>(static_cast<double>(state.range(1)) / 100, state.range(2) != 0);
  const data::Inputs inputs = generated(In::shape, static_cast<std::size_t>(state.range(0)));
  constexpr Favour favours[] = {Favour::latency, Favour::latency, Favour::throughput, Favour::memory};
  auto left = training::subnet<"left">(model, {favours[static_cast<std::size_t>(way)], 1});
  if constexpr (way == Way::model) {
    for (auto _ : state) benchmark::DoNotOptimize(model.predict(inputs));
  } else {
    for (auto _ : state) benchmark::DoNotOptimize(left.predict(inputs));
  }
  state.counters["bytes"] = static_cast<double>(way == Way::model ? left.full_bytes() : left.bytes());
}

/// A layer with a share of its weights, as rows; or with all, which makes full weights.
template <class Layer, int channels, int side>
void layer(benchmark::State& state) {
  constexpr Shape in{channels, side, side};
  using Slice = typename backend::Cpu<float>::template Slice<in.size()>;
  Random random(2, Purpose::user);
  std::vector<float> parameters(nn::parameter_count<Layer>(in));
  for (float& number : parameters) number = random.uniform() * 100 < static_cast<double>(state.range(1)) ? 0.01F : 0.0F;
  training::detail::Chain<float, Slice> chain{{}, parameters.data()};
  chain.template add<Layer, in>();
  training::detail::PrunedNetwork<float> network(chain.layers, in, Slice::width, Favour::memory, 1);
  const data::Inputs inputs = generated(in, static_cast<std::size_t>(state.range(0)));
  std::vector<float> outputs(inputs.size() * Layer::output(in).size());
  for (auto _ : state) network.predict(inputs, outputs);
  state.SetLabel(network.layers()[0].rows ? "rows" : "full");
  state.counters["bytes"] = static_cast<double>(network.bytes());
}

void networks(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"samples", "density", "dead"});
  for (const int samples : {1, 64})
    for (const int density : {5, 10, 30, 50}) benchmark->Args({samples, density, 0});
  for (const int samples : {1, 64}) benchmark->Args({samples, 30, 1});
}
void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"samples", "density"});
  for (const int samples : {1, 64})
    for (const int density : {3, 6, 12, 25, 40, 100}) benchmark->Args({samples, density});
}

#define MTLX_WAYS(name, ...)                                                                      \
  BENCHMARK((network<__VA_ARGS__, Way::model>))->Apply(networks)->Name(name ", model");           \
  BENCHMARK((network<__VA_ARGS__, Way::latency>))->Apply(networks)->Name(name ", latency");       \
  BENCHMARK((network<__VA_ARGS__, Way::throughput>))->Apply(networks)->Name(name ", throughput"); \
  BENCHMARK((network<__VA_ARGS__, Way::memory>))->Apply(networks)->Name(name ", memory")

using Image = Input<1, 28, 28>;
using Table = Input<64>;
using Photo = Input<3, 16, 16>;
MTLX_WAYS("LeNet28", Image, LeNet28);
MTLX_WAYS("MLP 64-128-128", Table, Mlp);
MTLX_WAYS("two padded convolutions", Photo, Padded);

BENCHMARK((layer<nn::Dense<50>, 320, 1>))->Apply(layers)->Name("Dense 320-50");
BENCHMARK((layer<nn::Dense<128>, 128, 1>))->Apply(layers)->Name("Dense 128-128");
BENCHMARK((layer<nn::Dense<512>, 512, 1>))->Apply(layers)->Name("Dense 512-512");
BENCHMARK((layer<nn::Conv2d<10, 5>, 1, 28>))->Apply(layers)->Name("Conv2d 1 x 28 x 28, 10 filters of 5 x 5");
BENCHMARK((layer<nn::Conv2d<20, 5>, 10, 12>))->Apply(layers)->Name("Conv2d 10 x 12 x 12, 20 filters of 5 x 5");
BENCHMARK((layer<nn::Conv2d<32, 3, 1, 1>, 32, 16>))
    ->Apply(layers)
    ->Name("Conv2d 32 x 16 x 16, 32 filters of 3 x 3, padded");

}  // namespace
