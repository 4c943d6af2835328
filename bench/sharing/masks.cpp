// SPDX-License-Identifier: MIT
// What finding masks while training costs: fits of 600 steps under masks that stay (RandomMasks) and with DynamicSparse,
// at the same density, DynamicSparse from full masks. A fit goes through the whole schedule of a rule.
#include <benchmark/benchmark.h>
#include <mtlx/mtlx.hpp>
#include <mtlx/sharing/random_masks.hpp>

#include <string>
#include <utility>
#include <vector>

namespace {

using namespace mtlx;

using LeNet28 = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<50>, nn::Relu>;
using Mlp = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using Nine =
    Tasks<BinaryLabels<"0", 1>, BinaryLabels<"1", 1>, BinaryLabels<"2", 1>, BinaryLabels<"3", 1>, BinaryLabels<"4", 1>,
          BinaryLabels<"5", 1>, BinaryLabels<"6", 1>, BinaryLabels<"7", 1>, BinaryLabels<"8", 1>>;

template <class In, class TaskList, class Trunk, class Rule>
void fit(benchmark::State& state) {
  constexpr std::size_t steps = 100, batch = 64, samples = steps * batch;
  Random random(1, Purpose::user);
  std::vector<float> numbers(In::shape.size() * samples), labels(samples);
  for (float& number : numbers) number = static_cast<float>(random.normal());
  for (float& label : labels) label = static_cast<float>(random.below(2));
  std::vector<data::Column> columns;
  for (const auto name : TaskList::names) columns.push_back({std::string(name), data::Targets::values(1, labels)});
  const data::DataSet data(data::Inputs(In::shape, numbers), columns);
  for (auto _ : state) {
    using Model = MultiTask<In, TaskList, sharing::Sparse<Trunk, Rule>>;
    typename Model::Options options{.backend = {.threads = 1}};
    if constexpr (requires { options.sharing.rule.start; }) options.sharing.rule.start = Rule::Start::dense;
    Model model(options);
    model.fit(data, {.epochs = 6, .batch_size = batch});
    benchmark::DoNotOptimize(model.parameters().data());
  }
}

BENCHMARK(fit<Input<64>, Nine, Mlp, sharing::RandomMasks>)->Unit(benchmark::kMillisecond);
BENCHMARK(fit<Input<64>, Nine, Mlp, sharing::DynamicSparse>)->Unit(benchmark::kMillisecond);
BENCHMARK(fit<Input<1, 28, 28>, Pair, LeNet28, sharing::RandomMasks>)->Unit(benchmark::kMillisecond);
BENCHMARK(fit<Input<1, 28, 28>, Pair, LeNet28, sharing::DynamicSparse>)->Unit(benchmark::kMillisecond);

}  // namespace
