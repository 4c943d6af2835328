// SPDX-License-Identifier: MIT
// What a rule has before it that says which streams are drawn (grouping/drawing.hpp): the network in training.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/grouping/drawing.hpp>
#include <mtlx/nn/metric.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/sampler.hpp>
#include <mtlx/training/workshop.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training::detail {

inline constexpr std::string_view streams_line = "streams ";

/// The number of streams in a checkpoint's layout text, or 0.
[[gnu::cold, gnu::noinline]] inline std::size_t streams_in(std::string_view text) {
  std::size_t streams = 0;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with(streams_line))
      std::from_chars(line.data() + streams_line.size(), line.data() + line.size(), streams);
  }
  return streams;
}

template <class Rule>
inline constexpr bool keeps_weights = requires { requires Rule::keeps_weights; };

/// What a drawing's numbers need with a network.
template <class Rule, class Learner>
[[gnu::cold]] void keep_streams(Learner& network, const Rule& rule, std::size_t streams) {
  constexpr std::size_t most = 1 << 20;  // what a broken file might say
  if (streams > most) fail("a grouping rule draws from at most ", most, " streams, and there are ", streams);
  network.keep_notes(
      grouping::Drawing::size(streams, rule.memory(streams), keeps_weights<Rule> ? network.parameters().size() : 0));
  network.notes()[5] = static_cast<double>(streams);
}

/// A network's drawing, while it trains.
template <class Model>
class DrawingOf final : public grouping::Drawing {
  using Learner = typename Model::Learner;
  using Data = typename Learner::Data;
  using Scalar = typename Model::Scalar;
  using Rule = std::remove_cvref_t<decltype(std::declval<Model&>().options_.grouping)>;
  using Task = typename Model::TaskList::template At<0>;
  using Judge = typename Model::template Judge<Task>;
  using Metrics = nn::MetricsOf<typename Task::Metric>;
  static constexpr std::size_t metrics = Metrics::names.size();
  static constexpr std::size_t width = static_cast<std::size_t>(Task::outputs);
  // Then that is judged which is used in the end: averages, of which one state of weights may be far off.
  static constexpr bool averages = requires(Learner& network) { network.use_average(); };

 public:
  /// All outlive it. `sampler` draws from the streams of `data` in their order.
  [[gnu::cold]] DrawingOf(Model& model, Learner& network, const Data& data, const Data& validation,
                          const typename Model::FitOptions& options, Sampler& sampler, const optim::Now& time)
      : Drawing(network.notes(), data.streams().size(), model.options_.grouping.memory(data.streams().size()),
                model.options_.seed),
        rule_(std::as_const(model.options_.grouping)),
        backend_(*model.backend_),
        network_(network),
        data_(data),
        validation_(validation),
        options_(options),
        sampler_(sampler),
        time_(time) {
    std::copy(Metrics::names.begin(), Metrics::names.end(), names_.begin());
    names_.back() = "loss";
    if (begun()) sampler_.set_chances(chances());
  }

  /// Before a step's streams are drawn, after it, and after the last step of a fit.
  void begin_step() {
    if (!begun() || due()) look(false);
  }
  void end_step() { note_step(); }
  void end_fit() {
    if constexpr (requires { requires Rule::looks_last; })
      if (begun() && due()) look(true);
  }

  std::span<const std::string_view> judged_by() const override { return names_; }
  [[gnu::cold]] grouping::Judged judge(std::span<const std::size_t> streams) override {
    if constexpr (averages) {
      Learner copy = network_;
      copy.use_average();
      return judge_by(copy, streams, streams.empty());
    } else {
      return judge_by(network_, streams, streams.empty());
    }
  }

  [[gnu::cold]] grouping::Tried try_out(const grouping::Trial& trial) override {
    if (trial.steps == 0) fail("grouping: a rule asked for a trial of 0 steps");
    Learner copy = network_;
    Buffer<Scalar> weights(network_.parameters().size());
    Sampler sampler(data_.sizes(), {options_.batch_size,
                                    Sampling::drawn,
                                    true,
                                    apart(trial.run),
                                    {{trial.chances.begin(), trial.chances.end()}, options_.drawn.draws, trial.steps}});
    sampler.begin(0);
    grouping::Tried tried;
    const std::size_t last = std::clamp<std::size_t>(trial.last, 1, trial.steps);
    // The optimizer's average may go back to before the trial.
    std::vector<double> mean(averages && !trial.judged.empty() ? weights.size() : 0);
    const std::size_t averaged = (trial.steps + 1) / 2;
    for (std::size_t step = 0; step < trial.steps; ++step) {
      const std::span<const Sampler::Part> parts = sampler.next();
      const Step done = copy.step(backend_, data_, parts, {}, {}, time_, options_.augment);
      if (step + averaged >= trial.steps)
        for (std::size_t p = 0; p < mean.size(); ++p)
          mean[p] += static_cast<double>(std::as_const(copy).parameters()[p]) / static_cast<double>(averaged);
      if (step + last < trial.steps) continue;
      tried.after += done.losses[0] / static_cast<double>(last);
      // The same samples, augmented alike, and the same units dropped.
      std::copy(copy.parameters().begin(), copy.parameters().end(), weights.data());
      std::copy(network_.parameters().begin(), network_.parameters().end(), copy.parameters().begin());
      tried.before += copy.losses_now(backend_, data_, done)[0] / static_cast<double>(last);
      std::copy_n(weights.data(), weights.size(), copy.parameters().begin());
    }
    note_measuring(trial.steps);
    for (std::size_t p = 0; p < mean.size(); ++p) copy.parameters()[p] = static_cast<Scalar>(mean[p]);
    if (!trial.judged.empty()) tried.judged = judge_by(copy, trial.judged, false);
    return tried;
  }

  [[gnu::cold]] grouping::Pull pull(std::size_t stream, std::size_t samples, std::uint64_t run,
                                    std::span<double> sketch) override {
    if (stream >= streams()) fail("grouping: a rule asked for the pull of stream ", stream, " of ", streams());
    const auto& from = data_.streams()[stream];
    const std::size_t size = from.inputs->size(), count = std::min(samples, size) / 2;
    if (count == 0) fail("grouping: the pull of stream ", stream, " of ", size, " samples needs two of them or more");
    std::vector<std::size_t> order =
        data::detail::permutation(size, Random(apart(run), Purpose::sample, std::uint64_t{stream}));
    const std::size_t numbers = network_.parameters().size();
    std::array<Buffer<Scalar>, 2> gradients{Buffer<Scalar>(numbers), Buffer<Scalar>(numbers)};
    grouping::Pull pull;
    for (std::size_t half = 0; half < 2; ++half) {
      const std::span<const std::size_t> of(order.data() + half * count, count);
      data::DataSet part;
      part.add(from.inputs->subset(of), {{std::string(Task::name.view()), from.targets[0]->subset(of)}});
      pull.loss += network_.whole_gradient(backend_, part, gradients[half].span()) / 2;
    }
    // A step without its momentum: what the optimizer makes of the gradient less what it makes of none.
    Buffer<Scalar> by(numbers), without(numbers);
    network_.whole_step(backend_, gradients[0].span(), time_, by.span());
    const Buffer<Scalar> none(numbers);
    network_.whole_step(backend_, none.span(), time_, without.span());
    for (std::size_t p = 0; p < numbers; ++p)
      pull.product -=
          (static_cast<double>(by[p]) - static_cast<double>(without[p])) * static_cast<double>(gradients[1][p]);
    if (sketch.empty()) return pull;
    signs_.draw(sketch.size(), numbers, seed());
    std::fill(sketch.begin(), sketch.end(), 0.0);
    for (std::size_t p = 0; p < numbers; ++p)
      signs_.project(p, (static_cast<double>(gradients[0][p]) + static_cast<double>(gradients[1][p])) / 2, sketch);
    return pull;
  }

  [[gnu::cold]] void keep() override {
    const std::span<double> to = room();
    if constexpr (averages) {
      Learner copy = network_;
      copy.use_average();
      std::copy(copy.parameters().begin(), copy.parameters().end(), to.begin());
    } else {
      std::copy(network_.parameters().begin(), network_.parameters().end(), to.begin());
    }
  }
  [[gnu::cold]] void go_back() override {
    const std::span<double> from = room();
    std::transform(from.begin(), from.end(), network_.parameters().begin(),
                   [](double number) { return static_cast<Scalar>(number); });
    if constexpr (averages) network_.begin_average();
  }

 private:
  [[gnu::cold, gnu::noinline]] void look(bool last) {
    if (!begun()) {
      const std::vector<double>& given = options_.drawn.chances;
      if (given.empty())
        std::fill(chances().begin(), chances().end(), 1.0);
      else
        std::copy(given.begin(), given.end(), chances().begin());  // the sampler has found them sound
      note_begin();
    }
    note_look(last);
    rule_.look(*this);
    sampler_.set_chances(chances());
    if (!sound(network_.notes(), streams())) fail("grouping: a rule's groups of streams have numbers from 0 to 2^20");
  }

  // A seed of a rule's own, which differs from step to step.
  std::uint64_t apart(std::uint64_t run) const {
    Random random(seed(), Purpose::group, ~(run << 32 | steps()));
    return std::uint64_t{random.bits()} << 32 | random.bits();
  }

  std::span<double> room() {
    if (weights().empty())
      fail("grouping: a rule that keeps weights says so: `static constexpr bool keeps_weights = true`");
    return weights();
  }

  [[gnu::cold]] grouping::Judged judge_by(Learner& network, std::span<const std::size_t> streams, bool all) {
    const auto& there = validation_.streams();
    if (there.size() != this->streams())
      fail("grouping: the rule judges streams on validation data, which have ", there.size(),
           " streams; expected as many as the training data, ", this->streams());
    grouping::Judged judged;
    judged.streams.assign(streams.begin(), streams.end());
    for (std::size_t s = 0; all && s < there.size(); ++s) judged.streams.push_back(s);
    judged.numbers = names_.size();
    find_clusters();
    judged.clusters = clusters_;
    judged.values.assign(judged.streams.size() * clusters_ * judged.numbers, std::numeric_limits<double>::quiet_NaN());
    std::vector<std::vector<Scalar>> outputs(judged.streams.size());
    for (std::size_t i = 0; i < judged.streams.size(); ++i) {
      if (judged.streams[i] >= there.size())
        fail("grouping: a rule asked to judge stream ", judged.streams[i], " of ", there.size());
      const data::Inputs& inputs = *there[judged.streams[i]].inputs;
      outputs[i].resize(inputs.size() * width);
      network.predict(backend_, inputs, 0, inputs.size(), TaskSet::only(0), {outputs[i].data()});
    }
    backend_.run(judged.streams.size(), [&](std::size_t i, std::size_t) {
      const std::size_t s = judged.streams[i];
      const data::Targets& targets = *there[s].targets[0];
      std::vector<Judge> judges(clusters_);
      std::vector<bool> seen(clusters_);
      for (std::size_t sample = 0; sample < targets.size(); ++sample) {
        const std::size_t c = cluster_of_.empty() ? sample : cluster_of_[s][sample];
        seen[c] = true;
        judges[c].add(targets, sample, 1, outputs[i].data() + sample * width);
      }
      for (std::size_t c = 0; c < clusters_; ++c) {
        if (!seen[c]) continue;
        double* const to = judged.values.data() + (i * clusters_ + c) * judged.numbers;
        const auto values = judges[c].metrics();
        for (std::size_t m = 0; m < metrics; ++m) to[m] = Metrics::directions[m] ? values[m] : -values[m];
        to[metrics] = -judges[c].loss();
      }
    });
    return judged;
  }

  // Clusters are numbered from 0 in the order of their ids; without ids each sample is its own.
  [[gnu::cold]] void find_clusters() {
    if (clusters_ > 0) return;
    if (options_.validation_clusters == nullptr) {
      for (const std::size_t size : validation_.sizes()) clusters_ = std::max(clusters_, size);
      return;
    }
    const data::Clusters& ids = *options_.validation_clusters;
    const std::vector<std::size_t> all = data::distinct(ids, *options_.validation);
    cluster_of_ = ids;
    for (auto& stream : cluster_of_)
      for (std::size_t& id : stream)
        id = static_cast<std::size_t>(std::lower_bound(all.begin(), all.end(), id) - all.begin());
    clusters_ = all.size();
  }

  const Rule& rule_;
  typename std::remove_reference_t<decltype(*std::declval<Model&>().backend_)>& backend_;
  Learner& network_;
  const Data& data_;
  const Data& validation_;
  const typename Model::FitOptions& options_;
  Sampler& sampler_;
  const optim::Now& time_;
  std::array<std::string_view, metrics + 1> names_;
  std::size_t clusters_ = 0;
  data::Clusters cluster_of_;
  Signs signs_;
};

/// What stands there for a rule that draws nothing.
struct NoDrawing {
  NoDrawing(const auto&...) {}
};

template <class Model, bool draws>
struct ChooseDrawing {
  using type = NoDrawing;
};
template <class Model>
struct ChooseDrawing<Model, true> {
  using type = DrawingOf<Model>;
};

}  // namespace mtlx::training::detail
