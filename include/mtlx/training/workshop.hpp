// SPDX-License-Identifier: MIT
// How a model trains for a grouping rule that finds its plan (grouping/workshop.hpp): on a copy of the model, with its
// policies, hyper-parameters and the fit's options, but for files, observers, probes and early stopping.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/grouping/workshop.hpp>
#include <mtlx/training/affinity.hpp>
#include <mtlx/training/checkpoint.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/sampler.hpp>
#include <mtlx/training/search_journal.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::training::detail {

/// How far one network trains, and what an optimizer is told of the time.
struct Course {
  double epochs = 0;                                            ///< planned in all; 0: those of the fit
  std::size_t steps = std::numeric_limits<std::size_t>::max();  ///< and no more
};

/// Takes the first line off a text.
inline std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

inline constexpr std::string_view plan_line = "group ";

/// The plan in a checkpoint's layout text, or none.
[[gnu::cold, gnu::noinline]] inline std::vector<grouping::Group> plan_in(std::string_view text, std::size_t tasks) {
  std::vector<grouping::Group> plan;
  const auto set = [&](std::string_view word) {
    std::uint64_t bits = 0;
    std::from_chars(word.data(), word.data() + word.size(), bits);
    return TaskSet::of_bits(bits);
  };
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!line.starts_with(plan_line)) continue;
    const std::string_view words = line.substr(plan_line.size());
    const std::size_t middle = std::min(words.find(' '), words.size());
    plan.push_back({set(words.substr(0, middle)), set(words.substr(std::min(middle + 1, words.size())))});
  }
  if (!plan.empty()) grouping::check_plan(plan, tasks);
  return plan;
}

/// The state of a network with its place in the training, as text of bytes.
[[gnu::cold, gnu::noinline]] inline std::string placed_state(std::uint64_t epoch, const std::string& state) {
  std::string text(sizeof epoch, '\0');
  std::memcpy(text.data(), &epoch, sizeof epoch);
  return text + state;
}

/// Keeps the states that a rule asks for.
template <class Learner>
class Snapshots final : public Observer {
 public:
  Snapshots(const Learner& network, std::span<const double> shares, std::size_t most, std::uint64_t epoch,
            std::vector<std::string>& to)
      : network_(network), shares_(shares), most_(most), to_(to), epoch_(epoch) {}
  [[gnu::cold]] void on_begin(const Run& run) override {
    all_ = static_cast<double>(std::min(most_, run.epochs * run.steps));
    epoch_steps_ = run.steps;
  }
  void on_step(const Step& step) override {
    ++steps_;
    epoch_ = step.epoch + (step.step + 1 == epoch_steps_ ? 1 : 0);
    // What the end is like is known when the epoch is over.
    while (kept_ < shares_.size() && shares_[kept_] < 1 && static_cast<double>(steps_) >= shares_[kept_] * all_) {
      to_.push_back(placed_state(epoch_, network_.state()));
      ++kept_;
    }
  }
  std::size_t steps() const { return steps_; }
  /// Keeps the end, where that is asked for. Throws `Error` if a share is left that never came.
  [[gnu::cold]] void finish() {
    if (kept_ < shares_.size() && shares_[kept_] == 1) {
      to_.push_back(placed_state(epoch_, network_.state()));
      ++kept_;
    }
    if (kept_ < shares_.size()) fail("grouping: snapshots are at shares that ascend, above 0 and 1 at most");
  }

 private:
  const Learner& network_;
  std::span<const double> shares_;
  std::size_t most_;
  std::vector<std::string>& to_;
  double all_ = 0;
  std::size_t steps_ = 0, kept_ = 0, epoch_steps_ = 0;
  std::uint64_t epoch_;
};

/// Random signs, the rows of a projection: row d has a sign for each of `count` numbers.
class Signs {
 public:
  static constexpr std::size_t word = 64;

  [[gnu::cold]] void draw(std::size_t dimensions, std::size_t count, std::uint64_t seed) {
    if (dimensions == dimensions_ && seed == seed_ && bits_.size() == count * words()) return;
    dimensions_ = dimensions, seed_ = seed;
    bits_.resize(count * words());
    Random random(seed, Purpose::group, 1);
    for (std::uint64_t& bits : bits_) bits = std::uint64_t{random.bits()} << 32 | random.bits();
  }
  /// Whether entry (dimension, i) is negative.
  bool negative(std::size_t dimension, std::size_t i) const {
    return (bits_[i * words() + dimension / word] >> dimension % word & 1) != 0;
  }
  double size() const { return 1 / std::sqrt(static_cast<double>(dimensions_)); }
  /// Adds what number i of a vector is in the projection, to : (dimensions).
  void project(std::size_t i, double number, std::span<double> to) const {
    const double by = number * size();
    for (std::size_t d = 0; d < to.size(); ++d) to[d] += negative(d, i) ? -by : by;
  }

 private:
  std::size_t words() const { return (dimensions_ + word - 1) / word; }

  std::size_t dimensions_ = 0;
  std::uint64_t seed_ = 0;
  std::vector<std::uint64_t> bits_;
};

/// A network of a workshop, held still. `Session` is of the network, and outlives it.
template <class Scalar>
class StillOf final : public grouping::Still {
 public:
  [[gnu::cold]] StillOf(ProbeSession<Scalar>& session, const data::DataSet& seen, const data::DataSet& judge,
                        std::span<const std::string_view> names)
      : session_(session),
        seen_(seen),
        judge_(judge),
        names_(names),
        places_(names.size()),
        room_(names.size() * session.shared()) {
    for (std::size_t s = 0; s < seen.streams().size(); ++s)
      for (std::size_t t = 0; t < names.size(); ++t) {
        const data::Targets* targets = seen.streams()[s].find(names[t]);
        for (std::size_t i = 0; targets != nullptr && i < targets->size(); ++i)
          if (targets->present_count(i) > 0) places_[t].push_back({s, i});
      }
  }

  std::size_t samples(std::size_t task) const override { return places_.at(task).size(); }
  [[gnu::cold]] double sketch(std::size_t task, std::size_t sample, std::uint64_t seed, std::span<double> to) override {
    const auto [s, i] = places_.at(task).at(sample);
    const data::Stream& stream = seen_.streams()[s];
    data::DataSet one;
    one.add(stream.inputs.subset(std::span(&i, 1)),
            {{std::string(names_[task]), stream.find(names_[task])->subset(std::span(&i, 1))}});
    session_.evaluate_on(&one);
    const double loss = session_.losses_at([](std::span<Scalar>) {})[task];
    const std::size_t shared = session_.shared();
    const std::span<const Scalar> gradient = session_.task_gradients(room_.span()).subspan(task * shared, shared);
    signs_.draw(to.size(), shared, seed);
    std::fill(to.begin(), to.end(), 0.0);
    for (std::size_t p = 0; p < shared; ++p) signs_.project(p, static_cast<double>(gradient[p]), to);
    session_.evaluate_on(nullptr);
    return loss;
  }
  [[gnu::cold]] std::span<const double> losses_along(std::uint64_t seed,
                                                     std::span<const double> coefficients) override {
    const std::size_t shared = session_.shared();
    signs_.draw(coefficients.size(), shared, seed);
    return session_.losses_at(
        [&](std::span<Scalar> parameters) {
          for (std::size_t p = 0; p < shared; ++p) {
            double sum = 0;
            for (std::size_t d = 0; d < coefficients.size(); ++d)
              sum += signs_.negative(d, p) ? -coefficients[d] : coefficients[d];
            parameters[p] += static_cast<Scalar>(sum * signs_.size());
          }
        },
        judge_);
  }

 private:
  struct Place {
    std::size_t stream, sample;
  };

  ProbeSession<Scalar>& session_;
  const data::DataSet& seen_;
  const data::DataSet& judge_;
  std::span<const std::string_view> names_;
  std::vector<std::vector<Place>> places_;
  Buffer<Scalar> room_;
  Signs signs_;
};

/// Trains copies of a model for a grouping rule.
template <class Model>
class WorkshopOf final : public grouping::Workshop {
  using Scalar = typename Model::Scalar;
  using Learner = typename Model::Learner;
  using Data = typename Learner::Data;
  using FitOptions = typename Model::FitOptions;
  static constexpr std::size_t count = Model::tasks;

 public:
  /// Model, data and options outlive it, and so does a journal of what was trained before, if there is one.
  [[gnu::cold]] WorkshopOf(const Model& model, const data::DataSet& data, const FitOptions& options,
                           SearchJournal* journal = nullptr)
      : model_(model), seed_(model.options_.seed), data_(data), options_(options), journal_(journal) {
    options_.observers.clear();
    options_.probes.clear();
    options_.validation = nullptr;
    options_.monitor = nullptr;
    options_.early_stopping = {};
    validation_ = options.validation;
    static_cast<void>(Data(data, Model::Network::in, TaskSet::first(count)));  // throws if they don't fit the model
  }

  std::size_t tasks() const override { return count; }
  std::span<const std::string_view> names() const override { return Model::TaskList::names; }
  std::uint64_t seed() const override { return seed_; }
  std::size_t epochs() const override { return options_.epochs; }
  std::size_t steps_in_epoch() const override {
    const Data bound(parts().first, Model::Network::in, {});
    return Sampler(bound.sizes(), {options_.batch_size, options_.sampling, options_.shuffle, 0, options_.drawn})
        .steps();
  }
  bool validates() const override { return validation_ != nullptr; }
  [[gnu::cold]] void hold_out(double share) override {
    if (parts_) fail("grouping: samples are set aside before anything is trained, and once");
    set_aside(share);
  }
  std::size_t steps() const override { return steps_; }

  [[gnu::cold]] grouping::Trained train(const grouping::Training& training) override {
    static_cast<void>(parts());
    if (training.members.empty()) fail("grouping: a rule asked to train no task");
    if (!((training.members | TaskSet::first(count)) == TaskSet::first(count)))
      fail("grouping: a rule asked to train a task that the model does not have");
    grouping::Affinities* const seen = training.watch != nullptr ? training.watch->record() : nullptr;
    if (journal_ == nullptr || (training.watch != nullptr && seen == nullptr)) return train_anew(training);
    Kept kept;
    kept.asked = asked_for(training, training.epochs > 0 ? training.epochs : options_.epochs, held_out_);
    if (journal_->take(kept.asked, kept)) {
      if (seen != nullptr) give_back(kept, count, *seen);
      steps_ += kept.steps;
      return std::move(kept.trained);
    }
    const std::size_t steps = steps_, looks = seen != nullptr ? seen->looks() : 0;
    kept.trained = train_anew(training);
    kept.steps = steps_ - steps;
    if (seen != nullptr) keep_looks(*seen, looks, kept);
    journal_->add(kept);
    return std::move(kept.trained);
  }

  [[gnu::cold]] grouping::Still& still(const std::string& state, TaskSet members) override {
    if constexpr (requires { model_.networks_[0].session(*model_.backend_, bound_, batch_); }) {
      const data::DataSet& seen = parts().first;
      begin(members, 0, &state);
      still_.reset();
      bound_ = Data(seen, Model::Network::in, {});
      // A step's batch is asked for, and a single sample is one.
      first_ = 0;
      batch_.clear();
      for (std::size_t s = 0; s < bound_.streams().size(); ++s) batch_.push_back({s, std::span(&first_, 1)});
      session_ = model_.networks_[0].session(*model_.backend_, bound_, batch_);
      still_ = std::make_unique<StillOf<Scalar>>(*session_, seen,
                                                 validation_ != nullptr ? *validation_ : parts().second, names());
      return *still_;
    } else {
      fail("grouping: on a device there are no per-sample gradients; plan on the processor, backend::Cpu");
    }
  }

 private:
  [[gnu::cold]] void set_aside(double share) const {
    held_out_ = share;
    if (share == 0) {
      if (validation_ == nullptr)
        fail("grouping: without samples set aside a plan is judged on validation data, and none are given");
      parts_.emplace(data_, data::DataSet());
      return;
    }
    auto parts = data::split(data_, share, seed_ ^ std::uint64_t{0x67726f7570});
    parts_.emplace(std::move(parts.second), std::move(parts.first));
  }
  // What is trained on, and what is set aside.
  const std::pair<data::DataSet, data::DataSet>& parts() const {
    if (!parts_) set_aside(validation_ != nullptr ? 0 : 0.1);
    return *parts_;
  }
  Data judge() const { return Data(validation_ != nullptr ? *validation_ : parts().second, Model::Network::in, {}); }
  [[gnu::cold]] grouping::Trained train_anew(const grouping::Training& training) {
    const auto& [seen, aside] = parts();
    const TaskSet members = training.members;
    still_.reset();
    session_.reset();
    begin(members, training.run, training.from);
    Learner& network = model_.networks_[0];
    const Data bound(seen, Model::Network::in, {});
    FitOptions options = options_;
    Course course{static_cast<double>(options_.epochs)};
    if (training.epochs > 0) options.epochs = training.epochs, course.epochs = static_cast<double>(training.epochs);
    if (training.steps > 0)
      course.steps = training.steps, options.epochs = training.steps;  // an epoch is a step or more
    grouping::Trained result;
    Snapshots<Learner> snapshots(network, training.snapshots, course.steps, model_.epochs_done_, result.states);
    options.observers.push_back(&snapshots);
    std::optional<AffinityProbe<Scalar>> probe;
    if (training.watch != nullptr) {
      probe.emplace(*training.watch, aside.streams().empty() ? nullptr : &aside);
      options.probes.push_back(&*probe);
    }
    Checkpoint run = model_.start();
    if constexpr (Model::searches)
      if (training.from == nullptr) steps_ += model_.find_masks(0, bound, judge(), options);
    model_.train(0, bound, Data(), options, run, nullptr, course);
    steps_ += result.steps = snapshots.steps();
    snapshots.finish();
    const auto scores = model_.score(judge(), &network);
    result.losses.assign(count, std::numeric_limits<double>::quiet_NaN());
    result.scores = result.losses;
    for (std::size_t t = 0; t < count; ++t)
      if (members.has(t)) {
        result.losses[t] = scores.losses()[t];
        result.scores[t] = Model::higher_[t] ? scores.metrics()[t] : -scores.metrics()[t];
      }
    return result;
  }
  // The model becomes one network of these tasks, at its beginning or in a state.
  void begin(TaskSet members, std::uint64_t run, const std::string* from) {
    model_.options_.seed = seed_ + run * std::uint64_t{0x9e3779b97f4a7c15};
    model_.set_plan({{TaskSet::first(count), TaskSet::first(count)}});
    model_.plan_ = {{members, members}};
    model_.networks_.clear();
    model_.networks_.emplace_back(members, model_.options_.seed, 0, model_.options_.balancer, model_.options_.optimizer,
                                  model_.options_.sharing);
    if (from == nullptr) return;
    std::uint64_t epoch = 0;
    if (from->size() != sizeof epoch + model_.networks_[0].state().size())
      fail("grouping: a training begins with a state that is not of this model");
    std::memcpy(&epoch, from->data(), sizeof epoch);
    model_.epochs_done_ = epoch;
    model_.networks_[0].restore(from->substr(sizeof epoch));
  }

  Model model_;
  std::uint64_t seed_;
  const data::DataSet& data_;
  const data::DataSet* validation_ = nullptr;
  FitOptions options_;
  SearchJournal* journal_;
  mutable std::optional<std::pair<data::DataSet, data::DataSet>> parts_;  // made when they are first asked for
  mutable double held_out_ = 0;
  std::size_t steps_ = 0;
  // The network that is held still.
  Data bound_;
  std::uint32_t first_ = 0;
  std::vector<Sampler::Part> batch_;
  std::unique_ptr<ProbeSession<Scalar>> session_;
  std::unique_ptr<StillOf<Scalar>> still_;
};

}  // namespace mtlx::training::detail
