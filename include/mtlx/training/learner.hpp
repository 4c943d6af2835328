// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mtlx/backend/backend.hpp>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/training/bound_data.hpp>
#include <mtlx/training/learner_base.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/options.hpp>
#include <mtlx/training/sampler.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::training {

/// One network in training on the processor: LearnerBase and the memory of a step, allocated before the first. The way of
/// the data is here: batch, forward, losses, backward, per-task gradients, balancer, one direction, optimizer.
///
/// Determinism: a batch is cut into slices of the backend's width, and these into slots whose number depends on the
/// batch alone. A slot's sums go into a buffer of its own, slice after slice, and buffers are added in order: the same
/// bits whichever thread did what.
template <class Net, class TaskList, class Balancing, class Optimizing, class Back>
class Learner;

template <class Net, class... Task, class Balancing, class Optimizing, class Back>
class Learner<Net, Tasks<Task...>, Balancing, Optimizing, Back>
    : public LearnerBase<Net, Tasks<Task...>, Balancing, Optimizing, typename Back::Scalar> {
  using Base = LearnerBase<Net, Tasks<Task...>, Balancing, Optimizing, typename Back::Scalar>;
  using Base::ask_balancer, Base::check_losses, Base::count_labels, Base::for_each_present, Base::step_draws;
  using Base::balancer_, Base::balancer_states_, Base::batch_samples_, Base::batches, Base::blocks_, Base::counts_;
  using Base::gradients, Base::layout, Base::outputs_of, Base::slot_size, Base::target_count, Base::tasks;
  using Base::in_rows, Base::gram_, Base::losses_, Base::masked, Base::masks, Base::on_representation, Base::remembers,
      Base::states, Base::one_block;
  using Base::members_, Base::optimizer_, Base::optimizer_state_, Base::parameters_, Base::present_, Base::scale_;
  using Base::seed_, Base::segment_steps_, Base::state_, Base::steps_, Base::stream_, Base::weights_;

  using typename Base::Core;
  using typename Base::Strategy;

  // Per-task gradients fill a buffer of `tasks` rows a slot: two slots, where plain ones can afford eight.
  static constexpr std::size_t most_slots = in_rows ? 2 : 8;
  // What one job of a reduction or update covers: large enough to be worth a thread.
  static constexpr std::size_t chunk = 8192;
  // Runs of columns whose Gram matrices are found side by side.
  static constexpr std::size_t gram_parts = on_representation ? 8 : std::clamp<std::size_t>(Net::shared / 2048, 1, 8);
  // Rows that a Gram matrix is found of: the first batch's, and those of the last but one if that is another.
  static constexpr bool crossed = batches > 2;
  static constexpr std::size_t gram_rows = crossed ? 2 * tasks : tasks;
  // Whether what observers see of the Gram matrix is not the last that the balancer saw.
  static constexpr bool seen_apart = gradients && (!one_block || remembers || crossed);

 public:
  using typename Base::Data;
  using typename Base::Part;
  using typename Base::Scalar;
  using Slice = typename Back::template Slice<layout.size>;

  using Base::Base;

  /// One training step on the given samples. `where` names epoch and step; what becomes known is filled in, and stays
  /// valid until the next step. Throws `Error`, parameters unchanged, if a loss is not finite; after the update, if one is
  /// then that a balancer asks for.
  /// `now` says what the optimizer may know of the time; the learner adds its own counts. `augment` changes samples. A
  /// turn may be of some tasks alone: the losses are all tasks', and only these tasks' gradients are followed; what none of
  /// them owns keeps its bits.
  [[gnu::noinline]] Step step(Back& backend, const Data& data, std::span<const Part> parts, Step where,
                              std::span<Probe<Scalar>* const> probes = {}, const optim::Now& now = {},
                              Augmentation<Scalar> augment = {}, Turn turn = {}) {
    augment_ = augment;
    this->epoch_ = where.epoch;
    this->time_ = {now.epoch, now.epochs};
    plan(backend, data, parts);
    if constexpr (on_representation) {
      row_length_ = batch_samples_ * Net::representation.size;
      if (rows_.size() < (tasks + 1) * row_length_) rows_ = Buffer<Scalar>((tasks + 1) * row_length_);
    }
    const TaskSet present = acting_ = present_ & turn.acting;
    if constexpr (Base::holds_still)
      if (steps_ == 0) this->begin_masks(data);
    if (!turn.again) drawn_ = steps_;
    const backend::Draws draws = step_draws(drawn_);
    weights_.fill(0);
    if constexpr (Base::needs == balancing::Needs::losses) {
      run_slots(backend, data, parameters_.data(), draws, false);
      sum_losses();
      check_losses(where);
    }
    if constexpr (!gradients) ask_balancer(present);
    for_each_present(present, [&](std::size_t t, std::size_t) { scale_[t] = this->weight_of(t) / counts_[t]; });
    run_slots(backend, data, parameters_.data(), draws, true, true, present);
    sum_losses();
    check_losses(where);
    if constexpr (on_representation) {
      balance(backend, data, present);
      finish_backward(backend, data, draws);
      reduce(backend);
    } else {
      reduce(backend);
      if constexpr (masked)
        look_at_masks(backend, data, present);
      else if constexpr (masks)
        hold_still(backend, present);
      if constexpr (gradients) balance(backend, data, present);
    }
    if constexpr (masks && on_representation) hold_still(backend, present);
    if constexpr (balancing::weighs_own<Core>) weigh_own();
    where.samples = batch_samples_;
    where.present = present_;
    where.losses = losses_;
    where.weights = weights_;
    where.taken = static_cast<std::size_t>(steps_);
    if constexpr (gradients)
      if (present == present_)
        where.gram = {seen_apart ? seen_gram_.data() : gram_.data(), present.count() * present.count()};
    for (Probe<Scalar>* probe : probes)
      if (probe->wants(where)) {
        Session session(*this, backend, data, parts, draws, where, now);
        probe->look(session);
      }
    if constexpr (balancing::Observes<Core>) this->tell_balancer(present);
    if constexpr (masked) {
      if (!this->masking_.holds(static_cast<std::size_t>(steps_))) update(backend, data, present, now);
    } else {
      update(backend, data, present, now);
    }
    if constexpr (balancing::LooksBack<Core>) look_back(backend, data, draws, where);
    ++steps_;
    return where;
  }

  /// The losses of all tasks on the last step's batch, with its random draws, as they are after it. Valid until the next
  /// step. Throws `Error` if one is not finite.
  std::span<const double> losses_now(Back& backend, const Data& data, const Step& where) {
    run_slots(backend, data, parameters_.data(), step_draws(drawn_), false);
    sum_losses();
    check_losses(where, true);
    return losses_;
  }
  /// Which tasks have a label in a batch.
  TaskSet labels_in(const Data& data, std::span<const Part> parts) {
    count_labels(data, parts);
    return present_;
  }

  /// What a probe would see at the present parameters in a step on these samples; nothing is trained. Backend, data and
  /// samples outlive it, and nothing else is asked of the learner meanwhile. No gradient has been made: gradients are those
  /// of samples to `evaluate_on`.
  [[gnu::cold]] std::unique_ptr<ProbeSession<Scalar>> session(Back& backend, const Data& data,
                                                              std::span<const Part> parts) {
    plan(backend, data, parts);
    if constexpr (Base::holds_still)
      if (steps_ == 0) this->begin_masks(data);
    const backend::Draws draws = step_draws();
    run_slots(backend, data, parameters_.data(), draws, false);
    sum_losses();
    weights_.fill(1);
    Step where;
    where.samples = batch_samples_;
    where.present = present_;
    where.losses = losses_;
    where.weights = weights_;
    where.taken = static_cast<std::size_t>(steps_);
    return std::make_unique<Session>(*this, backend, data, parts, draws, where, optim::Now{});
  }

  /// Of a network of one task: its mean loss on a data set, evaluating, with the gradient on all parameters, to :
  /// (parameters); and how a step along such a gradient would move them, by : (parameters). Nothing is trained.
  [[gnu::cold]] double whole_gradient(Back& backend, const data::DataSet& samples, std::span<Scalar> to)
    requires(tasks == 1)
  {
    const typename Base::OneBatch one(samples);
    plan(backend, one.data, one.parts);
    find_gradients(backend, one.data, {}, false, to.data(), to.data() + Net::shared);
    used_slots_ = std::min<std::size_t>(2, units_.size());  // as many as the gradients went through
    sum_losses();
    return losses_[0];
  }
  [[gnu::cold]] void whole_step(Back& backend, std::span<const Scalar> gradient, const optim::Now& now,
                                std::span<Scalar> by)
    requires(tasks == 1)
  {
    find_step(backend, 0, gradient.data(), now, by.data(), Net::parameters);
  }

  /// As `step`, and done(step) for each step that is over; some backends are late with that until `complete`.
  template <class Done>
  void advance(Back& backend, const Data& data, std::span<const Part> parts, const Step& where,
               std::span<Probe<Scalar>* const> probes, const optim::Now& now, Augmentation<Scalar> augment,
               Done&& done) {
    done(step(backend, data, parts, where, probes, now, augment));
  }
  template <class Done>
  void complete(Done&&) {}
  /// Forgets what it keeps of the data that it trained on.
  void release_data() {}

  /// The outputs of every task in the set for samples [first, first + count) of the inputs: task t's go to
  /// outputs[t] : (count, outputs).
  [[gnu::noinline]] void predict(Back& backend, const data::Inputs& inputs, std::size_t first, std::size_t count,
                                 TaskSet set, const std::array<Scalar*, tasks>& outputs) {
    prepare(backend);
    if constexpr (masked) cover(backend, parameters_.data(), set);
    if constexpr (requires { typename Back::FewSlice; })
      if (count <= Back::few) return predict_few<typename Back::FewSlice>(inputs, first, count, set, outputs);
    const std::size_t slices = (count + width - 1) / width;
    backend.run(slices, [&](std::size_t slice, std::size_t worker) {
      const std::size_t begin = slice * width;
      const std::size_t samples = std::min(width, count - begin);
      Scalar* rows_of = staging(worker);
      for (std::size_t i = 0; i < samples; ++i) inputs.copy(first + begin + i, rows_of + i * inputs.shape().size());
      const auto memory = memory_of(worker);
      Slice::load(rows_of, static_cast<int>(samples), inputs.shape().size(), memory.at(Net::input));
      Net::template forward<Slice>({parameters_.data(), memory, set, {}, false, {}, effective_.data()});
      for (std::size_t t = 0; t < tasks; ++t)
        if (set.has(t))
          Slice::store(memory.at(Net::output[t]), static_cast<int>(samples), outputs_of[t],
                       outputs[t] + begin * outputs_of[t]);
    });
  }

 private:
  static constexpr std::size_t width = static_cast<std::size_t>(Slice::width);
  static constexpr std::size_t memory_stride = layout.size * width;
  // Rows of a slice's inputs or of a task's targets, on their way into lanes.
  static constexpr std::size_t staging_stride = [] {
    std::size_t numbers = std::max(Net::in.size(), *std::max_element(target_count.begin(), target_count.end()));
    if constexpr (on_representation) numbers = std::max(numbers, Net::representation.size);
    return numbers * width;
  }();

  // Some samples of one stream that fit a slice.
  struct Unit {
    std::size_t stream;
    std::span<const std::uint32_t> samples;
    std::uint32_t first;  // position in the batch
    std::uint32_t batch;  // of the batches that the step's is cut into
  };

  // Where gradients go that are no part of the step: rows : (tasks, shared), and the others.
  struct Apart {
    Scalar *rows, *own;

    template <class S>
    sharing::Gradients<S> gradients(std::size_t t) const {
      return {rows + t * Net::shared, own - Net::shared};
    }
  };

  // What a probe sees of a step.
  class Session final : public Base::Session {
   public:
    [[gnu::cold]] Session(Learner& learner, Back& backend, const Data& data, std::span<const Part> parts,
                          backend::Draws draws, const Step& step, const optim::Now& now)
        : Base::Session(learner, step),
          learner_(learner),
          backend_(backend),
          data_(data),
          parts_(parts),
          draws_(draws),
          now_(now) {}
    ~Session() override { Session::evaluate_on(nullptr); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    std::span<const Scalar> parameters() const override { return learner_.parameters(); }
    std::span<const Scalar> gradient(std::size_t task) const override {
      if constexpr (gradients && !on_representation)
        return learner_.row(task);
      else
        return {};
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit) override {
      Buffer<Scalar>& edited = learner_.edited_;
      if (edited.size() == 0) edited = Buffer<Scalar>(Net::parameters);
      std::copy_n(learner_.parameters_.data(), Net::parameters, edited.data());
      edit(edited.span());
      learner_.run_slots(backend_, data(), edited.data(), draws(), false, !other_);
      learner_.sum_losses();
      return learner_.losses_;
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit, const data::DataSet& held_out) override {
      evaluate_on(&held_out);
      losses_at(edit);
      evaluate_on(nullptr);
      return learner_.losses_;
    }

    std::size_t shared() const override { return Net::shared; }
    std::uint64_t seed() const override { return learner_.seed_; }
    double learning_rate() const override {
      return optim::learning_rate(learner_.optimizer_, now_, learner_.optimizer_state_);
    }
    [[gnu::cold]] void evaluate_on(const data::DataSet* samples) override {
      if (other_) {
        other_.reset();
        learner_.plan(backend_, data_, parts_);
      }
      if (samples == nullptr) return;
      other_.emplace(*samples);
      learner_.plan(backend_, other_->data, other_->parts);
    }
    TaskSet present() const override { return learner_.present_; }
    [[gnu::cold]] std::span<const Scalar> task_gradients(std::span<Scalar> room) override {
      if constexpr (gradients_stay && !optim::needs_norm<Optimizing>)
        if (!other_ && learner_.acting_ == learner_.present_) return {learner_.row(0).data(), tasks * Net::shared};
      learner_.find_gradients(backend_, data(), draws(), !other_, room.data());
      return room.first(tasks * Net::shared);
    }
    [[gnu::cold]] void task_step(std::size_t task, std::span<const Scalar> gradient, std::span<Scalar> by) override {
      learner_.find_step(backend_, task, gradient.data(), now_, by.data());
    }
    bool has_gram() const override {
      return gradients && !on_representation && batches == 1 && !this->step().gram.empty();
    }

   private:
    const Data& data() const { return other_ ? other_->data : data_; }
    backend::Draws draws() const { return other_ ? backend::Draws{} : draws_; }

    Learner& learner_;
    Back& backend_;
    const Data& data_;
    std::span<const Part> parts_;
    backend::Draws draws_;
    optim::Now now_;
    std::optional<typename Base::OneBatch> other_;  // what is evaluated on, if not the step's batch
  };
  // Whether the balancer leaves the rows in the slots as they came.
  static constexpr bool gradients_stay =
      gradients && !on_representation && batches == 1 && (!remembers || balancing::ReadsRows<Core>);

  // Everything a step needs, allocated the first time.
  void prepare(Back& backend) {
    if (slots_.size() == 0) slots_ = Buffer<Scalar>(most_slots * slot_size);
    if (memory_.size() != 0) return;
    memory_ = Buffer<Scalar>(backend.workers() * memory_stride);
    staging_ = Buffer<Scalar>(backend.workers() * staging_stride);
    if constexpr (masked) effective_ = Buffer<Scalar>(tasks * Net::shared);
    if constexpr (remembers) chunk_sums_ = Buffer<double>(tasks * (Net::shared / chunk + 1));
  }

  typename Slice::View memory_of(std::size_t worker) { return {memory_.data() + worker * memory_stride}; }
  Scalar* staging(std::size_t worker) { return staging_.data() + worker * staging_stride; }
  Scalar* slot(std::size_t s) { return slots_.data() + s * slot_size; }

  // The same as `predict`, a sample at a time on this thread.
  template <class One>
  [[gnu::noinline]] void predict_few(const data::Inputs& inputs, std::size_t first, std::size_t count, TaskSet set,
                                     const std::array<Scalar*, tasks>& outputs) {
    const typename One::View memory{memory_.data()};
    for (std::size_t i = 0; i < count; ++i) {
      inputs.copy(first + i, staging(0));
      One::load(staging(0), 1, inputs.shape().size(), memory.at(Net::input));
      Net::template forward<One>({parameters_.data(), memory, set, {}, false, {}, effective_.data()});
      for (std::size_t t = 0; t < tasks; ++t)
        if (set.has(t)) One::store(memory.at(Net::output[t]), 1, outputs_of[t], outputs[t] + i * outputs_of[t]);
    }
  }

  // Cuts the batch into units, and counts the labels of each task.
  void plan(Back& backend, const Data& data, std::span<const Part> parts) {
    prepare(backend);
    count_labels(data, parts);
    units_.clear();
    std::size_t position = 0;
    for (const Part& part : parts) {
      if (!data.streams()[part.stream].labelled.meets(members_)) continue;
      for (std::size_t batch = 0; batch < batches; ++batch) {
        const std::size_t end = part.samples.size() * (batch + 1) / batches;
        for (std::size_t begin = part.samples.size() * batch / batches; begin < end; begin += width)
          units_.push_back({part.stream, part.samples.subspan(begin, std::min(width, end - begin)),
                            static_cast<std::uint32_t>(position + begin), static_cast<std::uint32_t>(batch)});
      }
      position += part.samples.size();
    }
    used_slots_ = std::min(most_slots, units_.size());
  }

  // Each present task's gradient on the shared parameters, of what is planned: rows : (tasks, shared). They are found as
  // the slots' rows are, in places of their own. `rest`: where the gradient on the other parameters goes, if it is wanted.
  [[gnu::cold, gnu::noinline]] void find_gradients(Back& backend, const Data& data, backend::Draws draws, bool training,
                                                   Scalar* rows, Scalar* rest = nullptr) {
    constexpr std::size_t size = tasks * Net::shared, own = Net::parameters - Net::shared;
    if (apart_.size() == 0) apart_ = Buffer<Scalar>(size + 2 * own);
    const std::size_t slots = std::min<std::size_t>(2, units_.size());
    const std::array<Apart, 2> to{
        {{rows, rest != nullptr ? rest : apart_.data() + size}, {apart_.data(), apart_.data() + size + own}}};
    for_each_present(present_, [&](std::size_t t, std::size_t) { scale_[t] = 1 / counts_[t]; });
    if constexpr (masked) cover(backend, parameters_.data(), present_);
    backend.run(slots, [&](std::size_t s, std::size_t worker) {
      std::fill_n(to[s].rows, size, Scalar(0));
      std::fill_n(to[s].own, own, Scalar(0));
      slot_losses_[s].fill(0);
      for (std::size_t u = s * units_.size() / slots; u < (s + 1) * units_.size() / slots; ++u)
        run_unit(data, units_[u], parameters_.data(), draws, true, training, s, worker, present_, &to[s]);
    });
    if (slots == 2) {
      backend.run((size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
        const std::size_t begin = job * chunk, count = std::min(chunk, size - begin);
        Back::axpy(1, {to[1].rows + begin, count}, {rows + begin, count});
      });
      if (optim::needs_norm<Optimizing> || rest != nullptr) Back::axpy(1, {to[1].own, own}, {to[0].own, own});
    }
    if constexpr (Base::holds_still)
      for_each_present(present_, [&](std::size_t t, std::size_t) {
        if constexpr (masked) this->masking_.mask(t, 0, {rows + t * Net::shared, Net::shared});
        if constexpr (masks)
          for (std::size_t i = 0; i < Net::shared; ++i)
            rows[t * Net::shared + i] *= this->fixed()[i] > 0 ? Scalar(1) : Scalar(0);
      });
    if constexpr (optim::needs_norm<Optimizing>)
      if (training) {
        own_squares_.fill(0);
        for (const Segment& segment : Net::segments)
          if (segment.offset >= Net::shared)
            for_each_present(present_ & segment.owners, [&](std::size_t t, std::size_t) {
              own_squares_[t] += squares(to[0].own + segment.offset - Net::shared, segment.size);
            });
      }
  }
  static double squares(const Scalar* row, std::size_t size) {
    double square = 0;
    Back::gram({&row, 1}, size, &square);
    return square;
  }

  // How a task's own step along its gradient would move the shared parameters: the optimizer's rule on copies.
  [[gnu::cold, gnu::noinline]] void find_step(Back& backend, std::size_t task, const Scalar* gradient, optim::Now now,
                                              Scalar* by, std::size_t upto = Net::shared) {
    constexpr std::size_t part = 2048, numbers = (1 + states) * part;
    if (moved_.size() == 0) moved_ = Buffer<Scalar>(backend.workers() * numbers);
    if constexpr (optim::needs_norm<Optimizing>)
      now.gradient_norm = std::sqrt(squares(gradient, upto) + (upto == Net::shared ? own_squares_[task] : 0));
    for (std::size_t s = 0; s < Net::segments.size(); ++s) {
      const Segment& segment = Net::segments[s];
      if (segment.offset >= upto) continue;
      if (!segment.owners.has(task)) {
        std::fill_n(by + segment.offset, segment.size, Scalar(0));
        continue;
      }
      now.step = segment_steps_[s] + 1;
      const auto rule = held(optim::rule(optimizer_, now, optimizer_state_));
      backend.run((segment.size + part - 1) / part, [&](std::size_t job, std::size_t worker) {
        const std::size_t begin = segment.offset + job * part;
        const std::size_t count = std::min(part, segment.offset + segment.size - begin);
        Scalar* const copy = moved_.data() + worker * numbers;
        const Scalar* const from = parameters_.data() + begin;
        std::copy_n(from, count, copy);
        for (std::size_t i = 0; i < states; ++i)
          std::copy_n(state_.data() + i * Net::parameters + begin, count, copy + (i + 1) * part);
        if constexpr (masked) {
          const std::span<Scalar> moves(copy + states * part, count);
          this->masking_.note_moving(TaskSet::only(task), begin, moves);
          if constexpr (masks)
            for (std::size_t i = 0; i < count; ++i) moves[i] *= this->fixed()[begin + i];
        }
        Back::template update<states>(count, copy, gradient + begin, states > 0 ? copy + part : nullptr, part, rule);
        for (std::size_t i = 0; i < count; ++i) by[begin + i] = copy[i] - from[i];
      });
    }
  }

  // Forward and, if wanted, backward for the acting tasks over all units. Slot s does a run of neighbouring units.
  void run_slots(Back& backend, const Data& data, const Scalar* parameters, backend::Draws draws, bool learn,
                 bool training = true, TaskSet acting = TaskSet::first(tasks)) {
    if constexpr (masked) cover(backend, parameters, present_);
    backend.run(used_slots_, [&](std::size_t s, std::size_t worker) {
      if (learn) clear_slot(s);
      slot_losses_[s].fill(0);
      for (std::size_t u = s * units_.size() / used_slots_; u < (s + 1) * units_.size() / used_slots_; ++u)
        run_unit(data, units_[u], parameters, draws, learn, training, s, worker, acting);
    });
  }

  void run_unit(const Data& data, const Unit& unit, const Scalar* parameters, backend::Draws draws, bool learn,
                bool training, std::size_t s, std::size_t worker, TaskSet acting, const Apart* apart = nullptr) {
    const auto& stream = data.streams()[unit.stream];
    const TaskSet set = stream.labelled & present_;
    if constexpr (on_representation)
      if (learn && apart == nullptr) clear_rows(unit, set);
    if (set.empty()) return;
    const auto memory = memory_of(worker);
    load(stream, unit, set, memory, staging(worker), training);
    draws.first = unit.first;
    const sharing::NetworkPass<Slice> pass{parameters, memory, set, draws, training, this->time_, effective_.data()};
    if constexpr (masked) {
      // A task after the other: they have the trunk's memory in turns.
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!set.has(t)) continue;
        auto one = pass;
        one.tasks = TaskSet::only(t);
        Net::template forward<Slice>(one);
        find_losses(one.tasks, unit, memory, s);
        if (learn && acting.has(t))
          Net::template backward<Slice>(
              one, apart != nullptr ? apart->template gradients<Slice>(t)
                                    : sharing::Gradients<Slice>{slot(s) + row_offset(t, unit.batch), slot(s)});
      }
    } else {
      Net::template forward<Slice>(pass);
      find_losses(set, unit, memory, s);
      if (!learn) return;
      auto back = pass;
      back.tasks = set & acting;
      if (apart != nullptr) {
        for_each_present(std::exchange(back.tasks, {}), [&](std::size_t t, std::size_t) {
          back.tasks = TaskSet::only(t);
          Net::template backward<Slice>(back, apart->template gradients<Slice>(t));
        });
      } else if (!back.tasks.empty()) {
        backward(back, unit, s);
      }
    }
  }

  void backward(const sharing::NetworkPass<Slice>& pass, const Unit& unit, std::size_t s) {
    if constexpr (gradients) {
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!pass.tasks.has(t)) continue;
        auto one = pass;
        one.tasks = TaskSet::only(t);
        if constexpr (on_representation) {
          Net::template backward_to_representation<Slice>(one, {slot(s), slot(s)});
          Slice::store(pass.memory.at(Net::representation.gradient), static_cast<int>(unit.samples.size()),
                       Net::representation.size, rows_of(unit, t));
        } else {
          Net::template backward<Slice>(one, {slot(s) + row_offset(t, unit.batch), slot(s)});
        }
      }
    } else {
      Net::template backward<Slice>(pass, {slot(s), slot(s)});
    }
  }

  // The losses of a unit's tasks, added to a slot's, and their gradients at the outputs.
  void find_losses(TaskSet set, const Unit& unit, typename Slice::View memory, std::size_t s) {
    sharing::detail::for_each_task<tasks>(set, [&]<std::size_t t>() {
      Base::template loss<Slice, t>(memory, [&] { return typename Slice::Number(static_cast<Scalar>(scale_[t])); });
      std::array<Scalar, width> each{};
      Slice::store(memory.at(layout.loss[t]), static_cast<int>(unit.samples.size()), 1, each.data());
      for (std::size_t i = 0; i < unit.samples.size(); ++i) slot_losses_[s][t] += static_cast<double>(each[i]);
    });
  }

  // Inputs, targets and presence of a unit into the slice's memory. Places without a sample have nothing present.
  void load(const BoundStream<tasks>& stream, const Unit& unit, TaskSet set, typename Slice::View memory,
            Scalar* rows_of, bool training) const {
    const int count = static_cast<int>(unit.samples.size());
    const std::size_t features = stream.inputs->shape().size();
    for (std::size_t i = 0; i < unit.samples.size(); ++i) {
      stream.inputs->copy(unit.samples[i], rows_of + i * features);
      if (!training || !augment_) continue;
      Random random(seed_, Purpose::augment, drawn_ << 32 | (unit.first + i));
      augment_({rows_of + i * features, features}, Net::in, random);
    }
    Slice::load(rows_of, count, features, memory.at(Net::input));
    for (std::size_t t = 0; t < tasks; ++t) {
      if (!set.has(t)) continue;
      const std::size_t n = target_count[t];
      const data::Targets& targets = *stream.targets[t];
      for (std::size_t i = 0; i < unit.samples.size(); ++i) targets.copy(unit.samples[i], rows_of + i * n);
      Slice::load(rows_of, count, n, memory.at(layout.target[t]));
      std::fill_n(rows_of, width * n, Scalar(0));
      for (std::size_t i = 0; i < unit.samples.size(); ++i) {
        const std::uint8_t* mask = targets.mask(unit.samples[i]);
        for (std::size_t j = 0; j < n; ++j)
          rows_of[i * n + j] = mask == nullptr || mask[j] != 0 ? Scalar(1) : Scalar(0);
      }
      Slice::load(rows_of, Slice::width, n, memory.at(layout.present[t]));
    }
  }

  void sum_losses() {
    losses_.fill(0);
    for (std::size_t t = 0; t < tasks; ++t) {
      for (std::size_t s = 0; s < used_slots_; ++s) losses_[t] += slot_losses_[s][t];
      if (counts_[t] > 0) losses_[t] /= counts_[t];
    }
  }

  // Gradients begin at 0; under masks those that are there at all.
  void clear_slot(std::size_t s) {
    if constexpr (masked) {
      std::fill_n(slot(s) + Net::shared, Net::parameters - Net::shared, Scalar(0));
      for (std::size_t batch = 0; batch < batches; ++batch)
        for_each_present(present_, [&](std::size_t t, std::size_t) {
          std::fill_n(slot(s) + row_offset(t, batch), Net::shared, Scalar(0));
        });
    } else {
      std::fill_n(slot(s), slot_size, Scalar(0));
    }
  }

  // Each task's shared parameters under its mask.
  void cover(Back& backend, const Scalar* parameters, TaskSet set) {
    backend.run((Net::shared + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, Net::shared - begin);
      for_each_present(set, [&](std::size_t t, std::size_t) {
        this->masking_.cover(parameters, t, begin, {effective_.data() + t * Net::shared + begin, count});
      });
    });
  }

  // The rule sees the tasks' gradients; what it leaves of them goes into the direction, and says what moves.
  void look_at_masks(Back& backend, const Data& data, TaskSet present) {
    std::array<const Scalar*, tasks> rows{};
    for_each_present(present, [&](std::size_t t, std::size_t) { rows[t] = row(t).data(); });
    this->trained_ = this->trained_ | present;
    this->masking_.step(this->mask_step(data, rows));
    backend.run((Net::shared + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, Net::shared - begin);
      this->choose_moving(present, begin, count);
      const Scalar* const moves = this->moving().data() + begin;
      Scalar* const to = slot(0) + begin;
      std::fill_n(to, count, Scalar(0));
      for_each_present(present, [&](std::size_t t, std::size_t) {
        for (std::size_t batch = 0; batch < batches; ++batch) {
          const std::span<Scalar> gradient = row(t, batch).subspan(begin, count);
          this->masking_.mask(t, begin, gradient);
          if constexpr (masks)
            for (std::size_t i = 0; i < count; ++i) gradient[i] = moves[i] > 0 ? gradient[i] : Scalar(0);
          if constexpr (!gradients) Back::axpy(1, gradient, {to, count});
        }
      });
    });
    if constexpr (masks)
      for (std::size_t i = Net::shared; i < Net::parameters; ++i) this->moving()[i] = this->fixed()[i];
  }

  // The slots' sums, added up in the first slot.
  void reduce(Back& backend) {
    if (used_slots_ < 2) return;
    if constexpr (masked) return reduce_rows(backend);
    backend.run((slot_size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, slot_size - begin);
      for (std::size_t s = 1; s < used_slots_; ++s) Back::axpy(1, {slot(s) + begin, count}, {slot(0) + begin, count});
    });
  }

  // The same without the rows of absent tasks.
  void reduce_rows(Back& backend) {
    backend.run((Net::parameters + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, end = std::min(begin + chunk, Net::parameters);
      for (std::size_t s = 1; s < used_slots_; ++s) {
        if (const std::size_t own = std::max(begin, Net::shared); own < end)
          Back::axpy(1, {slot(s) + own, end - own}, {slot(0) + own, end - own});
        if (begin >= Net::shared) continue;
        const std::size_t count = std::min(end, Net::shared) - begin;
        for (std::size_t batch = 0; batch < batches; ++batch)
          for_each_present(present_, [&](std::size_t t, std::size_t) {
            const std::size_t at = row_offset(t, batch) + begin;
            Back::axpy(1, {slot(s) + at, count}, {slot(0) + at, count});
          });
      }
    });
  }

  // The gradients that are balanced: a row for each task, of the last batch where there are several.
  static constexpr std::size_t row_offset(std::size_t t, std::size_t batch) {
    return Net::parameters + (batch * tasks + t) * Net::shared;
  }
  std::span<Scalar> row(std::size_t t, std::size_t batch = batches - 1) {
    if constexpr (on_representation)
      return {rows_.data() + t * row_length_, row_length_};
    else
      return {slot(0) + row_offset(t, batch), Net::shared};
  }
  // Where what becomes of them goes.
  Scalar* direction() {
    if constexpr (on_representation)
      return rows_.data() + tasks * row_length_;
    else
      return slot(0);
  }

  // From the rows to the direction, block after block.
  void balance(Back& backend, [[maybe_unused]] const Data& data, TaskSet present) {
    if constexpr (batches > 1) make_means(backend, data, present);
    if constexpr (on_representation) blocks_[0].size = row_length_;
    if constexpr (seen_apart) seen_gram_.fill(0);
    std::array<double, tasks> sums{}, asked{};
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Segment& block = blocks_[b];
      const TaskSet set = present & block.owners;
      if (set.empty()) continue;
      fill_gram(backend, block, set);
      if constexpr (seen_apart) note_gram(present, set);
      if constexpr (remembers) absorb(backend, b, set);
      ask_balancer(set, b);
      combine(backend, b, set);
      if constexpr (!one_block)
        for_each_present(set, [&](std::size_t t, std::size_t) { sums[t] += weights_[t], asked[t] += 1; });
    }
    // What is told of the weights are their means.
    if constexpr (!one_block)
      for_each_present(present,
                       [&](std::size_t t, std::size_t) { weights_[t] = asked[t] > 0 ? sums[t] / asked[t] : 0; });
  }

  void fill_gram(Back& backend, const Segment& block, TaskSet set) {
    const std::size_t n = set.count(), rows = crossed ? 2 * n : n;
    const std::size_t parts = std::clamp<std::size_t>(block.size / 2048, 1, gram_parts);
    std::array<const Scalar*, gram_rows> start{};
    for_each_present(set, [&](std::size_t t, std::size_t index) {
      start[index] = row(t, 0).data() + block.offset;
      if constexpr (crossed) start[n + index] = row(t, batches - 2).data() + block.offset;
    });
    backend.run(parts, [&](std::size_t part, std::size_t) {
      const std::size_t begin = part * block.size / parts, end = (part + 1) * block.size / parts;
      std::array<const Scalar*, gram_rows> from{};
      for (std::size_t i = 0; i < rows; ++i) from[i] = start[i] + begin;
      Back::gram({from.data(), rows}, end - begin, gram_of_[part].data());
    });
    for (std::size_t part = 1; part < parts; ++part)
      for (std::size_t i = 0; i < rows * rows; ++i) gram_of_[0][i] += gram_of_[part][i];
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) gram_[i * n + j] = gram_of_[0][i * rows + j + rows - n];
  }

  // A block's Gram matrix, of one batch, goes to what observers see.
  void note_gram(TaskSet present, TaskSet set) {
    const std::size_t n = present.count(), rows = crossed ? 2 * set.count() : set.count();
    std::size_t i = 0;
    for_each_present(present, [&](std::size_t t, std::size_t at) {
      if (!set.has(t)) return;
      std::size_t j = 0;
      for_each_present(present, [&](std::size_t u, std::size_t to) {
        if (set.has(u)) seen_gram_[at * n + to] += gram_of_[0][i * rows + j++];
      });
      ++i;
    });
  }

  // Every batch's rows become gradients of its own mean losses. What they were scaled by is the whole batch's count.
  void make_means(Back& backend, const Data& data, TaskSet present) {
    std::array<std::array<double, tasks>, batches> counts{};
    for (const Unit& unit : units_)
      for_each_present(present, [&](std::size_t t, std::size_t) {
        const data::Targets* targets = data.streams()[unit.stream].targets[t];
        for (const std::uint32_t sample : targets != nullptr ? unit.samples : std::span<const std::uint32_t>())
          counts[unit.batch][t] += static_cast<double>(targets->present_count(sample));
      });
    backend.run((Net::shared + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, Net::shared - begin);
      for (std::size_t batch = 0; batch < batches; ++batch)
        for_each_present(present, [&](std::size_t t, std::size_t) {
          const double factor = counts[batch][t] > 0 ? counts_[t] / counts[batch][t] : 0;
          for (Scalar& number : row(t, batch).subspan(begin, count)) number *= static_cast<Scalar>(factor);
        });
    });
  }

  // The balancer's memory takes in a block of the rows.
  void absorb(Back& backend, std::size_t b, TaskSet set) {
    const Segment& block = blocks_[b];
    const balancing::Problem asked = this->problem(set, b, true);
    const std::size_t chunks = (block.size + chunk - 1) / chunk;
    const auto& state = std::as_const(balancer_states_)[b];
    backend.run(chunks, [&](std::size_t job, std::size_t) {
      const std::size_t begin = block.offset + job * chunk;
      const std::size_t count = std::min(chunk, block.offset + block.size - begin);
      for_each_present(set, [&](std::size_t t, std::size_t i) {
        const std::span<Scalar> memory(this->memory_rows_.data() + t * Net::shared + begin, count);
        const std::span<std::conditional_t<balancing::ReadsRows<Core>, const Scalar, Scalar>> gradient =
            row(t).subspan(begin, count);
        chunk_sums_[i * chunks + job] =
            balancing::core(balancer_).template absorb<Scalar>(asked, state, i, gradient, memory);
      });
    });
    for (std::size_t i = 0; i < set.count(); ++i) {
      this->sums_[i] = 0;
      for (std::size_t job = 0; job < chunks; ++job) this->sums_[i] += chunk_sums_[i * chunks + job];
    }
    if constexpr (!balancing::ReadsRows<Core>) fill_gram(backend, block, set);
  }

  // A block of the direction: the rows' weighted sum, or what the balancer makes of them itself.
  void combine(Back& backend, std::size_t b, TaskSet set) {
    const Segment& block = blocks_[b];
    [[maybe_unused]] const balancing::Problem asked =
        balancing::Combines<Core> ? this->problem(set, b, true) : balancing::Problem{};
    backend.run((block.size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = block.offset + job * chunk;
      const std::span<Scalar> to{direction() + begin, std::min(chunk, block.offset + block.size - begin)};
      if constexpr (balancing::Combines<Core>) {
        std::array<const Scalar*, tasks> rows{};
        for_each_present(set, [&](std::size_t t, std::size_t index) { rows[index] = row(t).data() + begin; });
        balancing::core(balancer_).combine(asked, std::as_const(balancer_states_)[b],
                                           std::span<const Scalar* const>(rows.data(), set.count()), begin, to);
      } else {
        if constexpr (on_representation) std::fill(to.begin(), to.end(), Scalar(0));
        for_each_present(set, [&](std::size_t t, std::size_t) {
          Back::axpy(this->rounded(weights_[t]), row(t).subspan(begin, to.size()), to);
        });
      }
    });
  }

  // A unit's part of a row at the representation.
  Scalar* rows_of(const Unit& unit, std::size_t t) {
    return rows_.data() + t * row_length_ + unit.first * Net::representation.size;
  }
  // Tasks that have no labels in a unit's stream pull at nothing there.
  void clear_rows(const Unit& unit, TaskSet set) {
    for_each_present(present_, [&](std::size_t t, std::size_t) {
      if (!set.has(t)) std::fill_n(rows_of(unit, t), unit.samples.size() * Net::representation.size, Scalar(0));
    });
  }

  // The one backward pass from the representation on, once its direction is known; forward comes again, since slices
  // share their memory.
  void finish_backward(Back& backend, const Data& data, backend::Draws draws) {
    constexpr std::size_t features = Net::representation.size;
    if constexpr (features > 0)
      backend.run(used_slots_, [&](std::size_t s, std::size_t worker) {
        for (std::size_t u = s * units_.size() / used_slots_; u < (s + 1) * units_.size() / used_slots_; ++u) {
          const Unit& unit = units_[u];
          const auto memory = memory_of(worker);
          auto own = draws;
          own.first = unit.first;
          const sharing::NetworkPass<Slice> pass{parameters_.data(), memory, TaskSet(), own, true, this->time_};
          load(data.streams()[unit.stream], unit, TaskSet(), memory, staging(worker), true);
          Net::template forward<Slice>(pass);
          Scalar* const deltas = staging(worker);
          std::copy_n(rows_of(unit, tasks), unit.samples.size() * features, deltas);
          std::fill(deltas + unit.samples.size() * features, deltas + width * features, Scalar(0));
          Slice::load(deltas, Slice::width, features, memory.at(Net::representation.gradient));
          Net::template backward_from_representation<Slice>(pass, {slot(s), slot(s)});
        }
      });
  }

  // What never moves is no part of the problem.
  void hold_still(Back& backend, TaskSet present) {
    backend.run((Net::shared + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, Net::shared - begin);
      const auto keep = [&, moves = this->moving().subspan(begin, count)](Scalar* numbers) {
        for (std::size_t i = 0; i < count; ++i) numbers[i] = moves[i] > 0 ? numbers[i] : Scalar(0);
      };
      keep(slot(0) + begin);
      if constexpr (gradients && !on_representation)
        for (std::size_t batch = 0; batch < batches; ++batch)
          for_each_present(present, [&](std::size_t t, std::size_t) { keep(row(t, batch).data() + begin); });
    });
  }

  // The tasks' own parameters follow their weights, too.
  void weigh_own() {
    std::array<double, tasks> factors = weights_;
    if constexpr (balancing::WeighsOwn<Core>) {
      std::array<double, tasks> own{};
      balancing::core(balancer_).own_weights(this->problem(acting_, 0, true), std::as_const(balancer_states_)[0],
                                             {own.data(), acting_.count()});
      for_each_present(acting_, [&](std::size_t t, std::size_t index) { factors[t] = own[index]; });
    }
    for (const Segment& segment : Net::segments) {
      if (segment.offset < Net::shared) continue;
      for_each_present(acting_ & segment.owners, [&](std::size_t t, std::size_t) {
        for (Scalar& number : std::span(slot(0) + segment.offset, segment.size)) number *= this->rounded(factors[t]);
      });
    }
  }

  // The same batch again, after the update.
  void look_back(Back& backend, const Data& data, backend::Draws draws, const Step& where) {
    const std::array<double, tasks> before = losses_;
    run_slots(backend, data, parameters_.data(), draws, false);
    sum_losses();
    check_losses(where, true);
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      if (const TaskSet set = acting_ & blocks_[b].owners; !set.empty())
        balancing::core(balancer_).after(this->problem(set, b, true), balancer_states_[b]);
    losses_ = before;
  }

  // The length of the direction on the present segments: chunks' squares in double, added up in order.
  double gradient_norm(Back& backend, TaskSet present) {
    double squares = 0;
    for (const Segment& segment : Net::segments) {
      if (!segment.owners.meets(present)) continue;
      const std::size_t chunks = (segment.size + chunk - 1) / chunk;
      backend.run(chunks, [&](std::size_t job, std::size_t) {
        const std::size_t begin = job * chunk;
        const std::span<const Scalar> part{slot(0) + segment.offset + begin, std::min(chunk, segment.size - begin)};
        const Scalar* const row = part.data();
        Back::gram({&row, 1}, part.size(), &chunk_squares_[job]);
      });
      for (std::size_t job = 0; job < chunks; ++job) squares += chunk_squares_[job];
    }
    return std::sqrt(squares);
  }

  // A rule for what may move; what may not keeps its bits, and the optimizer's.
  template <class Rule>
  static auto held(const Rule& rule) {
    if constexpr (!Base::holds_still)
      return rule;
    else
      return [rule](auto& p, auto gradient, auto& row) {
        using Number = decltype(gradient);
        Number moved = p;
        std::array<Number, Optimizing::states> rest;
        for (std::size_t i = 0; i < rest.size(); ++i) rest[i] = row[i];
        rule(moved, gradient, rest);
        const auto moves = row[rest.size()] > Number(0);
        p = select(moves, moved, Number(p));
        for (std::size_t i = 0; i < rest.size(); ++i) row[i] = select(moves, rest[i], Number(row[i]));
      };
  }

  void update(Back& backend, [[maybe_unused]] const Data& data, TaskSet present, optim::Now now) {
    if constexpr (sharing::Regularises<Strategy, Net, Scalar>)
      this->strategy_.template regularise<Net>(std::as_const(parameters_).span(),
                                               sharing::Attendance(present, this->labelled(data)),
                                               std::span(slot(0), Net::parameters));
    if constexpr (optim::needs_norm<Optimizing>) now.gradient_norm = gradient_norm(backend, present);
    for (std::size_t s = 0; s < Net::segments.size(); ++s) {
      const Segment& segment = Net::segments[s];
      if (!segment.owners.meets(present)) continue;
      now.step = ++segment_steps_[s];
      const auto rule = held(optim::rule(optimizer_, now, optimizer_state_));
      backend.run((segment.size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
        const std::size_t begin = segment.offset + job * chunk;
        const std::size_t count = std::min(chunk, segment.offset + segment.size - begin);
        Back::template update<states>(count, parameters_.data() + begin, slot(0) + begin,
                                      states > 0 ? state_.data() + begin : nullptr, Net::parameters, rule);
      });
    }
    if constexpr (sharing::Projects<Strategy, Net, Scalar>)
      this->strategy_.template project<Net>(parameters_.span(), sharing::Attendance(present, this->labelled(data)),
                                            optim::learning_rate(optimizer_, now, optimizer_state_));
  }

  // The step's memory.
  Augmentation<Scalar> augment_;
  Buffer<Scalar> slots_;
  Buffer<Scalar> memory_;
  Buffer<Scalar> staging_;
  std::vector<Unit> units_;
  std::size_t used_slots_ = 0;
  TaskSet acting_;           // present tasks whose gradients this step follows
  std::uint64_t drawn_ = 0;  // the step whose random draws this one has
  std::array<std::array<double, tasks>, most_slots> slot_losses_{};
  std::array<std::array<double, gram_rows * gram_rows>, gradients ? gram_parts : 0> gram_of_{};
  std::array<double, seen_apart ? tasks * tasks : 0> seen_gram_{};
  Buffer<double> chunk_sums_;  // of what the balancer absorbs
  Buffer<Scalar> effective_;   // what each task sees of the shared parameters : (tasks, shared), under masks
  Buffer<Scalar> rows_;        // at the representation: each task's, and the direction : (tasks + 1, samples, features)
  std::size_t row_length_ = 0;
  std::array<double, optim::needs_norm<Optimizing> ? Net::parameters / chunk + 1 : 0> chunk_squares_{};

  // What probes need.
  Buffer<Scalar> edited_, apart_, moved_;
  std::array<double, optim::needs_norm<Optimizing> ? tasks : 0> own_squares_{};
};

}  // namespace mtlx::training
