// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/training/learner.hpp>
#include <mtlx/training/options.hpp>
#include <mtlx/training/policies.hpp>
#include <mtlx/training/scores.hpp>
#include <mtlx/training/summary.hpp>
#include <utility>
#include <vector>

namespace mtlx {

namespace training {

/// The model behind MultiTask, once its template arguments have been found to be sound.
template <class In, class TaskList, class Sharing, class Balancing, class Optimizing, class Grouping, class Back>
class Model;

template <class In, class... Task, class Sharing, class Balancing, class Optimizing, class Grouping, class Back>
class Model<In, Tasks<Task...>, Sharing, Balancing, Optimizing, Grouping, Back> {
 public:
  using TaskList = Tasks<Task...>;
  using Network = typename Sharing::template Network<In::shape, TaskList>;
  using Learner = training::Learner<Network, TaskList, Balancing, Optimizing, Back>;
  using Scalar = typename Back::Scalar;
  static constexpr std::size_t tasks = TaskList::count;

  using Options = ModelOptions<Balancing, Optimizing, Grouping, typename Back::Options>;
  using FitOptions = training::FitOptions<Scalar>;

  /// Draws the first parameters from the seed. Throws `Error` if the options are out of range.
  [[gnu::cold]] explicit Model(Options options = {})
      : options_(std::move(options)), backend_(new Back(options_.backend)) {
    plan_ = options_.grouping.plan(tasks);
    grouping::check_plan(plan_, tasks);
    for (std::size_t g = 0; g < plan_.size(); ++g)
      networks_.emplace_back(plan_[g].members, options_.seed, g, options_.balancer, options_.optimizer);
  }

  /// A copy goes on as the original would; its threads are its own.
  Model(const Model& other)
      : options_(other.options_),
        backend_(new Back(options_.backend)),
        plan_(other.plan_),
        networks_(other.networks_),
        epochs_done_(other.epochs_done_) {}
  /// What was moved from can only be assigned to or destroyed.
  Model(Model&&) noexcept = default;
  Model& operator=(const Model& other) { return *this = Model(other); }
  Model& operator=(Model&&) noexcept = default;
  ~Model() = default;

  /// Trains on the data; called again, goes on with the next epochs' order. Throws `Error` if the data do not fit the
  /// model, an option is out of range, or a loss is not finite.
  [[gnu::cold]] void fit(const data::DataSet& data, const FitOptions& options = {}) {
    const typename Learner::Data bound(data, In::shape, TaskSet::first(tasks));
    for (std::size_t g = 0; g < networks_.size(); ++g) fit(networks_[g], bound, options);
    epochs_done_ += options.epochs;
  }

  /// Loss and metric of every task on the data; a task that the data set has no labels for gets NaN. Throws `Error` if
  /// the data do not fit the model.
  [[gnu::cold]] Scores<TaskList> evaluate(const data::DataSet& data) {
    const typename Learner::Data bound(data, In::shape, {});
    std::tuple<Judge<Task>...> judges;
    for (const auto& stream : bound.streams())
      for_each_block(*stream.inputs, [&](std::size_t first, std::size_t count, const auto& outputs) {
        std::size_t t = 0;
        std::apply(
            [&](auto&... judge) {
              ((stream.targets[t] != nullptr ? judge.add(*stream.targets[t], first, count, outputs[t]) : void(), ++t),
               ...);
            },
            judges);
      });
    return Scores<TaskList>(std::apply([](const auto&... judge) { return std::make_tuple(judge.score()...); }, judges));
  }

  /// Every task's answers. Throws `Error` if the inputs' shape is not the model's.
  [[gnu::cold]] Predictions<TaskList> predict(const data::Inputs& inputs) {
    if (!(inputs.shape() == In::shape))
      fail("predict: the inputs are ", inputs.shape(), ", and the model takes ", In::shape);
    std::array<std::vector<float>, tasks> all;
    for (std::size_t t = 0; t < tasks; ++t) all[t].reserve(inputs.size() * outputs_[t]);
    for_each_block(inputs, [&](std::size_t, std::size_t count, const auto& outputs) {
      for (std::size_t t = 0; t < tasks; ++t)
        for (std::size_t i = 0; i < count * outputs_[t]; ++i) all[t].push_back(static_cast<float>(outputs[t][i]));
    });
    return [&]<std::size_t... t>(std::index_sequence<t...>) {
      return Predictions<TaskList>(
          typename Predictions<TaskList>::All(typename Task::Prediction(std::move(all[t]))...));
    }(std::make_index_sequence<tasks>{});
  }

  /// Layers, shapes, shared and own parameters, multiply-adds, memory.
  [[gnu::cold]] Summary summary() const {
    Summary s;
    Network::for_each_layer(
        [&](TaskSet owners, std::string_view name, Shape in, Shape out, std::size_t parameters, double multiply_adds) {
          std::string owner = owners.count() == tasks && tasks > 1 ? "all" : "";
          if (owner.empty())
            for (std::size_t t = 0; t < tasks; ++t)
              if (owners.has(t))
                owner = owner.empty() ? std::string(TaskList::names[t]) : join(owner, ",", TaskList::names[t]);
          s.layers.push_back({owner, std::string(name), in, out, parameters, multiply_adds});
          s.multiply_adds += multiply_adds;
        });
    s.networks = networks_.size();
    s.parameters = Network::parameters * s.networks;
    s.shared = Network::shared * s.networks;
    s.bytes_sample = Network::memory * sizeof(Scalar);
    s.bytes_model = s.parameters * (1 + Optimizing::states) * sizeof(Scalar);
    s.slice = Learner::Slice::width;
    return s;
  }

  /// Numbers that the model learns, over all its networks.
  std::size_t parameter_count() const { return Network::parameters * networks_.size(); }
  /// The flat parameter vector of one network (one for each group of tasks).
  std::span<Scalar> parameters(std::size_t network = 0) { return networks_.at(network).parameters(); }
  std::span<const Scalar> parameters(std::size_t network = 0) const { return networks_.at(network).parameters(); }
  /// The groups of tasks that train together.
  const std::vector<grouping::Group>& plan() const { return plan_; }

 private:
  static constexpr std::array<std::size_t, tasks> outputs_{static_cast<std::size_t>(Task::outputs)...};
  // Samples that predict hands on at a time: enough for all threads, little enough for the cache.
  static constexpr std::size_t block = 1024;

  // One task's loss and metric, sample after sample, in double.
  template <class T>
  class Judge {
   public:
    void add(const data::Targets& targets, std::size_t first, std::size_t count, const Scalar* outputs) {
      constexpr std::size_t width = static_cast<std::size_t>(T::Loss::targets(T::outputs));
      constexpr std::size_t numbers = static_cast<std::size_t>(T::outputs);
      using Slice = backend::ReferenceSlice;
      for (std::size_t i = 0; i < count; ++i) {
        std::array<float, numbers> z;
        std::array<double, numbers> exact, gradient;
        std::array<double, width> target, there;
        std::array<unsigned char, width> present;
        for (std::size_t j = 0; j < numbers; ++j) {
          exact[j] = static_cast<double>(outputs[i * numbers + j]);
          z[j] = static_cast<float>(outputs[i * numbers + j]);
        }
        for (std::size_t j = 0; j < width; ++j) {
          target[j] = static_cast<double>(targets.row(first + i)[j]);
          present[j] = targets.present(first + i, j) ? 1 : 0;
          there[j] = present[j];
          count_ += there[j];
        }
        loss_ += T::Loss::template evaluate<T::outputs>(
            nn::LossSample<Slice>{{exact.data()}, {target.data()}, {there.data()}, {gradient.data()}, 1.0});
        metric_.add(z, {targets.row(first + i), width}, present);
      }
    }
    typename T::Score score() const {
      return {count_ > 0 ? loss_ / count_ : std::numeric_limits<double>::quiet_NaN(), metric_.value()};
    }

   private:
    double loss_ = 0;
    double count_ = 0;
    typename T::Metric metric_;
  };

  // function(first, count, outputs of each task) for block after block of the inputs.
  template <class Function>
  [[gnu::cold]] void for_each_block(const data::Inputs& inputs, Function&& function) {
    std::array<std::vector<Scalar>, tasks> outputs;
    std::array<Scalar*, tasks> pointers;
    for (std::size_t t = 0; t < tasks; ++t) {
      outputs[t].resize(block * outputs_[t]);
      pointers[t] = outputs[t].data();
    }
    for (std::size_t first = 0; first < inputs.size(); first += block) {
      const std::size_t count = std::min(block, inputs.size() - first);
      for (std::size_t g = 0; g < networks_.size(); ++g)
        networks_[g].predict(*backend_, inputs, first, count, plan_[g].serves, pointers);
      function(first, count, pointers);
    }
  }

  [[gnu::cold]] void fit(Learner& network, const typename Learner::Data& data, const FitOptions& options) {
    // Streams without a label for the network's tasks are not dealt out.
    std::vector<std::size_t> streams, sizes;
    for (std::size_t s = 0; s < data.streams().size(); ++s)
      if (data.streams()[s].labelled.meets(network.members())) {
        streams.push_back(s);
        sizes.push_back(data.streams()[s].inputs->size());
      }
    Sampler sampler(sizes, {options.batch_size, options.sampling, options.shuffle, options_.seed});
    static constexpr std::array<std::string_view, tasks> metrics{Task::Metric::name...};
    Run run{
        TaskList::names, metrics, network.members(), options.epochs, sampler.steps(), 0, options.validation != nullptr};
    for (const std::size_t size : sizes) run.samples += size;
    for (Observer* observer : options.observers) observer->on_begin(run);
    std::vector<Sampler::Part> parts;
    parts.reserve(streams.size());
    for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
      const auto start = std::chrono::steady_clock::now();
      sampler.begin(epochs_done_ + epoch);
      std::array<double, tasks> total{}, steps{};
      for (std::size_t step = 0; step < sampler.steps(); ++step) {
        parts.clear();
        for (const Sampler::Part& part : sampler.next()) parts.push_back({streams[part.stream], part.samples});
        Step now;
        now.epoch = epochs_done_ + epoch;
        now.step = step;
        now = network.step(*backend_, data, parts, now, options.probes);
        for (std::size_t t = 0; t < tasks; ++t)
          if (now.present.has(t)) total[t] += now.losses[t], steps[t] += 1;
        for (Observer* observer : options.observers) observer->on_step(now);
      }
      for (std::size_t t = 0; t < tasks; ++t)
        total[t] = steps[t] > 0 ? total[t] / steps[t] : std::numeric_limits<double>::quiet_NaN();
      Epoch done;
      done.epoch = epochs_done_ + epoch;
      done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      done.losses = total;
      std::array<double, tasks> losses, values;
      if (options.validation != nullptr) {
        const auto scores = evaluate(*options.validation);
        losses = scores.losses();
        values = scores.metrics();
        done.validation_losses = losses;
        done.validation_metrics = values;
      }
      for (Observer* observer : options.observers) observer->on_epoch(done);
    }
    for (Observer* observer : options.observers) observer->on_end();
  }

  Options options_;
  std::unique_ptr<Back> backend_;
  std::vector<grouping::Group> plan_;
  std::vector<Learner> networks_;
  std::size_t epochs_done_ = 0;
};

namespace detail {

template <bool sound, class In, class TaskList, class... Policies>
struct ChooseModel {
  template <Kind kind, class Default>
  using Options = RefusedOptions<PickOr<kind, Default, Policies...>, Default>;
  using type =
      Refused<TaskList, Options<Kind::balancer, balancing::EqualWeights>, Options<Kind::optimizer, optim::Adam>,
              Options<Kind::grouping, grouping::Together>, PickOr<Kind::backend, backend::Cpu<float>, Policies...>>;
};
template <class In, class TaskList, class... Policies>
struct ChooseModel<true, In, TaskList, Policies...> {
  using type =
      Model<In, TaskList, PickOr<Kind::sharing, void, Policies...>,
            PickOr<Kind::balancer, balancing::EqualWeights, Policies...>,
            PickOr<Kind::optimizer, optim::Adam, Policies...>, PickOr<Kind::grouping, grouping::Together, Policies...>,
            PickOr<Kind::backend, backend::Cpu<float>, Policies...>>;
};

template <class In, class TaskList, class... Policies>
using ModelFor = typename ChooseModel<check_model<backend::Cpu<float>, In, TaskList, Policies...>(), In, TaskList,
                                      Policies...>::type;

}  // namespace detail

}  // namespace training

/// A multi-task model: `MultiTask<Input<...>, Tasks<...>, policies...>`. The policies come in any order: exactly one
/// sharing strategy; at most one each of balancer (default EqualWeights), optimizer (Adam), grouping rule (Together) and
/// backend (Cpu<float>).
template <class In, class TaskList, class... Policies>
class MultiTask : public training::detail::ModelFor<In, TaskList, Policies...> {
 public:
  /// The model itself (or, where the arguments were refused, what stands in for it).
  using Base = training::detail::ModelFor<In, TaskList, Policies...>;
  using Base::Base;
};

}  // namespace mtlx
