// SPDX-License-Identifier: MIT
// Whole training steps (batch into lanes, forward, losses, backward, balancer, optimizer): samples/s, FLOP/s and share
// of the machine's measured peak. FLOPs are those of the layers' products, forward and backward.
#include "../peak.hpp"

#include <benchmark/benchmark.h>
#include <mtlx/mtlx.hpp>
#include <numeric>
#include <vector>

namespace {

using namespace mtlx;

using LeNet28 = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                               nn::Relu, nn::Dense<50>, nn::Relu>;
using Mlp = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Image = Input<1, 28, 28>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using Nine =
    Tasks<BinaryLabels<"0", 1>, BinaryLabels<"1", 1>, BinaryLabels<"2", 1>, BinaryLabels<"3", 1>, BinaryLabels<"4", 1>,
          BinaryLabels<"5", 1>, BinaryLabels<"6", 1>, BinaryLabels<"7", 1>, BinaryLabels<"8", 1>>;

template <class... Task>
data::DataSet generated(Shape shape, std::size_t samples, Tasks<Task...>) {
  Random random(1, Purpose::user);
  std::vector<float> numbers(shape.size() * samples);
  for (float& number : numbers) number = static_cast<float>(random.uniform());
  std::vector<int> labels(samples);
  for (int& label : labels) label = static_cast<int>(random.below(2));
  return {data::Inputs(shape, std::move(numbers)),
          {data::Column{std::string(Task::name.view()), data::Targets::classes(labels)}...}};
}

// All products but the first layer's for the input, which nobody needs: forward, for the weights, for the inputs.
double operations(const training::Summary& summary) {
  return 2 * (3 * summary.multiply_adds - summary.layers.front().multiply_adds);
}

template <class In, class TaskList, class... Policies>
void step(benchmark::State& state) {
  using Model = typename MultiTask<In, TaskList, Policies...>::Base;
  using Learner = typename Model::Learner;
  const auto batch = static_cast<std::size_t>(state.range(0));
  const int threads = static_cast<int>(state.range(1));
  const data::DataSet set = generated(In::shape, batch, TaskList{});
  const typename Learner::Data bound(set, In::shape, {});
  typename Model::Options options;
  options.backend.threads = threads;
  Model model(options);
  backend::Cpu<float> backend(options.backend);
  Learner learner(TaskSet::first(TaskList::count), 1, 0, options.balancer, options.optimizer);
  std::vector<std::uint32_t> samples(batch);
  std::iota(samples.begin(), samples.end(), 0U);
  const training::Sampler::Part part{0, samples};
  for (auto _ : state) learner.step(backend, bound, {&part, 1}, {});
  state.SetItemsProcessed(state.iterations() * state.range(0));
  bench::report<float>(state, operations(model.summary()) * static_cast<double>(batch), threads);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"batch", "threads"})->UseRealTime();
  for (const int threads : {1, 2})
    for (const int batch : {50, 64, 256}) benchmark->Args({batch, threads});
}

BENCHMARK((step<Image, Pair, sharing::Hard<LeNet28>>))->Apply(sizes)->Name("LeNet28, two heads, Adam");
BENCHMARK((step<Image, Pair, sharing::Hard<LeNet28>, balancing::PcGrad>))->Apply(sizes)->Name("LeNet28, PCGrad");
BENCHMARK((step<Input<64>, Nine, sharing::Hard<Mlp>>))->Apply(sizes)->Name("MLP 64-128-128, nine heads, Adam");
BENCHMARK((step<Input<64>, Nine, sharing::Hard<Mlp>, balancing::PcGrad>))->Apply(sizes)->Name("MLP, PCGrad");

}  // namespace
