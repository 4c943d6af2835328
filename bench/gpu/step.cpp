// SPDX-License-Identifier: MIT
// How long a training step takes on the GPU: LeNet28 (two heads, Adam) and the MLP 64-128-128 of nine binary tasks, at
// batch 64, 256 and 4096. Time by device events around whole steps, warm; the median of several rounds. A program of its
// own, so that a machine with a GPU needs nothing but the CUDA toolkit: scripts/gpu_check.sh builds it and sets PyTorch
// beside it (bench/gpu/peer.py).
//
//   step [--json FILE] [--rounds N] [--steps N] [--only WORKLOAD]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <mtlx/mtlx.hpp>
#include <string>
#include <thread>
#include <vector>

#include <mtlx/cuda.hpp>

using namespace mtlx;

namespace {

using Trunk = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using LeNet = sharing::Hard<Trunk>::Network<Shape{1, 28, 28}, Pair>;
using Small = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Nine = Tasks<BinaryLabels<"left", 1>, BinaryLabels<"right", 1>, BinaryLabels<"t2", 1>, BinaryLabels<"t3", 1>,
                   BinaryLabels<"t4", 1>, BinaryLabels<"t5", 1>, BinaryLabels<"t6", 1>, BinaryLabels<"t7", 1>,
                   BinaryLabels<"t8", 1>>;
using Mlp = sharing::Hard<Small>::Network<Shape{64, 1, 1}, Nine>;

struct Row {
  std::string workload;
  double us, spread, host_us;
};
std::vector<Row> table;

data::DataSet samples(Shape shape, const std::vector<std::string>& tasks, bool labels) {
  constexpr std::size_t count = 8192;
  Random random(3, Purpose::user);
  std::vector<float> x(count * shape.size());
  for (float& number : x) number = static_cast<float>(random.normal());
  std::vector<data::Column> columns;
  for (const std::string& task : tasks) {
    std::vector<int> classes(count);
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i)
      classes[i] = static_cast<int>(random.below(10)), numbers[i] = classes[i] > 4;
    columns.push_back({task, labels ? data::Targets::values(1, numbers) : data::Targets::classes(classes)});
  }
  return data::DataSet(data::Inputs(shape, x), columns);
}

struct Settings {
  std::string json, only;
  int rounds = 9, steps = 0;
};

template <class Net, class TaskList, class Balancing>
void measure(const std::string& workload, const data::DataSet& data, Shape shape, std::size_t batch,
             const Settings& s) {
  if (!s.only.empty() && workload != s.only) return;
  using Back = backend::Cuda<float>;
  using Learner = training::Learner<Net, TaskList, Balancing, optim::Adam, Back>;
  Back back;
  Learner learner(TaskSet::first(TaskList::count), 1, 0, Balancing{}, optim::Adam{});
  const typename Learner::Data bound(data, shape, {});
  training::Sampler sampler(std::vector<std::size_t>{data.size()}, {.batch_size = batch});
  std::size_t epoch = 0;
  sampler.begin(epoch);
  const auto step = [&] {
    auto parts = sampler.next();
    if (parts.empty() || parts[0].samples.size() < batch) {
      sampler.begin(++epoch);
      parts = sampler.next();
    }
    learner.advance(back, bound, parts, {}, {}, {}, {}, [](const training::Step&) {});
  };
  for (int i = 0; i < 20; ++i) step();
  std::vector<double> device, host;
  const int steps = s.steps > 0 ? s.steps : batch >= 4096 ? 50 : 200;
  for (int round = 0; round < s.rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    back.device()->mark(0);
    for (int i = 0; i < steps; ++i) step();
    learner.complete([](const training::Step&) {});
    back.device()->mark(1);
    device.push_back(back.device()->milliseconds() * 1000 / steps);
    host.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / steps);
  }
  std::sort(device.begin(), device.end());
  std::sort(host.begin(), host.end());
  const std::size_t middle = device.size() / 2;
  table.push_back({workload, device[middle], device[device.size() - 1 - device.size() / 4] - device[device.size() / 4],
                   host[middle]});
  std::printf("%-22s %9.1f us a step (quartiles %.1f apart; host's clock %.1f)\n", workload.c_str(), table.back().us,
              table.back().spread, table.back().host_us);
  std::fflush(stdout);
}

// Many models side by side, each in a stream of its own: microseconds until all have taken a step, by the host's clock.
void measure_many(const std::string& workload, const data::DataSet& data, std::size_t models, const Settings& s) {
  if (!s.only.empty() && workload != s.only) return;
  using Back = backend::Cuda<float>;
  using Learner = training::Learner<LeNet, Pair, balancing::EqualWeights, optim::Adam, Back>;
  constexpr std::size_t batch = 64, threads = 8;
  const typename Learner::Data bound(data, Shape{1, 28, 28}, {});
  struct One {
    Back back;
    Learner learner;
    training::Sampler sampler;
    std::size_t epoch = 0;
  };
  std::vector<std::unique_ptr<One>> all;
  for (std::size_t i = 0; i < models; ++i)
    all.emplace_back(
        new One{Back(), Learner(TaskSet::first(2), i, 0, {}, {}),
                training::Sampler(std::vector<std::size_t>{data.size()}, {.batch_size = batch, .seed = i})});
  const int steps = s.steps > 0 ? s.steps : 100;
  const auto run = [&](int count) {
    std::vector<std::jthread> crew;
    for (std::size_t t = 0; t < threads; ++t)
      crew.emplace_back([&, t] {
        for (int step = 0; step < count; ++step)
          for (std::size_t i = t; i < models; i += threads) {
            One& one = *all[i];
            if (step % 100 == 0) one.sampler.begin(one.epoch++);
            one.learner.advance(one.back, bound, one.sampler.next(), {}, {}, {}, {}, [](const training::Step&) {});
          }
        for (std::size_t i = t; i < models; i += threads) all[i]->learner.complete([](const training::Step&) {});
      });
  };
  run(10);
  std::vector<double> times;
  for (int round = 0; round < s.rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    run(steps);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() /
                    steps);
  }
  std::sort(times.begin(), times.end());
  const std::size_t middle = times.size() / 2;
  table.push_back(
      {workload, times[middle], times[times.size() - 1 - times.size() / 4] - times[times.size() / 4], times[middle]});
  std::printf("%-22s %9.1f us for a step of all %zu\n", workload.c_str(), times[middle], models);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** words) try {
  Settings s;
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(words[i], "--json") == 0) s.json = words[i + 1];
    if (std::strcmp(words[i], "--only") == 0) s.only = words[i + 1];
    if (std::strcmp(words[i], "--rounds") == 0) s.rounds = std::max(1, std::atoi(words[i + 1]));
    if (std::strcmp(words[i], "--steps") == 0) s.steps = std::max(1, std::atoi(words[i + 1]));
  }
  std::string device;
  {
    const backend::Cuda<float> back;
    device = back.device()->name();
  }
  std::printf("device: %s\n", device.c_str());
  const Shape picture{1, 28, 28}, row{64, 1, 1};
  const data::DataSet pictures = samples(picture, {"left", "right"}, false);
  const data::DataSet rows = samples(row, {"left", "right", "t2", "t3", "t4", "t5", "t6", "t7", "t8"}, true);
  for (const std::size_t batch : {64, 256, 4096}) {
    measure<LeNet, Pair, balancing::EqualWeights>(join("lenet_b", batch), pictures, picture, batch, s);
    measure<Mlp, Nine, balancing::EqualWeights>(join("mlp_b", batch), rows, row, batch, s);
    measure<LeNet, Pair, balancing::PcGrad>(join("lenet_pcgrad_b", batch), pictures, picture, batch, s);
    measure<Mlp, Nine, balancing::PcGrad>(join("mlp_pcgrad_b", batch), rows, row, batch, s);
  }
  measure_many("lenet_b64_models32", pictures, 32, s);
  if (!s.json.empty()) {
    std::ofstream file(s.json);
    file << "{\"rows\": [";
    for (std::size_t i = 0; i < table.size(); ++i)
      file << (i == 0 ? "\n" : ",\n") << "  {\"workload\": \"" << table[i].workload << "\", \"us\": " << table[i].us
           << ", \"spread_us\": " << table[i].spread << ", \"host_us\": " << table[i].host_us << ", \"device\": \""
           << device << "\"}";
    file << "\n]}\n";
    if (!file.flush()) fail("can't write ", s.json);
  }
  return 0;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
