// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mtlx/backend/sample.hpp>
#include <mtlx/balancing/balancer.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/segment.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/nn/layer.hpp>
#include <mtlx/nn/loss.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/training/bound_data.hpp>
#include <mtlx/training/checkpoint.hpp>
#include <mtlx/training/masking.hpp>
#include <mtlx/training/observer.hpp>
#include <mtlx/training/options.hpp>
#include <mtlx/training/sampler.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx::training {

/// Whose step it is.
struct Turn {
  TaskSet acting = TaskSet::first(TaskSet::capacity);  ///< the tasks whose gradients are followed
  bool again = false;                                  ///< the last step's batch once more, with its random draws
};

/// One network in training, as far as it doesn't matter where its numbers are computed with: its parameters, the
/// optimizer's and the balancer's state, what is known of a step. Learners are made of it.
template <class Net, class TaskList, class Balancing, class Optimizing, class Scalar>
class LearnerBase;

template <class Net, class... Task, class Balancing, class Optimizing, class Number>
class LearnerBase<Net, Tasks<Task...>, Balancing, Optimizing, Number> {
 protected:
  static constexpr std::size_t tasks = sizeof...(Task);
  static constexpr std::array<std::size_t, tasks> target_count{
      static_cast<std::size_t>(Task::Loss::targets(Task::outputs))...};
  static constexpr std::array<std::size_t, tasks> outputs_of{static_cast<std::size_t>(Task::outputs)...};

  // A slice's memory: the network's, then each task's targets, presence and loss.
  struct Layout {
    std::array<std::size_t, tasks> target{}, present{}, loss{};
    std::size_t size = Net::memory;
  };
  static constexpr Layout layout = [] {
    Layout l;
    for (std::size_t t = 0; t < tasks; ++t) {
      l.target[t] = std::exchange(l.size, l.size + target_count[t]);
      l.present[t] = std::exchange(l.size, l.size + target_count[t]);
      l.loss[t] = std::exchange(l.size, l.size + 1);
    }
    return l;
  }();
  // What the balancer asks for.
  using Core = balancing::Core<Balancing>;
  static constexpr balancing::Needs needs = Core::needs;
  static constexpr bool gradients = needs == balancing::Needs::gradients;
  static constexpr bool on_representation = balancing::on_representation<Balancing>();
  static constexpr bool remembers = balancing::Remembers<Core>;
  static constexpr bool masks = balancing::masks<Balancing>();
  // What the sharing strategy asks for: each task under a mask of its own.
  using Strategy = sharing::StrategyOf<Net>;
  static constexpr bool masked = sharing::masked<Net>;
  static constexpr bool holds_still = masks || masked;
  static constexpr bool one_block = balancing::blocks<Balancing>() == balancing::Blocks::whole;
  static constexpr std::size_t batches = balancing::batches<Core>;
  using Blocks = std::conditional_t<one_block, std::array<Segment, 1>, std::vector<Segment>>;
  // Numbers a parameter that a step changes: the optimizer's, and whether it moves at all.
  static constexpr std::size_t states = Optimizing::states + (holds_still ? 1 : 0);
  // What a slot of gradients holds: a number for each parameter, and a row for each task where they are wanted apart.
  static constexpr bool in_rows = (gradients || masked) && !on_representation;
  static constexpr std::size_t task_rows = in_rows ? batches * tasks * Net::shared : 0;
  static constexpr std::size_t slot_size = Net::parameters + task_rows;

 public:
  using Scalar = Number;
  using Data = BoundData<Tasks<Task...>>;
  using Part = Sampler::Part;

  /// Draws the first parameters from the seed. `stream` tells the networks of one model apart.
  [[gnu::cold]] LearnerBase(TaskSet members, std::uint64_t seed, std::uint64_t stream, Balancing balancer,
                            Optimizing optimizer, Strategy strategy = {})
      : members_(members),
        seed_(seed),
        stream_(stream),
        balancer_(balancer),
        optimizer_(optimizer),
        strategy_(strategy),
        masking_(strategy),
        fixed_(masks && masked ? Net::parameters : 0),
        parameters_(Net::parameters),
        state_(states * Net::parameters),
        memory_rows_(remembers ? tasks * Net::shared : 0) {
    if constexpr (!one_block) balancer_states_ = Buffer<PolicyState<Core>>(std::max<std::size_t>(blocks_.size(), 1));
    initialise();
  }

  /// What training keeps: parameters, the optimizer's and the balancer's numbers, masks and their rule's.
  static constexpr std::size_t bytes_kept =
      (Net::parameters * (1 + states + (masks && masked ? 1 : 0)) + (remembers ? tasks * Net::shared : 0)) *
          sizeof(Number) +
      Masking<Net, Number>::bytes_kept;

  std::span<Scalar> parameters() { return parameters_.span(); }
  std::span<const Scalar> parameters() const { return parameters_.span(); }
  /// How many steps each segment has taken.
  std::span<const std::uint64_t> segment_steps() const { return segment_steps_; }
  TaskSet members() const { return members_; }
  /// How many steps it has taken.
  std::uint64_t steps() const { return steps_; }
  /// Numbers that somebody keeps with the network, in its state: as many as were asked for.
  std::span<double> notes() { return notes_.span(); }
  std::span<const double> notes() const { return notes_.span(); }
  void keep_notes(std::size_t numbers) { notes_ = Buffer<double>(numbers); }
  /// The masks of a network that has them.
  auto& masking() { return masking_; }
  const auto& masking() const { return masking_; }

  /// One parameter of the flat vector.
  struct Placed {
    std::string path;
    nn::Parameter parameter;
    std::size_t offset;
  };
  /// All parameters, in the vector's order.
  [[gnu::cold]] static std::vector<Placed> placed_parameters() {
    std::vector<Placed> all;
    Net::for_each_parameter([&](const nn::Path& path, const nn::Parameter& parameter, std::size_t offset) {
      all.push_back({path.text(), parameter, offset});
    });
    return all;
  }

  /// Throws `Error`, naming a task, unless every parameter is finite.
  [[gnu::cold]] void check_parameters() const {
    for (const Segment& segment : Net::segments)
      for (std::size_t i = segment.offset; i < segment.offset + segment.size; ++i) {
        if (is_finite(parameters_[i])) continue;
        std::size_t t = 0;
        while (!segment.owners.has(t)) ++t;
        fail_not_finite("a parameter of the task \"", Tasks<Task...>::names[t], "\" is not finite after step ", steps_,
                        "; training stops (a smaller learning rate may help)");
      }
  }

  /// Everything that training changes, as bytes. What is restored goes on as the original would.
  [[gnu::cold]] std::string state() const { return detail::packed(blocks<const char>(*this)); }
  /// `bytes` is the state of a learner of this type.
  [[gnu::cold]] void restore(std::string_view bytes) { detail::unpack(bytes, blocks<char>(*this)); }

  /// Tells the optimizer the loss of an epoch.
  void observe(double loss) { optim::observe(optimizer_, optimizer_state_, loss); }

  /// The weights become the optimizer's average of them; segments that never stepped, and what never moves, keep theirs.
  [[gnu::cold]] void use_average()
    requires optim::averages<Optimizing>
  {
    for (std::size_t s = 0; s < Net::segments.size(); ++s) {
      const Segment& segment = Net::segments[s];
      if (segment_steps_[s] == 0) continue;
      for (std::size_t i = segment.offset; i < segment.offset + segment.size; ++i)
        if (ever_moves(i)) parameters_[i] = state_[i];
    }
  }
  /// The optimizer's average begins anew, at the weights.
  [[gnu::cold]] void begin_average()
    requires optim::averages<Optimizing>
  {
    std::copy_n(parameters_.data(), Net::parameters, state_.data());
  }

 protected:
  // A data set as one batch.
  struct OneBatch {
    Data data;
    Sampler whole;
    std::span<const Part> parts;

    [[gnu::cold]] explicit OneBatch(const data::DataSet& set)
        : data(set, Net::in, {}), whole(data.sizes(), {.batch_size = data.size(), .shuffle = false}) {
      whole.begin(0);
      parts = whole.next();
    }
    OneBatch(const OneBatch&) = delete;
    OneBatch& operator=(const OneBatch&) = delete;
  };

  // What a probe sees of a step, but for where the numbers are. Losses are looked at through the learner's own; this step's
  // outlive that.
  class Session : public ProbeSession<Scalar> {
   public:
    [[gnu::cold]] Session(LearnerBase& learner, const Step& step)
        : base_(learner), step_(step), losses_(learner.losses_), weights_(learner.weights_) {
      step_.losses = losses_;
      step_.weights = weights_;
    }
    ~Session() override {
      base_.losses_ = losses_;
      base_.weights_ = weights_;
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    const Step& step() const override { return step_; }

   private:
    LearnerBase& base_;
    Step step_;
    std::array<double, tasks> losses_;
    std::array<double, tasks> weights_;
  };

  void initialise() {
    std::uint64_t block = 0;
    Net::for_each_parameter([&](const nn::Path&, const nn::Parameter& parameter, std::size_t offset) {
      draw(parameter, stream_ << 32 | block++, parameters_.data() + offset);
    });
  }
  [[gnu::cold, gnu::noinline]] void draw(const nn::Parameter& parameter, std::uint64_t stream, Scalar* to) const {
    Random random(seed_, Purpose::initialise, stream);
    for (std::size_t i = 0, size = parameter.size(); i < size; ++i)
      to[i] = static_cast<Scalar>(parameter.initialiser(random, parameter.fan_in, parameter.fan_out));
  }

  // Everything that training changes, as memory.
  template <class Byte, class Self>
  static auto blocks(Self& self) {
    using detail::bytes_of;
    const std::array<std::span<Byte>, 8> all{bytes_of(self.parameters_.data(), Net::parameters),
                                             bytes_of(self.state_.data(), states * Net::parameters),
                                             bytes_of(self.segment_steps_.data(), self.segment_steps_.size()),
                                             bytes_of(&self.steps_),
                                             bytes_of(self.balancer_states_.data(), self.balancer_states_.size()),
                                             bytes_of(&self.optimizer_state_),
                                             bytes_of(self.memory_rows_.data(), self.memory_rows_.size()),
                                             bytes_of(self.notes_.data(), self.notes_.size())};
    if constexpr (!masked) {
      return all;
    } else {
      std::array<std::span<Byte>, 13> more;
      std::copy(all.begin(), all.end(), more.begin());
      const auto masking = Masking<Net, Scalar>::template bytes<Byte>(self.masking_);
      std::copy(masking.begin(), masking.end(), more.begin() + 8);
      more[11] = bytes_of(self.fixed_.data(), self.fixed_.size());
      more[12] = bytes_of(&self.trained_);
      return more;
    }
  }

  backend::Draws step_draws() const { return step_draws(steps_); }
  backend::Draws step_draws(std::uint64_t step) const {
    // All four counter words are taken, so that purpose and network go into a key of their own.
    Random key(seed_, Purpose::dropout, stream_);
    const std::uint32_t first = key.bits();
    return {{first, key.bits()}, static_cast<std::uint32_t>(step), 0, 0};
  }

  // Begins the account of a step: which tasks have labels in it, and how many.
  void count_labels(const Data& data, std::span<const Part> parts) {
    counts_.fill(0);
    present_ = {};
    batch_samples_ = 0;
    for (const Part& part : parts) {
      const auto& stream = data.streams()[part.stream];
      if (!stream.labelled.meets(members_)) continue;
      batch_samples_ += part.samples.size();
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!members_.has(t) || stream.targets[t] == nullptr) continue;
        const data::Targets& targets = *stream.targets[t];
        if (targets.complete())
          counts_[t] += static_cast<double>(part.samples.size() * targets.width());
        else
          for (const std::uint32_t sample : part.samples)
            counts_[t] += static_cast<double>(targets.present_count(sample));
        if (counts_[t] > 0) present_ = present_.with(t);
      }
    }
  }

  // A task's loss, and its gradient at the task's output, times scale().
  template <class Slice, std::size_t t, class Scale>
  static void loss(typename Slice::View memory, Scale scale) {
    using T = typename Tasks<Task...>::template At<t>;
    using View = typename Slice::ConstView;
    Slice::for_each_lane([&](const typename Slice::Lane& lane) {
      const nn::LossSample<Slice> sample{
          lane.at(View(memory.at(Net::output[t]))), lane.at(View(memory.at(layout.target[t]))),
          lane.at(View(memory.at(layout.present[t]))), lane.at(memory.at(Net::output_gradient[t])), scale()};
      lane.at(memory.at(layout.loss[t]))[0] = T::Loss::template evaluate<T::outputs>(sample);
    });
  }

  double weight_of(std::size_t t) const { return gradients ? 1 : weights_[t]; }
  // A finite weight stays finite.
  static Scalar rounded(double weight) {
    constexpr auto most = static_cast<double>(std::numeric_limits<Scalar>::max());
    return static_cast<Scalar>(weight > most ? most : weight < -most ? -most : weight);
  }

  template <class Function>
  static void for_each_present(TaskSet present, Function&& function) {
    std::size_t index = 0;
    for (std::size_t t = 0; t < tasks; ++t)
      if (present.has(t)) function(t, index++);
  }

  // Throws unless every task's loss is finite, before the update or after it.
  void check_losses(const Step& where, bool updated = false) const {
    for (std::size_t t = 0; t < tasks; ++t)
      if (!is_finite(losses_[t]))
        fail_not_finite("the loss of the task \"", Tasks<Task...>::names[t], "\" is not finite ",
                        updated ? "after the update of epoch " : "in epoch ", where.epoch + 1, ", step ",
                        where.step + 1, "; training stops", updated ? "" : " before the update",
                        " (a smaller learning rate may help)");
  }

  // What the balancer is asked about some of the present tasks; valid until the next question.
  balancing::Problem problem(TaskSet set, std::size_t block, bool with_losses) {
    const std::size_t n = set.count();
    for_each_present(set, [&](std::size_t t, std::size_t index) { asked_losses_[index] = losses_[t]; });
    return {set,
            {asked_losses_.data(), with_losses ? n : 0},
            {gram_.data(), gradients ? n * n : 0},
            Random(seed_, Purpose::balance, stream_ << 40 ^ std::uint64_t{block} << 52 ^ steps_),
            epoch_,
            static_cast<std::size_t>(steps_),
            {sums_.data(), remembers ? n : 0}};
  }

  // The weights of some of the present tasks; 1 where the balancer has none.
  void ask_balancer(TaskSet set, std::size_t block = 0) {
    if (set.empty()) return;
    std::array<double, tasks> weights;
    weights.fill(1);
    if constexpr (balancing::Weighs<Core>)
      balancing::core(balancer_).weights(problem(set, block, needs != balancing::Needs::nothing),
                                         balancer_states_[block], {weights.data(), set.count()});
    for_each_present(set, [&](std::size_t t, std::size_t index) { weights_[t] = weights[index]; });
  }

  // Tells the balancer what the step's losses are.
  void tell_balancer() { tell_balancer(present_); }
  void tell_balancer(TaskSet present) {
    for (std::size_t b = 0; b < blocks_.size(); ++b)
      if (const TaskSet set = present & blocks_[b].owners; !set.empty())
        balancing::core(balancer_).observe(problem(set, b, true), balancer_states_[b]);
  }

  // The runs of shared parameters that are balanced apart, with the tasks that own them.
  static Blocks balanced_blocks() {
    if constexpr (one_block) {
      return {Segment{0, Net::shared, TaskSet::first(tasks)}};
    } else {
      Blocks all;
      std::string last;
      for (const Placed& placed : placed_parameters()) {
        if (placed.offset >= Net::shared) continue;
        constexpr bool layers = balancing::blocks<Balancing>() == balancing::Blocks::layers;
        const std::string at = layers ? placed.path.substr(0, placed.path.rfind('.')) : placed.path;
        if (!all.empty() && at == last && placed.offset == all.back().offset + all.back().size) {
          all.back().size += placed.parameter.size();
          continue;
        }
        TaskSet owners;
        for (const Segment& segment : Net::segments)
          if (placed.offset >= segment.offset && placed.offset < segment.offset + segment.size) owners = segment.owners;
        all.push_back({placed.offset, placed.parameter.size(), owners});
        last = at;
      }
      return all;
    }
  }

  // 1 for each parameter that moves in this step, 0 for the others.
  std::span<Scalar> moving() { return {state_.data() + Optimizing::states * Net::parameters, Net::parameters}; }
  // The same for what a balancer chose once and for all, by the weights that training begins with.
  std::span<Scalar> fixed() { return masked ? fixed_.span() : moving(); }
  bool ever_moves(std::size_t i) {
    if constexpr (masks)
      if (!(fixed()[i] > 0)) return false;
    if constexpr (masked)
      if (i < Net::shared) return masking_.owners()[i].meets(trained_);
    return true;
  }
  // What the step's tasks don't own stays.
  void choose_moving(TaskSet present, std::size_t begin, std::size_t count) {
    if constexpr (masked) {
      const std::span<Scalar> to = moving().subspan(begin, count);
      masking_.note_moving(present, begin, to);
      if constexpr (masks)
        for (std::size_t i = 0; i < count; ++i) to[i] *= fixed()[begin + i];
    }
  }
  // The tasks that train on this data.
  TaskSet labelled(const Data& data) {
    if (data_seen_ != data.id()) {
      data_seen_ = data.id();
      labelled_ = members_ & data.labelled();
    }
    return labelled_;
  }
  // What a mask rule is shown of a step.
  sharing::MaskStep<Scalar> mask_step(const Data& data, std::span<const Scalar* const> of) {
    sharing::MaskStep<Scalar> step;
    step.labelled = labelled(data);
    step.present = present_;
    step.labels = counts_;
    step.parameters = parameters_.span().first(Net::shared);
    step.gradients = of;
    step.moments = state_.span().first(Optimizing::states * Net::parameters);
    step.stride = Net::parameters;
    step.random = Random(seed_, Purpose::mask, stream_ << 40 ^ steps_);
    step.time = time_;
    step.step = static_cast<std::size_t>(steps_);
    return step;
  }
  [[gnu::cold]] void begin_masks(const Data& data) {
    if constexpr (masks) choose_fixed();
    if constexpr (masked) {
      std::fill(moving().begin(), moving().end(), Scalar(1));
      // An average begins at the weights: it may be long before the first step of those that few tasks own.
      if constexpr (optim::averages<Optimizing>) std::copy_n(parameters_.data(), Net::shared, state_.data());
      masking_.begin(mask_step(data, {}));
    }
  }
  [[gnu::cold]] void choose_fixed() {
    if constexpr (masks) {
      std::fill(fixed().begin(), fixed().end(), Scalar(1));
      for (const Placed& placed : placed_parameters())
        if (placed.offset < Net::shared)
          balancing::masking(balancer_).mask(
              placed.parameter, std::as_const(*this).parameters().subspan(placed.offset, placed.parameter.size()),
              fixed().subspan(placed.offset, placed.parameter.size()));
    }
  }

  TaskSet members_;
  std::uint64_t seed_;
  std::uint64_t stream_;
  Balancing balancer_;
  // Of each block that is balanced apart.
  Blocks blocks_ = balanced_blocks();
  std::conditional_t<one_block, std::array<PolicyState<Core>, 1>, Buffer<PolicyState<Core>>> balancer_states_{};
  Optimizing optimizer_;
  PolicyState<Optimizing> optimizer_state_{};
  [[no_unique_address]] Strategy strategy_;
  [[no_unique_address]] Masking<Net, Number> masking_;
  Buffer<Scalar> fixed_;  // where both the balancer and the strategy have masks
  TaskSet trained_;       // tasks that were ever present
  TaskSet labelled_;      // tasks with a label in the data that was seen last, where somebody asks
  std::uint64_t data_seen_ = 0;
  // A device's learner reads them back when they are asked for.
  mutable Buffer<Scalar> parameters_;
  mutable Buffer<Scalar> state_;
  // What the balancer keeps of each task's gradients: (tasks, shared), for a balancer that does.
  Buffer<Scalar> memory_rows_;
  Buffer<double> notes_;
  std::array<std::uint64_t, Net::segments.size()> segment_steps_{};
  std::uint64_t steps_ = 0;

  // The step's.
  sharing::Time time_;
  std::size_t epoch_ = 0;
  std::size_t batch_samples_ = 0;
  TaskSet present_;
  std::array<double, tasks> counts_{}, scale_{}, losses_{}, weights_{};
  std::array<double, tasks * tasks> gram_{};
  std::array<double, tasks> asked_losses_{}, sums_{};
};

}  // namespace mtlx::training
