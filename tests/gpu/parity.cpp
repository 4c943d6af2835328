// SPDX-License-Identifier: MIT
// The same models on the CPU and on the GPU: losses of 100 steps side by side, and what can be asked of a model in between.
// A program of its own, so that a machine with a GPU needs nothing but the CUDA toolkit: scripts/gpu_check.sh builds it.
//
//   parity [--smoke]     --smoke: few steps, for compute-sanitizer
//
// Exit status 0 if all agree, 1 if something differs, 77 where there is no GPU.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <mtlx/mtlx.hpp>
#include <string>
#include <vector>

#ifdef MTLX_EMULATED
#include <mtlx/backend/recorded.hpp>
#include <mtlx/testing/emulated_device.hpp>
#include <mtlx/training/device_learner.hpp>
template <class T>
using Gpu = mtlx::backend::Recorded<mtlx::testing::EmulatedDevice, T>;
#else
#include <mtlx/cuda.hpp>
template <class T>
using Gpu = mtlx::backend::Cuda<T>;
#endif

using namespace mtlx;

namespace {

int failures = 0;

// Samples that can be learnt: a pattern for each class, and noise. Labels are missing here and there.
data::DataSet samples(Shape shape, std::size_t count, std::size_t tasks, int classes, bool labels, bool missing) {
  Random random(3, Purpose::user);
  std::vector<float> x(count * shape.size());
  for (float& number : x) number = static_cast<float>(random.normal());
  static constexpr const char* names[] = {"left", "right", "t2", "t3", "t4", "t5", "t6", "t7", "t8"};
  std::vector<data::Column> columns;
  for (std::size_t t = 0; t < tasks; ++t) {
    std::vector<int> classes_of(count);
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (std::size_t f = 0; f < shape.size(); ++f)
        sum += static_cast<double>(x[i * shape.size() + f]) * std::sin(static_cast<double>(f * (t + 2)));
      const double part = 0.5 + 0.5 * std::tanh(sum / std::sqrt(static_cast<double>(shape.size())));
      classes_of[i] = std::min(classes - 1, static_cast<int>(part * classes));
      numbers[i] = part > 0.5 ? 1.0F : 0.0F;
      if (missing && (i + t) % 5 == 0) {
        classes_of[i] = data::missing_label;
        numbers[i] = std::nanf("");
      }
    }
    columns.push_back({names[t], labels ? data::Targets::values(1, numbers) : data::Targets::classes(classes_of)});
  }
  return data::DataSet(data::Inputs(shape, x), columns);
}

// Takes down every step's losses.
struct Losses final : training::Observer {
  std::vector<double> all;
  void on_step(const training::Step& step) override { all.insert(all.end(), step.losses.begin(), step.losses.end()); }
};

// The largest difference, relative to 1 or to the number if that is larger.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return 1e300;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double one = std::abs(a[i] - b[i]) / std::max(1.0, std::abs(a[i]));
    if (!(one <= most)) most = one == one ? one : 1e300;
  }
  return most;
}

void expect(const std::string& what, double difference, double allowed) {
  const bool good = difference <= allowed;
  if (!good) ++failures;
  std::printf("%-58s %.2e of %.0e  %s\n", what.c_str(), difference, allowed, good ? "passed" : "FAILED");
  std::fflush(stdout);
}

// Asks for losses elsewhere in every step.
template <class Scalar>
struct Elsewhere final : training::Probe<Scalar> {
  std::vector<double> seen;
  const data::DataSet* held_out = nullptr;
  bool wants(const training::Step&) override { return true; }
  void look(training::ProbeSession<Scalar>& session) override {
    const auto half = [](std::span<Scalar> p) {
      for (Scalar& number : p) number /= 2;
    };
    const auto keep = [&](std::span<const double> losses) { seen.insert(seen.end(), losses.begin(), losses.end()); };
    keep(session.losses_at(half));
    keep(session.losses_at(half, *held_out));
    for (const Scalar number : session.gradient(0).subspan(0, std::min<std::size_t>(session.gradient(0).size(), 5)))
      seen.push_back(static_cast<double>(number));
  }
};

// Nothing is changed.
constexpr auto as_it_is = [](auto&) {};

template <template <class> class Make, class Adjust = decltype(as_it_is)>
void compare(const char* name, const data::DataSet& data, std::size_t steps, std::size_t batch, double allowed,
             Adjust adjust = as_it_is) {
  using Fast = Make<Gpu<float>>;
  using Slow = Make<backend::Cpu<float>>;
  const std::size_t epochs = std::max<std::size_t>(1, steps * batch / data.size());
  typename Fast::Base::Options options;
  options.seed = 7;
  adjust(options);
  Fast gpu(options);
  typename Slow::Base::Options same;
  same.seed = 7;
  adjust(same);
  Slow cpu(same);
  Losses of_gpu, of_cpu;
  gpu.fit(data, {.epochs = epochs, .batch_size = batch, .observers = {&of_gpu}});
  cpu.fit(data, {.epochs = epochs, .batch_size = batch, .observers = {&of_cpu}});
  expect(join(name, ": losses of ", of_cpu.all.size() / Fast::tasks, " steps"), distance(of_cpu.all, of_gpu.all),
         allowed);
  const auto a = cpu.evaluate(data).losses(), b = gpu.evaluate(data).losses();
  expect(join(name, ": losses on all data"), distance({a.begin(), a.end()}, {b.begin(), b.end()}), 10 * allowed);

  // Again: the same bits.
  Fast twin(options);
  Losses again;
  twin.fit(data, {.epochs = epochs, .batch_size = batch, .observers = {&again}});
  const bool bits = again.all == of_gpu.all &&
                    std::equal(twin.parameters().begin(), twin.parameters().end(), gpu.parameters().begin());
  expect(join(name, ": the same bits again"), bits ? 0 : 1, 0);
}

using Trunk = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
template <class Back>
using LeNet = MultiTask<Input<1, 28, 28>, Pair, sharing::Hard<Trunk>, optim::Adam, Back>;
template <class Back>
using Clipped =
    MultiTask<Input<1, 28, 28>, Pair, sharing::Hard<Trunk>, balancing::PcGrad, optim::Clipped<optim::Sgd>, Back>;
template <class Back>
using Apart = MultiTask<Input<1, 28, 28>, Pair, sharing::Single<Trunk>, optim::RmsProp, Back>;

using Small = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Nine = Tasks<BinaryLabels<"left", 1>, BinaryLabels<"right", 1>, BinaryLabels<"t2", 1>, BinaryLabels<"t3", 1>,
                   BinaryLabels<"t4", 1>, BinaryLabels<"t5", 1>, BinaryLabels<"t6", 1>, BinaryLabels<"t7", 1>,
                   BinaryLabels<"t8", 1>>;
template <class Back>
using Mlp = MultiTask<Input<64>, Nine, sharing::Hard<Small>, balancing::PcGrad, optim::Adam, Back>;

using Odd = nn::Sequential<nn::Conv2d<6, 3, 2, 1>, nn::GroupNorm<2>, nn::Gelu, nn::Dropout<20>,
                           nn::Residual<nn::Conv2d<6, 3, 1, 1>, nn::PRelu>, nn::AvgPool2d<2>, nn::Flatten,
                           nn::LayerNorm, nn::Dense<33>, nn::Tanh>;
template <class Back>
using Mixed = MultiTask<Input<3, 12, 10>, Pair, sharing::Hard<Odd>, optim::AdamW, Back>;

// What may be asked of a model between two steps.
void questions(std::size_t steps) {
  using Model = Clipped<Gpu<float>>;
  using Slow = Clipped<backend::Cpu<float>>;
  const data::DataSet data = samples({1, 28, 28}, 96, 2, 10, false, true);
  const data::DataSet held_out = samples({1, 28, 28}, 41, 2, 10, false, false);
  Elsewhere<float> of_gpu, of_cpu;
  of_gpu.held_out = of_cpu.held_out = &held_out;
  const auto options = [&](auto& probe) {
    training::FitOptions<float> fit;
    fit.epochs = std::max<std::size_t>(1, steps / 3);
    fit.batch_size = 32;
    fit.probes = {&probe};
    fit.validation = &held_out;
    return fit;
  };
  Model gpu;
  Slow cpu;
  gpu.fit(data, options(of_gpu));
  cpu.fit(data, options(of_cpu));
  expect("probes: losses elsewhere, and gradients", distance(of_cpu.seen, of_gpu.seen), 1e-3);

  // What is saved goes on as the original would.
  const std::string file = join("mtlx_parity_", std::chrono::steady_clock::now().time_since_epoch().count(), ".mtlx");
  gpu.save(file);
  Model second, copy = gpu;
  second.load(file);
  std::remove(file.c_str());
  training::FitOptions<float> on;
  on.epochs = 1;
  on.batch_size = 31;
  gpu.fit(data, on);
  second.fit(data, on);
  copy.fit(data, on);
  const auto same = [&](Model& model) {
    return std::equal(gpu.parameters().begin(), gpu.parameters().end(), model.parameters().begin()) ? 0 : 1;
  };
  expect("saved and loaded: goes on with the same bits", same(second), 0);
  expect("copied: goes on with the same bits", same(copy), 0);

  const auto shift = [](std::span<float> x, const Shape&, Random& random) {
    x[0] += static_cast<float>(random.normal());
  };
  Model moved;
  Slow moved_cpu;
  Losses a, b;
  on.augment = &shift;
  on.observers = {&a};
  moved.fit(data, on);
  on.observers = {&b};
  moved_cpu.fit(data, on);
  expect("augmented", distance(b.all, a.all), 1e-3);
}

}  // namespace

int main(int count, char** words) try {
  const bool smoke = count > 1 && std::strcmp(words[1], "--smoke") == 0;
  const std::size_t steps = smoke ? 3 : 100;
  const auto size = [&](std::size_t n) { return smoke ? n / 8 : n; };
  try {
    const Gpu<float> device{};
    std::printf("device: %s\n", device.device()->name().c_str());
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 77;
  }
  // Two batches and an odd end are all that the sanitizer needs.
  const auto rows_of = [&](std::size_t all, std::size_t batch) { return smoke ? 2 * size(batch) + 3 : all; };
  const data::DataSet pictures = samples({1, 28, 28}, rows_of(640, 64), 2, 10, false, false);
  compare<LeNet>("LeNet28, Adam, batch 64", pictures, steps, size(64), 1e-3);
  compare<LeNet>("LeNet28, Adam, batch 50", pictures, steps, size(50), 1e-3);
  // With ten times the rate a hundred steps of PCGrad drift apart by rounding alone: the CPU's float is then 8e-3 from
  // plain loops in double, and the GPU as far.
  compare<Clipped>("LeNet28, PCGrad, clipped SGD", pictures, steps, size(64), 1e-3, [](auto& options) {
    options.optimizer.optimizer.learning_rate = 1e-3;
    options.optimizer.norm = 1;
  });
  compare<Apart>("single-task, RMSprop, missing labels", samples({1, 28, 28}, rows_of(320, 32), 2, 10, false, true),
                 steps, size(32), 1e-3);
  const data::DataSet rows = samples({64, 1, 1}, rows_of(8192, 256), 9, 2, true, true);
  compare<Mlp>("MLP of 9 tasks, PCGrad, batch 256", rows, steps, size(256), 1e-3);
  compare<Mlp>("MLP of 9 tasks, PCGrad, batch 4096", samples({64, 1, 1}, rows_of(8192, 4096), 9, 2, true, true),
               smoke ? 1 : 20, size(4096), 1e-3);
  compare<Mixed>("many kinds of layers, AdamW, dropout", samples({3, 12, 10}, rows_of(320, 32), 2, 10, false, true),
                 steps, size(32), 1e-3);
  questions(smoke ? 3 : 9);
  std::printf(failures == 0 ? "all agree\n" : "%d differ\n", failures);
  return failures == 0 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
