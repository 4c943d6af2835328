// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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
  using Base::balancer_, Base::balancer_state_, Base::batch_samples_, Base::counts_, Base::gram_, Base::losses_;
  using Base::gradients, Base::layout, Base::outputs_of, Base::slot_size, Base::target_count, Base::tasks;
  using Base::members_, Base::optimizer_, Base::optimizer_state_, Base::parameters_, Base::present_, Base::scale_;
  using Base::seed_, Base::segment_steps_, Base::state_, Base::steps_, Base::stream_, Base::weights_;

  // Per-task gradients fill a buffer of `tasks` rows a slot: two slots, where plain ones can afford eight.
  static constexpr std::size_t most_slots = gradients ? 2 : 8;
  // What one job of a reduction or update covers: large enough to be worth a thread.
  static constexpr std::size_t chunk = 8192;
  // Runs of columns whose Gram matrices are found side by side.
  static constexpr std::size_t gram_parts = std::clamp<std::size_t>(Net::shared / 2048, 1, 8);

 public:
  using typename Base::Data;
  using typename Base::Part;
  using typename Base::Scalar;
  using Slice = typename Back::template Slice<layout.size>;

  using Base::Base;

  /// One training step on the given samples. `where` names epoch and step; what becomes known is filled in, and stays
  /// valid until the next step. Throws `Error`, parameters unchanged, if a loss is not finite.
  /// `now` says what the optimizer may know of the time; the learner adds its own counts. `augment` changes samples.
  [[gnu::noinline]] Step step(Back& backend, const Data& data, std::span<const Part> parts, Step where,
                              std::span<Probe<Scalar>* const> probes = {}, const optim::Now& now = {},
                              Augmentation<Scalar> augment = {}) {
    augment_ = augment;
    plan(backend, data, parts);
    const TaskSet present = present_;
    const backend::Draws draws = step_draws();
    weights_.fill(0);
    if constexpr (Balancing::needs == balancing::Needs::losses) {
      run_slots(backend, data, parameters_.data(), draws, false);
      sum_losses();
      check_losses(where);
    }
    if constexpr (!gradients) ask_balancer(present);
    for_each_present(present, [&](std::size_t t, std::size_t) { scale_[t] = this->weight_of(t) / counts_[t]; });
    run_slots(backend, data, parameters_.data(), draws, true);
    sum_losses();
    check_losses(where);
    reduce(backend);

    if constexpr (gradients) {
      fill_gram(backend, present);
      ask_balancer(present);
      combine(backend, present);
    }
    where.samples = batch_samples_;
    where.present = present;
    where.losses = losses_;
    where.weights = weights_;
    if constexpr (gradients) where.gram = {gram_.data(), present.count() * present.count()};
    for (Probe<Scalar>* probe : probes)
      if (probe->wants(where)) {
        Session session(*this, backend, data, parts, draws, where);
        probe->look(session);
      }
    update(backend, present, now);
    ++steps_;
    return where;
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
    const std::size_t slices = (count + width - 1) / width;
    backend.run(slices, [&](std::size_t slice, std::size_t worker) {
      const std::size_t begin = slice * width;
      const std::size_t samples = std::min(width, count - begin);
      Scalar* rows_of = staging(worker);
      for (std::size_t i = 0; i < samples; ++i) inputs.copy(first + begin + i, rows_of + i * inputs.shape().size());
      const auto memory = memory_of(worker);
      Slice::load(rows_of, static_cast<int>(samples), inputs.shape().size(), memory.at(Net::input));
      Net::template forward<Slice>({parameters_.data(), memory, set, {}, false});
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
  static constexpr std::size_t staging_stride =
      std::max(Net::in.size(), *std::max_element(target_count.begin(), target_count.end())) * width;

  // Some samples of one stream that fit a slice.
  struct Unit {
    std::size_t stream;
    std::span<const std::uint32_t> samples;
    std::uint32_t first;  // position in the batch
  };

  // What a probe sees of a step.
  class Session final : public Base::Session {
   public:
    [[gnu::cold]] Session(Learner& learner, Back& backend, const Data& data, std::span<const Part> parts,
                          backend::Draws draws, const Step& step)
        : Base::Session(learner, step),
          learner_(learner),
          backend_(backend),
          data_(data),
          parts_(parts),
          draws_(draws),
          edited_(Net::parameters) {}

    std::span<const Scalar> parameters() const override { return learner_.parameters(); }
    std::span<const Scalar> gradient(std::size_t task) const override {
      if constexpr (gradients)
        return {learner_.slot(0) + Net::parameters + task * Net::shared, Net::shared};
      else
        return {};
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit) override {
      look(data_, edit, draws_, true);
      return learner_.losses_;
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit, const data::DataSet& held_out) override {
      Base::Session::as_one_batch(held_out, [&](const Data& data, std::span<const Part> all) {
        learner_.plan(backend_, data, all);
        look(data, edit, {}, false);
      });
      learner_.plan(backend_, data_, parts_);  // back to the step's batch
      return learner_.losses_;
    }

   private:
    void look(const Data& data, const Edit<Scalar>& edit, backend::Draws draws, bool training) {
      std::copy_n(learner_.parameters_.data(), Net::parameters, edited_.data());
      edit(edited_.span());
      learner_.run_slots(backend_, data, edited_.data(), draws, false, training);
      learner_.sum_losses();
    }

    Learner& learner_;
    Back& backend_;
    const Data& data_;
    std::span<const Part> parts_;
    backend::Draws draws_;
    Buffer<Scalar> edited_;
  };

  // Everything a step needs, allocated the first time.
  void prepare(Back& backend) {
    if (slots_.size() == 0) slots_ = Buffer<Scalar>(most_slots * slot_size);
    if (memory_.size() != 0) return;
    memory_ = Buffer<Scalar>(backend.workers() * memory_stride);
    staging_ = Buffer<Scalar>(backend.workers() * staging_stride);
  }

  typename Slice::View memory_of(std::size_t worker) { return {memory_.data() + worker * memory_stride}; }
  Scalar* staging(std::size_t worker) { return staging_.data() + worker * staging_stride; }
  Scalar* slot(std::size_t s) { return slots_.data() + s * slot_size; }

  // Cuts the batch into units, and counts the labels of each task.
  void plan(Back& backend, const Data& data, std::span<const Part> parts) {
    prepare(backend);
    count_labels(data, parts);
    units_.clear();
    std::size_t position = 0;
    for (const Part& part : parts) {
      if (!data.streams()[part.stream].labelled.meets(members_)) continue;
      for (std::size_t begin = 0; begin < part.samples.size(); begin += width)
        units_.push_back({part.stream, part.samples.subspan(begin, std::min(width, part.samples.size() - begin)),
                          static_cast<std::uint32_t>(position + begin)});
      position += part.samples.size();
    }
    used_slots_ = std::min(most_slots, units_.size());
  }

  // Forward and, if wanted, backward over all units. Slot s does a run of neighbouring units.
  void run_slots(Back& backend, const Data& data, const Scalar* parameters, backend::Draws draws, bool learn,
                 bool training = true) {
    backend.run(used_slots_, [&](std::size_t s, std::size_t worker) {
      if (learn) std::fill_n(slot(s), slot_size, Scalar(0));
      slot_losses_[s].fill(0);
      for (std::size_t u = s * units_.size() / used_slots_; u < (s + 1) * units_.size() / used_slots_; ++u)
        run_unit(data, units_[u], parameters, draws, learn, training, s, worker);
    });
  }

  void run_unit(const Data& data, const Unit& unit, const Scalar* parameters, backend::Draws draws, bool learn,
                bool training, std::size_t s, std::size_t worker) {
    const auto& stream = data.streams()[unit.stream];
    const TaskSet set = stream.labelled & present_;
    if (set.empty()) return;
    const auto memory = memory_of(worker);
    load(stream, unit, set, memory, staging(worker), training);
    draws.first = unit.first;
    const sharing::NetworkPass<Slice> pass{parameters, memory, set, draws, training};
    Net::template forward<Slice>(pass);
    sharing::detail::for_each_task<tasks>(set, [&]<std::size_t t>() {
      Base::template loss<Slice, t>(memory, [&] { return typename Slice::Number(static_cast<Scalar>(scale_[t])); });
      std::array<Scalar, width> each{};
      Slice::store(memory.at(layout.loss[t]), static_cast<int>(unit.samples.size()), 1, each.data());
      for (std::size_t i = 0; i < unit.samples.size(); ++i) slot_losses_[s][t] += static_cast<double>(each[i]);
    });
    if (!learn) return;
    if constexpr (gradients) {
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!set.has(t)) continue;
        auto one = pass;
        one.tasks = TaskSet::only(t);
        Net::template backward<Slice>(one, {slot(s) + Net::parameters + t * Net::shared, slot(s)});
      }
    } else {
      Net::template backward<Slice>(pass, {slot(s), slot(s)});
    }
  }

  // Inputs, targets and presence of a unit into the slice's memory. Places without a sample have nothing present.
  void load(const BoundStream<tasks>& stream, const Unit& unit, TaskSet set, typename Slice::View memory,
            Scalar* rows_of, bool training) const {
    const int count = static_cast<int>(unit.samples.size());
    const std::size_t features = stream.inputs->shape().size();
    for (std::size_t i = 0; i < unit.samples.size(); ++i) {
      stream.inputs->copy(unit.samples[i], rows_of + i * features);
      if (!training || !augment_) continue;
      Random random(seed_, Purpose::augment, steps_ << 32 | (unit.first + i));
      augment_({rows_of + i * features, features}, Net::in, random);
    }
    Slice::load(rows_of, count, features, memory.at(Net::input));
    for (std::size_t t = 0; t < tasks; ++t) {
      if (!set.has(t)) continue;
      const std::size_t n = target_count[t];
      const data::Targets& targets = *stream.targets[t];
      for (std::size_t i = 0; i < unit.samples.size(); ++i)
        for (std::size_t j = 0; j < n; ++j) rows_of[i * n + j] = static_cast<Scalar>(targets.row(unit.samples[i])[j]);
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

  // The slots' sums, added up in the first slot.
  void reduce(Back& backend) {
    if (used_slots_ < 2) return;
    backend.run((slot_size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, slot_size - begin);
      for (std::size_t s = 1; s < used_slots_; ++s) Back::axpy(1, {slot(s) + begin, count}, {slot(0) + begin, count});
    });
  }

  std::span<Scalar> row(std::size_t t) { return {slot(0) + Net::parameters + t * Net::shared, Net::shared}; }

  void fill_gram(Back& backend, TaskSet present) {
    const std::size_t n = present.count();
    std::array<const Scalar*, tasks> start{};
    for_each_present(present, [&](std::size_t t, std::size_t index) { start[index] = row(t).data(); });
    backend.run(gram_parts, [&](std::size_t part, std::size_t) {
      const std::size_t begin = part * Net::shared / gram_parts, end = (part + 1) * Net::shared / gram_parts;
      std::array<const Scalar*, tasks> from{};
      for (std::size_t i = 0; i < n; ++i) from[i] = start[i] + begin;
      Back::gram({from.data(), n}, end - begin, gram_of_[part].data());
    });
    std::fill_n(gram_.begin(), n * n, 0.0);
    for (const auto& part : gram_of_)
      for (std::size_t i = 0; i < n * n; ++i) gram_[i] += part[i];
  }

  // The shared part of the direction: the rows' weighted sum.
  void combine(Back& backend, TaskSet present) {
    backend.run((Net::shared + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
      const std::size_t begin = job * chunk, count = std::min(chunk, Net::shared - begin);
      for_each_present(present, [&](std::size_t t, std::size_t) {
        Back::axpy(static_cast<Scalar>(weights_[t]), row(t).subspan(begin, count), {slot(0) + begin, count});
      });
    });
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

  void update(Back& backend, TaskSet present, optim::Now now) {
    if constexpr (optim::needs_norm<Optimizing>) now.gradient_norm = gradient_norm(backend, present);
    for (std::size_t s = 0; s < Net::segments.size(); ++s) {
      const Segment& segment = Net::segments[s];
      if (!segment.owners.meets(present)) continue;
      now.step = ++segment_steps_[s];
      const auto rule = optim::rule(optimizer_, now, optimizer_state_);
      backend.run((segment.size + chunk - 1) / chunk, [&](std::size_t job, std::size_t) {
        const std::size_t begin = segment.offset + job * chunk;
        const std::size_t count = std::min(chunk, segment.offset + segment.size - begin);
        Back::template update<Optimizing::states>(count, parameters_.data() + begin, slot(0) + begin,
                                                  state_.data() + begin, Net::parameters, rule);
      });
    }
  }

  // The step's memory.
  Augmentation<Scalar> augment_;
  Buffer<Scalar> slots_;
  Buffer<Scalar> memory_;
  Buffer<Scalar> staging_;
  std::vector<Unit> units_;
  std::size_t used_slots_ = 0;
  std::array<std::array<double, tasks>, most_slots> slot_losses_{};
  std::array<std::array<double, tasks * tasks>, gradients ? gram_parts : 0> gram_of_{};
  std::array<double, optim::needs_norm<Optimizing> ? Net::parameters / chunk + 1 : 0> chunk_squares_{};
};

}  // namespace mtlx::training
