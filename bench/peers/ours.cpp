// SPDX-License-Identifier: MIT
// What scripts/bench.sh compares with PyTorch and LibTorch, as programs that stay alive and take turns. Lines on
// standard input, one line of answer each:
//
//   WORKLOAD STEPS           microseconds a step, over so many steps (rounded up to whole epochs of `batches` steps)
//   check WORKLOAD FOLDER    writes first weights and data to FOLDER, trains `check_steps` steps; JSON of the losses,
//                            of the first step's Gram matrix (PCGrad) or affinities (mlp_lookahead, mlp_first_order:
//                            affected task by acting task), or of the outputs (predict_1)
//   about WORKLOAD           JSON: batch, floating-point operations a step, numbers in the model
//   peak                     FLOP/s of one core
//
// The argument is the number of threads (1). Training is `fit` as a user calls it, over batches that lie in memory.
#include "../peak.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mtlx/grouping/affinity/first_order.hpp>
#include <mtlx/grouping/affinity/lookahead.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/super_resolution.hpp>
#include <mtlx/sharing/given_masks.hpp>
#include <mtlx/sharing/sparse.hpp>
#include <mtlx/training/affinity.hpp>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace mtlx;

constexpr std::size_t batches = 4, check_steps = 5;

using LeNet = nn::Sequential<nn::Conv2d<10, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<20, 5>, nn::MaxPool2d<2>,
                             nn::Relu, nn::Dense<50>, nn::Relu>;
using Mlp = nn::Sequential<nn::Dense<128>, nn::Relu, nn::Dense<128>, nn::Relu>;
using Masked = sharing::Sparse<Mlp, sharing::GivenMasks>;
using Enlarge = nn::Sequential<nn::Conv2d<64, 3, 1, 1>, nn::Relu, nn::Conv2d<32, 3, 1, 1>, nn::Relu>;
using Pair = Tasks<Classification<"left", 10>, Classification<"right", 10>>;
using Nine =
    Tasks<BinaryLabels<"0", 1>, BinaryLabels<"1", 1>, BinaryLabels<"2", 1>, BinaryLabels<"3", 1>, BinaryLabels<"4", 1>,
          BinaryLabels<"5", 1>, BinaryLabels<"6", 1>, BinaryLabels<"7", 1>, BinaryLabels<"8", 1>>;
using Picture = Tasks<Regression<"picture", 48 * 48>>;
using ToPicture = sharing::Head<"picture", nn::Conv2d<1, 3, 1, 1>>;
// The smaller network of bench/studies/super_resolution.cpp.
using Fsrcnn = nn::LongSkip<nn::UpsampleBilinear<4>, nn::Fsrcnn<4, 1, 32, 8, 2>>;
using Enlarged = Tasks<Regression<"picture", 96 * 96, nn::MeanAbsoluteError>>;
using AsIs = sharing::Head<"picture", nn::Flatten>;

// What a step costs; `operations` counts two for a multiply-add of dense layers and convolutions, and nothing else.
struct About {
  std::size_t batch = 0, parameters = 0;
  double operations = 0;
};

class Workload {
 public:
  virtual ~Workload() = default;
  virtual double microseconds(std::size_t steps) = 0;
  virtual std::string check(const std::string& folder) = 0;
  virtual About about() const = 0;
};

// Samples x width of a task's targets: classes from 0 to 9, yes or no, or numbers.
template <class Task>
std::vector<float> random_targets(std::size_t samples, Random& random) {
  std::vector<float> numbers(samples * (Task::meaning == nn::Meaning::classes ? 1 : Task::outputs));
  for (float& number : numbers) {
    if (Task::meaning == nn::Meaning::classes)
      number = static_cast<float>(random.below(Task::outputs));
    else if (Task::meaning == nn::Meaning::labels)
      number = static_cast<float>(random.below(2));
    else
      number = static_cast<float>(random.normal());
  }
  return numbers;
}

// With `turns`, a batch of so many samples has labels of one task, and the tasks take turns.
template <class Task>
data::Targets targets(const std::vector<float>& numbers, std::size_t task, std::size_t turns) {
  if (turns > 0) {
    std::vector<std::uint8_t> present(numbers.size());
    for (std::size_t i = 0; i < present.size(); ++i) present[i] = i / turns % batches == task ? 1 : 0;
    return data::Targets::values(Task::outputs, numbers, present);
  }
  if constexpr (Task::meaning == nn::Meaning::classes)
    return data::Targets::classes(std::vector<int>(numbers.begin(), numbers.end()));
  else
    return data::Targets::values(Task::outputs, numbers);
}

struct Samples {
  std::vector<float> x;
  std::vector<std::vector<float>> y;  // a task's each
  data::DataSet set;
};

template <class... Task>
Samples generated(Shape shape, std::size_t count, Tasks<Task...>, std::size_t turns = 0) {
  Random random(1, Purpose::user);
  Samples s;
  s.x.resize(count * shape.size());
  for (float& number : s.x) number = static_cast<float>(random.normal());
  (s.y.push_back(random_targets<Task>(count, random)), ...);
  std::size_t t = 0;
  std::vector<data::Column> columns;
  ((columns.push_back({std::string(Task::name.view()), targets<Task>(s.y[t], t, turns)}), ++t), ...);
  s.set = {data::Inputs(shape, s.x), std::move(columns)};
  return s;
}

void write(const std::string& path, const std::vector<float>& numbers, std::ios::openmode mode = std::ios::trunc) {
  std::ofstream file(path, std::ios::binary | mode);
  file.write(reinterpret_cast<const char*>(numbers.data()),
             static_cast<std::streamsize>(numbers.size() * sizeof(float)));
  if (!file.flush()) fail("can't write ", path);
}

std::string list(const std::string& name, const std::vector<double>& numbers) {
  std::ostringstream text;
  text.precision(9);
  text << "{\"" << name << "\": [";
  for (std::size_t i = 0; i < numbers.size(); ++i) text << (i > 0 ? ", " : "") << numbers[i];
  text << "]}";
  return text.str();
}

// The sum of the tasks' losses of every step, and the first step's Gram matrix where there is one.
struct Losses : training::Observer {
  std::vector<double> sums, gram;
  void on_step(const training::Step& step) override {
    if (sums.empty()) gram.assign(step.gram.begin(), step.gram.end());
    sums.push_back(0);
    for (const double loss : step.losses) sums.back() += loss;
  }
};

// Half of the weights are each task's, by a rule that the peers know too.
template <class Model>
void give_masks(Model& model) {
  if constexpr (requires { model.masks(); }) {
    sharing::Masks masks = model.masks();
    for (const sharing::MaskBlock& block : masks.blocks) {
      if (!block.prunable()) continue;
      const auto outputs = static_cast<std::size_t>(block.parameter.shape[1]);  // a Dense layer's weight is turned
      for (std::size_t k = 0; k < block.parameter.size(); ++k) {
        masks.owners[block.offset + k] = TaskSet();
        for (std::size_t t = 0; t < masks.tasks.size(); ++t)
          if ((31 * (k % outputs) + 17 * (k / outputs) + 7 * t) / 2 % 2 == 0)
            masks.owners[block.offset + k] = masks.owners[block.offset + k].with(t);
      }
    }
    model.set_masks(masks);
  }
}

template <class In, class TaskList, std::size_t batch, std::size_t turns, class... Policies>
class Training final : public Workload {
  using Model = MultiTask<In, TaskList, Policies...>;

 public:
  explicit Training(int threads) : model_({.backend = {.threads = threads}}) {
    set_ = generated(In::shape, batches * batch, TaskList{}, turns).set;
    give_masks(model_);
  }

  double microseconds(std::size_t steps) override {
    const std::size_t epochs = (steps + batches - 1) / batches;
    const auto start = std::chrono::steady_clock::now();
    model_.fit(set_, {.epochs = epochs, .batch_size = batch, .shuffle = false});
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    return time.count() / static_cast<double>(epochs * batches);
  }

  std::string check(const std::string& folder) override {
    const Samples s = generated(In::shape, check_steps * batch, TaskList{}, turns);
    model_.save_weights(folder + "/weights.safetensors");
    write(folder + "/inputs.f32", s.x);
    write(folder + "/targets.f32", {});
    for (const std::vector<float>& task : s.y) write(folder + "/targets.f32", task, std::ios::app);
    Losses losses;
    model_.fit(s.set, {.batch_size = batch, .shuffle = false, .observers = {&losses}});
    if (turns > 0) losses.sums.resize(1);  // the peers move what a step's task doesn't own
    return losses.gram.empty() ? list("losses", losses.sums) : list("gram", losses.gram);
  }

  // Every layer forward, and backward to its weights and, but for the first layer, to its inputs. Where per-task
  // gradients are wanted, backward through what tasks share once a task: what the plain method takes, however few we
  // get by with.
  About about() const override {
    const training::Summary summary = model_.summary();
    double shared = 0, own = summary.multiply_adds, first = 0;
    for (const auto& layer : summary.layers) {
      if (layer.parameters == 0 || layer.owner == "all") own -= layer.multiply_adds;
      if (layer.parameters == 0) continue;
      if (layer.owner == "all") shared += layer.multiply_adds;
      if (first == 0) first = layer.multiply_adds;
    }
    constexpr bool gradients =
        training::PickOr<Kind::balancer, balancing::EqualWeights, Policies...>::needs == balancing::Needs::gradients;
    const double times = gradients ? static_cast<double>(TaskList::count) : 1;
    const double products = gradients ? shared + times * (2 * shared - first) + 3 * own : 3 * (shared + own) - first;
    // Under masks a task has passes of its own, which `summary` counts; in turns there is one a step.
    const double part = turns > 0 ? 1.0 / static_cast<double>(TaskList::count) : 1;
    return {batch, model_.parameter_count(), 2 * products * part * static_cast<double>(batch)};
  }

 private:
  Model model_;
  data::DataSet set_;
};

// Equal weights, with each task's gradient computed all the same: what looks on needs them.
struct EqualGradients {
  static constexpr auto kind = Kind::balancer;
  static constexpr auto needs = balancing::Needs::gradients;
  void weights(const balancing::Problem&, NoState&, std::span<double> weights) const {
    std::fill(weights.begin(), weights.end(), 1.0);
  }
};

// The MLP with a measure of affinity that looks on in every step, at plain gradient steps on the step's own batch.
template <class Measure>
class Affinity final : public Workload {
  using Model = MultiTask<Input<64>, Nine, sharing::Hard<Mlp>, EqualGradients>;
  static constexpr std::size_t batch = 128;

 public:
  explicit Affinity(int threads)
      : threads_(threads),
        model_({.backend = {.threads = threads}}),
        set_(generated({64}, batches * batch, Nine{}).set) {}

  double microseconds(std::size_t steps) override {
    const std::size_t epochs = (steps + batches - 1) / batches;
    grouping::Watching watch(Measure{.every = 1}, grouping::Evaluation::same_batch, grouping::StepKind::gradient);
    training::AffinityProbe<float> probe(watch);
    const auto start = std::chrono::steady_clock::now();
    model_.fit(set_, {.epochs = epochs, .batch_size = batch, .shuffle = false, .probes = {&probe}});
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    return time.count() / static_cast<double>(epochs * batches);
  }

  std::string check(const std::string& folder) override {
    // Longer steps than those that are timed: the affinities stand out from the losses' rounding.
    Model model({.optimizer = {.learning_rate = 0.1}, .backend = {.threads = threads_}});
    const Samples s = generated({64}, batch, Nine{});
    model.save_weights(folder + "/weights.safetensors");
    write(folder + "/inputs.f32", s.x);
    write(folder + "/targets.f32", {});
    for (const std::vector<float>& task : s.y) write(folder + "/targets.f32", task, std::ios::app);
    grouping::Watching watch(Measure{.every = 1}, grouping::Evaluation::same_batch, grouping::StepKind::gradient);
    training::AffinityProbe<float> probe(watch);
    model.fit(s.set, {.batch_size = batch, .shuffle = false, .probes = {&probe}});
    return list("affinities", watch.seen().values);
  }

  // A step with gradients of each task; the lookahead goes forward once more for each.
  About about() const override {
    const training::Summary summary = model_.summary();
    double shared = 0;
    for (const auto& layer : summary.layers)
      if (layer.owner == "all") shared += layer.multiply_adds;
    const double first = summary.layers.front().multiply_adds, own = summary.multiply_adds - shared;
    const auto tasks = static_cast<double>(Nine::count);
    const double ahead = std::is_same_v<Measure, grouping::Lookahead> ? tasks * (shared + own) : 0;
    const double products = shared + tasks * (2 * shared - first) + 3 * own + ahead;
    return {batch, model_.parameter_count(), 2 * products * static_cast<double>(batch)};
  }

 private:
  int threads_;
  Model model_;
  data::DataSet set_;
};

// LeNet28 on one sample, through `predict`: the answers are probabilities.
class Prediction final : public Workload {
  using Model = MultiTask<Input<1, 28, 28>, Pair, sharing::Hard<LeNet>>;

 public:
  explicit Prediction(int threads) : model_({.backend = {.threads = threads}}) {
    samples_ = generated({1, 28, 28}, 1, Pair{});
    one_ = std::make_unique<data::Inputs>(Shape{1, 28, 28}, samples_.x);
  }

  double microseconds(std::size_t steps) override {
    float sum = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < steps; ++i) sum += model_.predict(*one_).get<"left">()[0][0];
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    benchmark::DoNotOptimize(sum);
    return time.count() / static_cast<double>(steps);
  }

  std::string check(const std::string& folder) override {
    model_.save_weights(folder + "/weights.safetensors");
    // The peers take a batch from here, of which the first sample counts.
    std::vector<float> x, y;
    for (std::size_t i = 0; i < 64; ++i) x.insert(x.end(), samples_.x.begin(), samples_.x.end());
    write(folder + "/inputs.f32", x);
    write(folder + "/targets.f32", std::vector<float>(2 * 64));
    const auto found = model_.predict(*one_);
    std::vector<double> numbers;
    for (const float p : found.get<"left">()[0]) numbers.push_back(static_cast<double>(p));
    for (const float p : found.get<"right">()[0]) numbers.push_back(static_cast<double>(p));
    return list("outputs", numbers);
  }

  About about() const override { return {1, model_.parameter_count(), 2 * model_.summary().multiply_adds}; }

 private:
  Model model_;
  Samples samples_;
  std::unique_ptr<data::Inputs> one_;
};

std::unique_ptr<Workload> make(const std::string& name, int threads) {
  using Image = Input<1, 28, 28>;
  using Colour = Input<3, 28, 28>;
  const auto is = [&](std::string_view one) { return name == one; };
  if (is("lenet_b64")) return std::make_unique<Training<Image, Pair, 64, 0, sharing::Hard<LeNet>>>(threads);
  if (is("lenet_b256")) return std::make_unique<Training<Image, Pair, 256, 0, sharing::Hard<LeNet>>>(threads);
  if (is("odd_lenet")) return std::make_unique<Training<Colour, Pair, 50, 0, sharing::Hard<LeNet>>>(threads);
  if (is("mlp_plain")) return std::make_unique<Training<Input<64>, Nine, 128, 0, sharing::Hard<Mlp>>>(threads);
  if (is("odd_mlp")) return std::make_unique<Training<Input<37>, Nine, 50, 0, sharing::Hard<Mlp>>>(threads);
  if (is("mlp_pcgrad") || is("mlp_pcgrad_libmtl"))
    return std::make_unique<Training<Input<64>, Nine, 128, 0, sharing::Hard<Mlp>, balancing::PcGrad>>(threads);
  if (is("odd_mlp_pcgrad"))
    return std::make_unique<Training<Input<37>, Nine, 50, 0, sharing::Hard<Mlp>, balancing::PcGrad>>(threads);
  if (is("mlp_lookahead")) return std::make_unique<Affinity<grouping::Lookahead>>(threads);
  if (is("mlp_first_order")) return std::make_unique<Affinity<grouping::FirstOrder>>(threads);
  if (is("mlp_masked_1")) return std::make_unique<Training<Input<64>, Nine, 128, 128, Masked>>(threads);
  if (is("mlp_masked_9")) return std::make_unique<Training<Input<64>, Nine, 128, 0, Masked>>(threads);
  if (is("sr_cnn"))
    return std::make_unique<Training<Input<1, 48, 48>, Picture, 16, 0, sharing::Hard<Enlarge, ToPicture>>>(threads);
  if (is("sr_fsrcnn"))
    return std::make_unique<Training<Input<1, 24, 24>, Enlarged, 16, 0, sharing::Hard<Fsrcnn, AsIs>>>(threads);
  if (is("predict_1")) return std::make_unique<Prediction>(threads);
  fail("no workload ", name);
}

}  // namespace

int main(int count, char** words) {
  const int threads = count > 1 ? std::atoi(words[1]) : 1;
  std::string line, running;
  std::unique_ptr<Workload> workload;
  while (std::getline(std::cin, line)) try {
      std::istringstream in(line);
      std::string what, argument, rest;
      in >> what >> argument >> std::ws;
      std::getline(in, rest);
      if (what == "peak") {
        std::cout << bench::peak<float>() << std::endl;
      } else if (what == "check") {
        std::cout << make(argument, threads)->check(rest) << std::endl;
      } else if (what == "about") {
        const About about = make(argument, threads)->about();
        std::cout << "{\"batch\": " << about.batch << ", \"parameters\": " << about.parameters
                  << ", \"operations\": " << about.operations << "}" << std::endl;
      } else {
        if (what != running) workload = make(running = what, threads);
        std::cout << workload->microseconds(std::stoull(argument)) << std::endl;
      }
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
}
