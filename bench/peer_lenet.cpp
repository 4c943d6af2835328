// SPDX-License-Identifier: MIT
// Whole training steps of LeNet28 with two heads: what scripts/peer.sh compares with PyTorch. A step gathers its batch
// from bytes, goes forward and backward, and updates with Adam; the peer's batches lie ready in memory.
#include "peak.hpp"

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <mtlx/mtlx.hpp>
#include <vector>

namespace {

using namespace mtlx;

using Trunk = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using LeNet28 = MultiTask<Input<1, 28, 28>, Tasks<Classification<"left", 10>, Classification<"right", 10>>,
                          sharing::Hard<Trunk>, optim::Adam>;

constexpr std::size_t batches = 32;

data::DataSet noise(std::size_t samples) {
  Random random(1, Purpose::build);
  std::vector<std::uint8_t> pictures(samples * 28 * 28);
  for (std::uint8_t& byte : pictures) byte = static_cast<std::uint8_t>(random.below(256));
  std::vector<int> left(samples), right(samples);
  for (int& label : left) label = static_cast<int>(random.below(10));
  for (int& label : right) label = static_cast<int>(random.below(10));
  data::DataSet result(data::Inputs({1, 28, 28}, std::move(pictures)),
                       {{"left", data::Targets::classes(left)}, {"right", data::Targets::classes(right)}});
  data::normalise(result);
  return result;
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Operations for one sample: forward, and backward to parameters and inputs but for the first layer's inputs.
double operations(const training::Summary& summary) {
  return 2 * (3 * summary.multiply_adds - summary.layers.front().multiply_adds);
}

// An iteration is `batches` steps.
void lenet28(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  const int threads = static_cast<int>(state.range(1));
  const data::DataSet train = noise(batches * batch);
  LeNet28 model{{.backend = {.threads = threads}}};
  for (auto _ : state) model.fit(train, {.epochs = 1, .batch_size = batch, .shuffle = false});
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(train.size()));
  bench::report<float>(state, operations(model.summary()) * static_cast<double>(train.size()), threads);
  state.counters["megabytes"] = benchmark::Counter(peak_megabytes());
}
BENCHMARK(lenet28)
    ->ArgNames({"batch", "threads"})
    ->ArgsProduct({{64, 256}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
