// SPDX-License-Identifier: MIT
// What a measure of affinity (grouping/affinity.hpp) sees of a training: a moment of it. The step of a task alone is
//   Delta_i = u(theta, grad L_i) - theta             u: the optimizer's next update, with its momentum, scaling and schedule
//   Delta_i = -(learning rate) grad L_i              for StepKind::gradient
// on the shared parameters; heads stay. grad L_i is that of the step's batch, with its dropout draws, whatever the balancer
// makes of it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/backend/cpu_gram.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/grouping/affinity.hpp>
#include <mtlx/training/observer.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::training {
inline namespace MTLX_ISA {

/// Lets a grouping::Watch look on in a training:
///   grouping::Watching<grouping::Lookahead> watch;
///   training::AffinityProbe<Model::Scalar> probe(watch, &held_out);
///   model.fit(train, {.probes = {&probe}});
/// The training goes on to the same bits as without it. Losses are evaluated as the watch asks: on the step's own batch, as
/// it is trained on (dropout draws and augmentation too), or on samples that are set aside, new ones in each look, drawn
/// from the seed and the step alone, evaluating. What was set aside must not be trained on.
template <class Scalar>
class AffinityProbe final : public Probe<Scalar> {
 public:
  /// `held_out`: samples that are not trained on; not looked at by a watch that evaluates on the step's batch. `samples`: of
  /// each of its streams in a look; 0: as many as the step's batch has. Both outlive the probe. Throws `Error` if the watch
  /// wants held-out samples and there are none.
  [[gnu::cold]] explicit AffinityProbe(grouping::Watch& watch, const data::DataSet* held_out = nullptr,
                                       std::size_t samples = 0)
      : watch_(&watch), samples_(samples) {
    if (watch.evaluation() == grouping::Evaluation::same_batch) return;
    if (held_out == nullptr || held_out->streams().empty())
      fail(
          "affinities are to be evaluated on held-out samples, and none are given: AffinityProbe probe(watch, "
          "&held_out), or a watch with Evaluation::same_batch");
    held_out_ = held_out;
    for (const data::Stream& stream : held_out->streams()) {
      orders_.emplace_back(stream.inputs.size());
      for (std::size_t i = 0; i < orders_.back().size(); ++i) orders_.back()[i] = i;
    }
  }

  bool wants(const Step& step) override { return watch_->wants(step.taken); }
  [[gnu::cold]] void look(ProbeSession<Scalar>& session) override {
    data::DataSet drawn;
    if (held_out_ != nullptr) drawn = draw(session);
    Moment moment(*this, session, held_out_ != nullptr ? &drawn : nullptr);
    watch_->look(moment);
  }

 private:
  static constexpr std::size_t most = TaskSet::capacity;

  // The look's samples: the same for a seed and a step, whatever was drawn before.
  [[gnu::cold]] data::DataSet draw(const ProbeSession<Scalar>& session) {
    data::DataSet drawn;
    for (std::size_t s = 0; s < orders_.size(); ++s) {
      std::vector<std::size_t>& order = orders_[s];
      const std::size_t count = std::min(order.size(), samples_ > 0 ? samples_ : session.step().samples);
      // Counted from the far end, so that these streams don't meet those of sampling.
      Random random(session.seed(), Purpose::sample, ~(std::uint64_t{session.step().taken} << 16 | s));
      std::vector<std::size_t> swaps(count);
      for (std::size_t i = 0; i < count; ++i) {
        swaps[i] = i + random.below(static_cast<std::uint32_t>(order.size() - i));
        std::swap(order[i], order[swaps[i]]);
      }
      std::vector<std::size_t> samples(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
      for (std::size_t i = count; i-- > 0;) std::swap(order[i], order[swaps[i]]);
      std::sort(samples.begin(), samples.end());
      data::detail::add_part(drawn, held_out_->streams()[s], samples);
    }
    return drawn;
  }

  class Moment final : public grouping::Moment {
   public:
    Moment(AffinityProbe& probe, ProbeSession<Scalar>& session, const data::DataSet* drawn)
        : probe_(probe),
          session_(session),
          drawn_(drawn),
          tasks_(session.step().losses.size()),
          shared_(session.shared()),
          present_(session.step().present) {
      if (shared_ == 0) fail("affinities are of steps on parameters that tasks share, and this model has none");
      if (drawn_ == nullptr) return;
      session_.evaluate_on(drawn_);
      present_ = present_ & session_.present();
      on_drawn_ = true;
    }
    ~Moment() override { session_.evaluate_on(nullptr); }
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;

    std::size_t tasks() const override { return tasks_; }
    TaskSet present() const override { return present_; }
    std::size_t step() const override { return session_.step().taken; }
    std::uint64_t seed() const override { return session_.seed(); }

    std::span<const double> losses() override {
      if (drawn_ == nullptr) return session_.step().losses;
      if (losses_.empty()) {
        turn(true);
        const std::span<const double> found = session_.losses_at([](std::span<Scalar>) {});
        losses_.assign(found.begin(), found.end());
      }
      return losses_;
    }
    std::span<const double> losses_after(std::span<const double> amounts) override {
      for (std::size_t t = 0; t < tasks_; ++t)
        if (amounts[t] != 0) need_move(t);
      turn(drawn_ != nullptr);
      return session_.losses_at([&](std::span<Scalar> parameters) {
        for (std::size_t t = 0; t < tasks_; ++t) {
          if (amounts[t] == 0) continue;
          const auto amount = static_cast<Scalar>(amounts[t]);
          const Scalar* const by = move_of(t);
          for (std::size_t i = 0; i < shared_; ++i) parameters[i] += amount * by[i];
        }
      });
    }
    double fall(std::size_t affected, std::size_t acting) override {
      if (drawn_ == nullptr) return batch_fall(affected, acting);
      if (falls_.empty()) {
        need_moves();
        turn(true);
        falls_ = across(session_.task_gradients(room(probe_.there_)));
      }
      return falls_[affected * tasks_ + acting];
    }
    std::span<const double> batch_losses() override { return session_.step().losses; }
    double batch_fall(std::size_t affected, std::size_t acting) override {
      if (plain()) return session_.learning_rate() * product(affected, acting);
      if (batch_falls_.empty()) {
        need_moves();
        need_gradients();
        batch_falls_ = across(gradients_);
      }
      return batch_falls_[affected * tasks_ + acting];
    }
    double cosine(std::size_t a, std::size_t b) override {
      const double square = product(a, a) * product(b, b);
      if (!(square > 0)) return std::numeric_limits<double>::quiet_NaN();
      return std::clamp(product(a, b) / std::sqrt(square), -1.0, 1.0);
    }

   private:
    bool plain() const { return probe_.watch_->step_kind() == grouping::StepKind::gradient; }
    // On the drawn samples or on the step's batch.
    void turn(bool drawn) {
      if (std::exchange(on_drawn_, drawn) != drawn) session_.evaluate_on(drawn ? drawn_ : nullptr);
    }
    std::span<Scalar> room(Buffer<Scalar>& buffer) const {
      if (buffer.size() < tasks_ * shared_) buffer = Buffer<Scalar>(tasks_ * shared_);
      return buffer.span().first(tasks_ * shared_);
    }
    const Scalar* move_of(std::size_t t) const { return probe_.moves_.data() + t * shared_; }

    // The step's gradients last until another pass: whoever needs them asks, and what is made of them is kept.
    void need_gradients() {
      if (!gradients_.empty()) return;
      turn(false);
      gradients_ = session_.task_gradients(room(probe_.here_));
    }
    void need_move(std::size_t t) {
      if (moved_.has(t)) return;
      if (!session_.step().present.has(t)) fail("affinity: task ", t, " has no step, for it has no label in the batch");
      need_gradients();
      const std::span<const Scalar> gradient = gradients_.subspan(t * shared_, shared_);
      const std::span<Scalar> by = room(probe_.moves_).subspan(t * shared_, shared_);
      if (plain()) {
        const auto rate = static_cast<Scalar>(session_.learning_rate());
        for (std::size_t i = 0; i < shared_; ++i) by[i] = -rate * gradient[i];
      } else {
        session_.task_step(t, gradient, by);
      }
      moved_ = moved_.with(t);
    }
    void need_moves() {
      for (std::size_t t = 0; t < tasks_; ++t)
        if (present_.has(t)) need_move(t);
    }
    // Inner products of the step's gradients : (tasks, tasks).
    double product(std::size_t a, std::size_t b) {
      if (products_.empty()) {
        if (session_.has_gram()) {
          products_.resize(tasks_ * tasks_);
          const TaskSet seen = session_.step().present;
          const double* next = session_.step().gram.data();
          for (std::size_t i = 0; i < tasks_; ++i)
            for (std::size_t j = 0; j < tasks_; ++j)
              if (seen.has(i) && seen.has(j)) products_[i * tasks_ + j] = *next++;
        } else {
          need_gradients();
          products_ = all_products(gradients_, gradients_.data());
        }
      }
      return products_[a * tasks_ + b];
    }
    // Minus the inner products of gradients and moves : (affected, acting).
    std::vector<double> across(std::span<const Scalar> gradients) const {
      std::vector<double> found = all_products(gradients, probe_.moves_.data());
      for (double& number : found) number = -number;
      return found;
    }
    [[gnu::cold, gnu::noinline]] std::vector<double> all_products(std::span<const Scalar> a, const Scalar* b) const {
      std::array<const Scalar*, most> left{}, right{};
      std::array<std::size_t, most> task{};
      std::size_t count = 0;
      for (std::size_t t = 0; t < tasks_; ++t) {
        if (!present_.has(t)) continue;
        left[count] = a.data() + t * shared_;
        right[count] = b + t * shared_;
        task[count++] = t;
      }
      std::vector<double> some(count * count), found(tasks_ * tasks_);
      backend::GramProduct<Scalar>::across({left.data(), count}, {right.data(), count}, shared_, some.data());
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < count; ++j) found[task[i] * tasks_ + task[j]] = some[i * count + j];
      return found;
    }

    AffinityProbe& probe_;
    ProbeSession<Scalar>& session_;
    const data::DataSet* drawn_;
    std::size_t tasks_, shared_;
    TaskSet present_, moved_;
    bool on_drawn_ = false;
    std::span<const Scalar> gradients_;
    std::vector<double> losses_, falls_, batch_falls_, products_;
  };

  grouping::Watch* watch_;
  std::size_t samples_;
  const data::DataSet* held_out_ = nullptr;
  std::vector<std::vector<std::size_t>> orders_;  // of each stream's samples; always from 0 on between two looks
  Buffer<Scalar> here_, there_, moves_;           // (tasks, shared): gradients on the batch and on others, steps
};

}  // namespace MTLX_ISA
}  // namespace mtlx::training
