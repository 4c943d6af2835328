// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mtlx/backend/device_code.hpp>
#include <mtlx/backend/recorded.hpp>
#include <mtlx/training/learner.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mtlx::training {

/// One network in training on a device: LearnerBase, and what lies there between two steps. The network's passes are
/// recorded once for each set of tasks and width of the blocks, and become kernels (backend/device_code.hpp); a step is
/// one graph, or two with the balancer's answer between. What comes back is the losses, and what a balancer, a probe or
/// the caller asks for.
///
/// Determinism: how a batch is cut into blocks depends on its size alone; blocks' sums are added in their order.
template <class Net, class... Task, class Balancing, class Optimizing, class Back>
  requires backend::OnDevice<Back>
class Learner<Net, Tasks<Task...>, Balancing, Optimizing, Back>
    : public LearnerBase<Net, Tasks<Task...>, Balancing, Optimizing, typename Back::Scalar> {
  using Base = LearnerBase<Net, Tasks<Task...>, Balancing, Optimizing, typename Back::Scalar>;
  using Base::ask_balancer, Base::check_losses, Base::count_labels, Base::for_each_present, Base::step_draws;
  using Base::batch_samples_, Base::counts_, Base::gram_, Base::losses_, Base::members_, Base::optimizer_;
  using Base::gradients, Base::layout, Base::outputs_of, Base::slot_size, Base::target_count, Base::tasks;
  using Base::optimizer_state_, Base::parameters_, Base::present_, Base::scale_, Base::seed_, Base::segment_steps_;
  using Base::state_, Base::steps_, Base::weights_;

 public:
  using typename Base::Data;
  using typename Base::Part;
  using typename Base::Scalar;
  using Slice = typename Back::template Slice<layout.size>;

  using Base::Base;
  /// The copy's numbers are on the host until it takes a step.
  Learner(const Learner& other) : Base(other.pulled()) {}
  Learner(Learner&&) noexcept = default;
  Learner& operator=(const Learner& other) { return *this = Learner(other); }
  Learner& operator=(Learner&&) noexcept = default;
  ~Learner() = default;

  /// For writing until the next step.
  std::span<Scalar> parameters() {
    push_ = true;
    return pulled().Base::parameters_.span();
  }
  std::span<const Scalar> parameters() const { return pulled().Base::parameters(); }
  void check_parameters() const { pulled().Base::check_parameters(); }
  std::string state() const { return pulled().Base::state(); }
  void restore(std::string_view bytes) {
    if (machine_ != nullptr) {  // steps that nobody was told of are of the old state
      finish();
      machine().flying = 0;
      machine().failed = true;
    }
    pull_ = false;
    Base::restore(bytes);
    push_ = true;
  }
  void use_average()
    requires optim::averages<Optimizing>
  {
    pulled();
    Base::use_average();
    push_ = true;
  }
  void begin_average()
    requires optim::averages<Optimizing>
  {
    pulled();
    Base::begin_average();
    push_ = true;
  }

  /// As the host's learner.
  [[gnu::noinline]] Step step(Back& backend, const Data& data, std::span<const Part> parts, Step where,
                              std::span<Probe<Scalar>* const> probes = {}, const optim::Now& now = {},
                              Augmentation<Scalar> augment = {}) {
    const auto told = [&](const Step& done) { where = done; };
    advance(backend, data, parts, where, probes, now, augment, told);
    complete(told);
    return where;
  }

  /// Puts a step into the device's stream and says which earlier ones are over: done(step), in their order, valid for
  /// the time of the call. A loss that is not finite throws when its step is told of; no later step has changed a thing.
  template <class Done>
  [[gnu::noinline]] void advance(Back& backend, const Data& data, std::span<const Part> parts, const Step& where,
                                 std::span<Probe<Scalar>* const> probes, const optim::Now& now,
                                 Augmentation<Scalar> augment, Done&& done) {
    ready(backend);
    this->epoch_ = where.epoch;
    Machine& on = machine();
    const bool resident = !augment && keep(data);
    // A balancer or a probe that must see numbers, and samples from the host, go step by step.
    const bool apart = gradients || optim::needs_norm<Optimizing> || !probes.empty();
    const bool late =
        !apart && resident && Base::needs == balancing::Needs::nothing && !balancing::Observes<typename Base::Core>;
    while (on.flying > (late ? 1 : 0)) land(done);
    // What a step that went step by step left to do still reads its control.
    if (!late || std::exchange(on.unfinished, false)) finish();
    push();  // whoever was told of a step may have written to the parameters
    on.now = on.next;
    count_labels(data, parts);
    plan(data, parts, resident, true, augment, backend::PassKind::learn);
    const TaskSet present = present_;
    weights_.fill(0);
    scale_.fill(0);
    if constexpr (Base::needs == balancing::Needs::losses) {
      look(on.parameters.data(), true);
      check_losses(where);
    }
    if constexpr (!gradients) ask_balancer(present);
    for_each_present(present, [&](std::size_t t, std::size_t) { scale_[t] = this->weight_of(t) / counts_[t]; });
    optim::Now at = now;
    if (!apart) write_constants(present, at);
    write_control();
    run_graph(apart ? Stage::gradients : Stage::whole);
    on.device->note(static_cast<int>(on.now));
    Flight& flight = on.flights[on.now];
    flight = {where, counts_, weights_, present, on.used_slots};
    flight.step.samples = batch_samples_;
    flight.step.present = present;
    flight.step.taken = static_cast<std::size_t>(steps_);
    on.next = 1 - on.now;
    ++on.flying;
    pull_ = true;
    flight.counted = late;
    if (late) return count_steps(present, 1);

    receive(flight, on.now, where);
    --on.flying;
    if (apart) {
      if constexpr (gradients) {
        read_gram(present);
        ask_balancer(present);
        flight.weights = weights_;
        flight.step.gram = {gram_.data(), present.count() * present.count()};
      }
      flight.step.losses = losses_;
      flight.step.weights = flight.weights;
      // What probes are shown is the direction's parts, before they are combined, and the parameters before the update.
      for (Probe<Scalar>* probe : probes)
        if (probe->wants(flight.step)) {
          Session session(*this, data, parts, resident, augment, flight.step);
          probe->look(session);
        }
      write_control();
      write_constants(present, at);
      if constexpr (optim::needs_norm<Optimizing>) {
        run_graph(Stage::norm);
        finish();
        at.gradient_norm = read_norm();
        write_constants(present, at);
      }
      run_graph(Stage::apply);
      on.unfinished = true;
      pull_ = true;
    }
    if constexpr (balancing::Observes<typename Base::Core>) this->tell_balancer();
    count_steps(present, 1);
    flight.step.losses = losses_;
    flight.step.weights = flight.weights;
    done(std::as_const(flight.step));
  }

  /// Forgets the copy of the data that it trained on.
  void release_data() {
    if (machine_ == nullptr) return;
    finish();
    machine().graphs.clear();
    machine().resident.clear();
    machine().data = 0;
  }

  /// Waits for all steps.
  template <class Done>
  void complete(Done&& done) {
    while (machine_ != nullptr && machine().flying > 0) land(done);
  }

  /// As the host's learner.
  [[gnu::noinline]] void predict(Back& backend, const data::Inputs& inputs, std::size_t first, std::size_t count,
                                 TaskSet set, const std::array<Scalar*, tasks>& outputs) {
    ready(backend);
    push();
    finish();
    Machine& on = machine();
    on.jobs.clear();
    on.used_slots = 0;
    std::size_t width = 0;
    for (std::size_t t = 0; t < tasks; ++t) width += set.has(t) ? outputs_of[t] : 0;
    reserve(count, count);
    for (std::size_t i = 0; i < count; ++i) {
      inputs.copy(first + i, on.staged_rows.data() + i * Net::in.size());
      on.index()[i] = static_cast<std::uint32_t>(i);
    }
    if (on.outputs.size() < count * width) {
      on.graphs.clear();
      Array<Scalar> outputs_there(on.device, count * width);
      on.outputs_back = {on.device, count * width};
      on.outputs = std::move(outputs_there);
    }
    on.rows = on.indices = count;
    on.labels = false;
    add_job(set, 0, count, on.staged_rows_there.data(), nullptr, backend::PassKind::predict, false, most_blocks);
    write_words({});
    upload();
    launch_passes(on.parameters.data(), on.ignored.data());
    on.device->download(on.outputs_back.data(), on.outputs.data(), count * width * sizeof(Scalar));
    finish();
    std::size_t column = 0;
    for (std::size_t t = 0; t < tasks; ++t) {
      if (!set.has(t)) continue;
      for (std::size_t i = 0; i < count; ++i)
        std::copy_n(on.outputs_back.data() + i * width + column, outputs_of[t], outputs[t] + i * outputs_of[t]);
      column += outputs_of[t];
    }
  }

 private:
  using Device = typename Back::Device;
  template <class T>
  using Array = backend::DeviceArray<Device, T>;
  template <class T>
  using Staging = backend::StagingArray<Device, T>;

  static constexpr std::size_t label_stride = [] {
    std::size_t numbers = 0;
    for (const std::size_t n : target_count) numbers += 2 * n;
    return numbers;
  }();
  static constexpr std::size_t segments = Net::segments.size();
  // Blocks that a pass may have: their slots have room in half a gigabyte.
  static constexpr std::size_t most_blocks =
      std::clamp<std::size_t>((std::size_t{1} << 29) / (slot_size * sizeof(Scalar)), 8, 256);
  static constexpr std::size_t gram_parts = 64, square_parts = 64;
  // What a step's words say: slots, then each job's.
  static constexpr std::size_t head_words = 1, job_words = 6;

  // Parts of a step that run as one graph.
  enum class Stage : std::uint64_t { whole, gradients, norm, apply };

  // Compiled code of a pass.
  struct Pass {
    typename Device::Module module;
    typename Device::Kernel kernel;
    Array<std::int32_t> table;
    std::size_t memory;  // numbers a block
    bool shared;
  };
  // A launch of a pass.
  struct Job {
    Pass* pass;
    TaskSet set;
    unsigned samples;            // of a block
    std::uint32_t count, first;  // samples; position in the batch, and in the index
    std::uint32_t slot, blocks;
    const Scalar *rows, *labels;
  };
  struct Update {
    typename Device::Module module;
    typename Device::Kernel reduce, reduce_apply, combine, apply, gram, squares;
    // What it was made from.
    std::vector<backend::Node> nodes;
    std::vector<backend::Trace::Store> stores;
  };
  // A step whose losses have not been told.
  struct Flight {
    Step step;
    std::array<double, tasks> counts, weights;
    TaskSet present;
    std::size_t slots;
    bool counted = false;  // among the steps that were taken
  };
  // A stream's samples on the device.
  struct Resident {
    Array<Scalar> rows, labels;
  };

  // Everything on the device, and what goes there and comes back.
  struct Machine {
    explicit Machine(std::shared_ptr<Device> d)
        : device(std::move(d)),
          parameters(device, Net::parameters),
          state(device, Optimizing::states * Net::parameters),
          zeros(device, 1),
          nowhere(device, 1),
          parts(device, std::max(gram_parts * tasks * tasks, square_parts)),
          parts_back(device, parts.size()),
          bad(device, 1),
          ignored(device, 1),
          gradient(device, slot_size) {}
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    // Nothing goes while the device works with it.
    ~Machine() {
      try {
        device->finish();
      } catch (...) {  // it has been told, or nobody asked
      }
    }

    std::shared_ptr<Device> device;
    Array<Scalar> parameters, state;
    Array<Scalar> zeros, nowhere;
    Array<double> parts;
    Staging<double> parts_back;

    // Of two steps, since one may be prepared while another runs. Control: words, reals, index.
    struct Desk {
      Staging<unsigned char> control;
      Array<unsigned char> control_there;
      Staging<double> losses_back;
    };
    std::array<Desk, 2> desks;
    std::array<Flight, 2> flights;
    std::size_t now = 0, next = 0, flying = 0;
    Array<int> bad;  // set by the first step with a loss that is not finite: nothing moves any more
    bool failed = false;
    Array<int> ignored;       // the same of passes that change nothing
    bool unfinished = false;  // the last step's update may still run
    Array<Scalar> gradient;
    std::size_t jobs_room = 0, reals = 0, index_room = 0, constants = 0;

    Array<Scalar> slots, arena;
    Array<double> losses;
    Array<Scalar> outputs;
    Staging<Scalar> outputs_back;
    Staging<Scalar> staged_rows, staged_labels;
    Array<Scalar> staged_rows_there, staged_labels_there;
    std::size_t indices = 0;  // of this step's samples
    std::size_t rows = 0;     // staged in this step
    bool labels = true;       // staged with them
    std::uint64_t data = 0;   // whose samples are resident
    bool fits = true;
    std::vector<Resident> resident;

    std::map<std::pair<std::uint64_t, std::uint64_t>, Pass> passes;
    std::map<std::vector<std::uint64_t>, typename Device::Graph> graphs;
    std::unique_ptr<Update> update;
    std::vector<Job> jobs;
    std::size_t used_slots = 0;

    std::uint32_t* words() { return at<std::uint32_t>(desks[now].control, 0); }
    Scalar* numbers() { return at<Scalar>(desks[now].control, numbers_at()); }
    std::uint32_t* index() { return at<std::uint32_t>(desks[now].control, index_at()); }
    std::size_t numbers_at() const {
      return (head_words + jobs_room * job_words) * sizeof(std::uint32_t) / 16 * 16 + 16;
    }
    std::size_t index_at(std::size_t numbers) const { return (numbers_at() + numbers * sizeof(Scalar)) / 16 * 16 + 16; }
    std::size_t index_at() const { return index_at(reals); }
    const std::uint32_t* words_there() const { return at<std::uint32_t>(desks[now].control_there, 0); }
    const Scalar* numbers_there() const { return at<Scalar>(desks[now].control_there, numbers_at()); }
    const std::uint32_t* index_there() const { return at<std::uint32_t>(desks[now].control_there, index_at()); }

   private:
    template <class T, class Bytes>
    static T* at(const Bytes& bytes, std::size_t offset) {
      return reinterpret_cast<T*>(bytes.data() + offset);
    }
  };

  // What a probe sees of a step.
  class Session final : public Base::Session {
   public:
    [[gnu::cold]] Session(Learner& learner, const Data& data, std::span<const Part> parts, bool resident,
                          Augmentation<Scalar> augment, const Step& step)
        : Base::Session(learner, step),
          learner_(learner),
          data_(data),
          parts_(parts),
          resident_(resident),
          augment_(augment) {
      learner.pulled();
      edited_there_ = {learner.machine().device, Net::parameters};
      if constexpr (gradients) {
        rows_ = {learner.machine().device, slot_size};
        learner.machine().device->download(rows_.data(), learner.machine().gradient.data(), rows_.bytes());
        learner.finish();
      }
    }

    std::span<const Scalar> parameters() const override { return std::as_const(learner_).parameters(); }
    std::span<const Scalar> gradient(std::size_t task) const override {
      if constexpr (gradients)
        return {rows_.data() + Net::parameters + task * Net::shared, Net::shared};
      else
        return {};
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit) override {
      upload(edit);
      learner_.look(edited_there_.data(), true);
      return learner_.losses_;
    }
    [[gnu::cold]] std::span<const double> losses_at(const Edit<Scalar>& edit, const data::DataSet& held_out) override {
      upload(edit);
      const typename Base::OneBatch other(held_out);
      learner_.count_labels(other.data, other.parts);
      learner_.plan(other.data, other.parts, false, false, {}, backend::PassKind::losses);
      learner_.look(edited_there_.data(), false);
      learner_.count_labels(data_, parts_);
      learner_.plan(data_, parts_, resident_, true, augment_, backend::PassKind::learn);  // back to the step's batch
      return learner_.losses_;
    }

   private:
    void upload(const Edit<Scalar>& edit) {
      const auto now = parameters();
      std::vector<Scalar> edited(now.begin(), now.end());
      edit(std::span<Scalar>(edited));
      learner_.machine().device->upload(edited_there_.data(), edited.data(), edited.size() * sizeof(Scalar));
      learner_.finish();
    }

    Learner& learner_;
    const Data& data_;
    std::span<const Part> parts_;
    bool resident_;
    Augmentation<Scalar> augment_;
    Array<Scalar> edited_there_;
    Staging<Scalar> rows_;
  };

  Machine& machine() const { return *machine_; }

  // The host's copy of what training changes is the device's.
  const Learner& pulled() const {
    if (pull_) {
      const Machine& on = machine();
      on.device->finish();
      on.device->download(parameters_.data(), on.parameters.data(), on.parameters.bytes());
      if (state_.size() > 0) on.device->download(state_.data(), on.state.data(), on.state.bytes());
      on.device->finish();
      pull_ = false;
    }
    return *this;
  }
  Learner& pulled() { return const_cast<Learner&>(std::as_const(*this).pulled()); }

  void finish() { machine().device->finish(); }

  // There is a machine, and nothing of a failed step is left in it.
  void ready(Back& backend) {
    if (machine_ == nullptr || machine_->device != backend.device()) {
      pulled();
      machine_ = std::make_unique<Machine>(backend.device());
      push_ = true;
    }
    Machine& on = machine();
    if (!on.failed) return;
    const int good = 0;
    on.device->upload(on.bad.data(), &good, sizeof good);
    on.failed = false;
  }
  // What the host has changed goes to the device.
  void push() {
    if (!push_) return;
    Machine& on = machine();
    on.device->finish();
    on.device->upload(on.parameters.data(), parameters_.data(), on.parameters.bytes());
    if (state_.size() > 0) on.device->upload(on.state.data(), state_.data(), on.state.bytes());
    push_ = false;
  }

  // Takes a copy of the data to the device, once; false if they are too many.
  bool keep(const Data& data) {
    Machine& on = machine();
    if (on.data == data.id()) return on.fits;
    finish();
    on.graphs.clear();
    on.resident.clear();
    on.data = 0;
    std::size_t numbers = 0;
    for (const auto& stream : data.streams()) numbers += stream.inputs->size() * (Net::in.size() + label_stride);
    on.fits = numbers * sizeof(Scalar) <= on.device->free_memory() / 2;
    if (!on.fits) {
      on.data = data.id();
      return false;
    }
    const std::size_t block =
        std::clamp<std::size_t>((std::size_t{1} << 22) / (Net::in.size() + label_stride), 1, 4096);
    Staging<Scalar> rows(on.device, block * Net::in.size()), labels(on.device, block * label_stride);
    for (const auto& stream : data.streams()) {
      const std::size_t size = stream.labelled.meets(members_) ? stream.inputs->size() : 0;
      Resident there{{on.device, size * Net::in.size()}, {on.device, size * label_stride}};
      for (std::size_t first = 0; first < size; first += block) {
        const std::size_t count = std::min(block, size - first);
        for (std::size_t i = 0; i < count; ++i) {
          stream.inputs->copy(first + i, rows.data() + i * Net::in.size());
          write_labels(stream, first + i, labels.data() + i * label_stride);
        }
        on.device->upload(there.rows.data() + first * Net::in.size(), rows.data(),
                          count * Net::in.size() * sizeof(Scalar));
        on.device->upload(there.labels.data() + first * label_stride, labels.data(),
                          count * label_stride * sizeof(Scalar));
        on.device->finish();
      }
      on.resident.push_back(std::move(there));
    }
    on.data = data.id();
    return true;
  }

  // Each task's targets, then which of them are there.
  static void write_labels(const BoundStream<tasks>& stream, std::size_t sample, Scalar* to) {
    for (std::size_t t = 0; t < tasks; ++t) {
      const std::size_t n = target_count[t];
      if (const data::Targets* targets = stream.targets[t]; targets != nullptr) {
        targets->copy(sample, to);
        for (std::size_t i = 0; i < n; ++i) to[n + i] = targets->present(sample, i) ? Scalar(1) : Scalar(0);
      } else {
        std::fill_n(to, 2 * n, Scalar(0));
      }
      to += 2 * n;
    }
  }

  // Room for a step's control, and for `staged` samples from the host.
  void reserve(std::size_t samples, std::size_t staged, std::size_t jobs = 1) {
    Machine& on = machine();
    if (on.constants == 0) {
      std::vector<double> constants;
      rule_trace(optim::Now{}, constants);
      on.constants = constants.size() + 16;  // a rule of another form may have a few more
    }
    if (on.reals == 0 || samples > on.index_room || jobs > on.jobs_room) {
      finish();  // the other desk may be in use
      on.graphs.clear();
      on.index_room = std::max(samples, on.index_room);
      on.jobs_room = std::max(jobs, on.jobs_room);
      on.reals = 0;  // until there is room
      const std::size_t reals = 2 * tasks + segments * (1 + on.constants);
      const std::size_t bytes = on.index_at(reals) + on.index_room * sizeof(std::uint32_t);
      for (auto& desk : on.desks) {
        desk.control = {on.device, bytes};
        desk.control_there = {on.device, bytes};
      }
      on.reals = reals;
    }
    if (staged * Net::in.size() > on.staged_rows.size()) {
      finish();
      on.graphs.clear();
      on.staged_rows = {};
      Array<Scalar> rows_there(on.device, staged * Net::in.size());
      Array<Scalar> labels_there(on.device, staged * label_stride);
      on.staged_labels = {on.device, staged * label_stride};
      on.staged_rows = {on.device, staged * Net::in.size()};
      on.staged_rows_there = std::move(rows_there);
      on.staged_labels_there = std::move(labels_there);
    }
  }

  // The launches of a batch. Samples come from where they lie on the device, or from the host.
  void plan(const Data& data, std::span<const Part> parts, bool resident, bool training, Augmentation<Scalar> augment,
            backend::PassKind kind) {
    Machine& on = machine();
    std::size_t jobs = 0;
    for (const Part& part : parts) jobs += part.samples.empty() ? 0 : 1;
    reserve(batch_samples_, resident ? 0 : batch_samples_, std::max<std::size_t>(jobs, 1));
    on.jobs.clear();
    on.used_slots = 0;
    on.rows = resident ? 0 : batch_samples_;
    on.indices = batch_samples_;
    on.labels = true;
    std::size_t position = 0;
    for (const Part& part : parts) {
      const auto& stream = data.streams()[part.stream];
      if (!stream.labelled.meets(members_)) continue;
      // All that the stream has labels for, whether this batch has them or not: few programs, whatever is missing.
      const TaskSet set = stream.labelled & members_;
      for (std::size_t i = 0; i < part.samples.size(); ++i) {
        const std::size_t at = position + i;
        on.index()[at] = resident ? part.samples[i] : static_cast<std::uint32_t>(at);
        if (resident) continue;
        Scalar* const row = on.staged_rows.data() + at * Net::in.size();
        stream.inputs->copy(part.samples[i], row);
        write_labels(stream, part.samples[i], on.staged_labels.data() + at * label_stride);
        if (!training || !augment) continue;
        Random random(seed_, Purpose::augment, steps_ << 32 | at);
        augment({row, Net::in.size()}, Net::in, random);
      }
      if (!set.empty() && !part.samples.empty())
        add_job(set, position, part.samples.size(),
                resident ? on.resident[part.stream].rows.data() : on.staged_rows_there.data(),
                resident ? on.resident[part.stream].labels.data() : on.staged_labels_there.data(), kind, training,
                std::max<std::size_t>(most_blocks / jobs, 8));
      position += part.samples.size();
    }
    write_words(step_draws());
  }

  void add_job(TaskSet set, std::size_t first, std::size_t count, const Scalar* rows, const Scalar* labels,
               backend::PassKind kind, bool training, std::size_t most) {
    Machine& on = machine();
    // Blocks as wide as fills the machine with them; predictions must not depend on how many are asked for.
    const std::size_t wide = kind == backend::PassKind::predict ? 8 * 128 : count;
    unsigned samples = 1;
    while (samples < 32 && wide >= samples * 2 * 128 &&
           samples * 2 * layout.size * sizeof(Scalar) <= on.device->shared_memory() / 16 * 15)  // traces need some more
      samples *= 2;
    Pass& pass = pass_of(set, kind, training, samples);
    const std::size_t groups = (count + samples - 1) / samples;
    const auto slot = static_cast<std::uint32_t>(on.used_slots);
    const auto blocks = static_cast<std::uint32_t>(std::min(groups, most));
    on.jobs.push_back({&pass, set, samples, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(first), slot,
                       blocks, rows, labels});
    on.used_slots += blocks;
    const std::size_t slots = on.used_slots;
    if (on.losses.size() < slots * tasks) {
      finish();
      on.graphs.clear();
      for (auto& desk : on.desks) {
        Staging<double> larger(on.device, slots * tasks);
        std::copy_n(desk.losses_back.data(), desk.losses_back.size(), larger.data());  // perhaps not told of yet
        desk.losses_back = std::move(larger);
      }
      on.losses = {on.device, slots * tasks};
    }
    if (kind == backend::PassKind::learn && on.slots.size() < slots * slot_size) {
      finish();
      on.graphs.clear();
      on.slots = {};
      on.slots = {on.device, slots * slot_size};
    }
    if (!pass.shared && on.arena.size() < blocks * pass.memory) {
      finish();
      on.graphs.clear();
      on.arena = {};
      on.arena = {on.device, blocks * pass.memory};
    }
  }

  // The pass's code, recorded and compiled the first time.
  Pass& pass_of(TaskSet set, backend::PassKind kind, bool training, unsigned samples) {
    Machine& on = machine();
    const std::pair key{set.bits(), std::uint64_t{samples} << 8 | (training ? 16 : 0) | std::uint64_t(kind)};
    if (const auto found = on.passes.find(key); found != on.passes.end()) return found->second;
    backend::PassPlan plan;
    plan.kind = kind;
    plan.memory = layout.size;
    plan.input = Net::input;
    plan.size = Net::in.size();
    plan.set = set;
    plan.slot = slot_size;
    for (std::size_t t = 0; t < tasks; ++t)
      plan.tasks.push_back(
          {layout.target[t], layout.present[t], layout.loss[t], target_count[t], Net::output[t], outputs_of[t]});
    plan.program = record(set, kind, training);
    const std::size_t shared = on.device->shared_memory() / sizeof(Scalar);
    backend::PassCode code = backend::pass_code(plan, real, Device::threads, samples, shared);
    Pass pass{on.device->compile(code.text),
              {},
              {on.device, std::max<std::size_t>(code.table.size(), 1)},
              code.memory * samples,
              code.memory * samples <= shared};
    pass.kernel = on.device->kernel(pass.module, "pass");
    if (code.nowhere > on.zeros.size()) {
      finish();
      on.graphs.clear();
      on.zeros = {on.device, code.nowhere};
      on.nowhere = {on.device, code.nowhere};
    }
    on.device->upload(pass.table.data(), code.table.data(), code.table.size() * sizeof(std::int32_t));
    finish();
    return on.passes.emplace(key, std::move(pass)).first->second;
  }

  backend::Program record(TaskSet set, backend::PassKind kind, bool training) const {
    // Stand-ins: only their addresses are looked at.
    Buffer<Scalar> memory(layout.size), gradient(slot_size);
    backend::Recorder<Scalar> recorder(memory.span(), parameters_.span(), gradient.span());
    const sharing::NetworkPass<Slice> pass{parameters_.data(), {memory.data()}, set, {}, training};
    Net::template forward<Slice>(pass);
    if (kind == backend::PassKind::predict) return recorder.take();
    sharing::detail::for_each_task<tasks>(set, [&]<std::size_t t>() {
      Base::template loss<Slice, t>({memory.data()}, [] { return Slice::Number::control(std::uint32_t{t}); });
    });
    if (kind == backend::PassKind::losses) return recorder.take();
    if constexpr (gradients) {
      for (std::size_t t = 0; t < tasks; ++t) {
        if (!set.has(t)) continue;
        auto one = pass;
        one.tasks = TaskSet::only(t);
        Net::template backward<Slice>(one, {gradient.data() + Net::parameters + t * Net::shared, gradient.data()});
      }
    } else {
      Net::template backward<Slice>(pass, {gradient.data(), gradient.data()});
    }
    return recorder.take();
  }

  // The optimizer's rule at a time, as a trace; its numbers are controls.
  backend::Trace rule_trace(const optim::Now& now, std::vector<double>& constants) const {
    return backend::record_rule<Scalar, Optimizing::states>(optim::rule(optimizer_, now, optimizer_state_), constants);
  }

  // What the update needs to know of this step, for each segment.
  void write_constants(TaskSet present, optim::Now now) {
    Machine& on = machine();
    Scalar* const flags = on.numbers() + 2 * tasks;
    Scalar* const constants = flags + segments;
    std::vector<double> values;
    std::uint64_t last = 0;
    for (std::size_t s = 0; s < segments; ++s) {
      const bool moves = Net::segments[s].owners.meets(present);
      flags[s] = moves ? Scalar(1) : Scalar(0);
      if (!moves) continue;
      now.step = segment_steps_[s] + 1;
      if (now.step != last) {
        values.clear();
        const backend::Trace rule = rule_trace(now, values);
        const bool same = has_form(rule);
        if (last != 0 && !same) fail("an optimizer's rule has one form for some parameters and another for others");
        if (!same) compile_update(rule, values.size());
        last = now.step;
      }
      for (std::size_t i = 0; i < values.size(); ++i) constants[s * on.constants + i] = static_cast<Scalar>(values[i]);
    }
  }

  // The update's code; anew where the rule has another form than last time.
  bool has_form(const backend::Trace& rule) const {
    const auto& update = machine().update;
    return update != nullptr && update->nodes == rule.nodes && update->stores == rule.stores;
  }
  void compile_update(const backend::Trace& rule, std::size_t constants) {
    Machine& on = machine();
    if (constants > on.constants)
      fail("an optimizer's rule has ", constants, " numbers, and there is room for ", on.constants,
           ": some more than in its first step");
    backend::UpdatePlan plan{Net::parameters,    slot_size, Net::shared, tasks, {},
                             Optimizing::states, rule,      on.constants};
    for (const Segment& segment : Net::segments) plan.ends.push_back(segment.offset + segment.size);
    on.graphs.clear();
    auto update = std::make_unique<Update>(Update{on.device->compile(backend::update_code(plan, real, update_threads)),
                                                  {},
                                                  {},
                                                  {},
                                                  {},
                                                  {},
                                                  {},
                                                  rule.nodes,
                                                  rule.stores});
    const auto kernel = [&](const char* name) { return on.device->kernel(update->module, name); };
    update->reduce = kernel("reduce");
    update->reduce_apply = kernel("reduce_apply");
    update->apply = kernel("apply");
    if constexpr (gradients) {
      update->combine = kernel("combine");
      update->gram = kernel("gram");
    }
    update->squares = kernel("squares");
    finish();  // the old code may still run
    on.update = std::move(update);
  }

  // Words of a step: slots; for each job its samples, place, slot, and the random draws.
  void write_words(const backend::Draws& draws) {
    Machine& on = machine();
    std::uint32_t* to = on.words();
    *to++ = static_cast<std::uint32_t>(on.used_slots);
    for (const Job& job : on.jobs) {
      const std::uint32_t words[job_words] = {job.count, job.first, job.slot, draws.key[0], draws.key[1], draws.step};
      to = std::copy_n(words, job_words, to);
    }
  }
  void write_control() {
    Scalar* const to = machine().numbers();
    for (std::size_t t = 0; t < tasks; ++t) {
      to[t] = static_cast<Scalar>(scale_[t]);
      to[tasks + t] = static_cast<Scalar>(weights_[t]);
    }
  }

  void upload() {
    Machine& on = machine();
    const auto& desk = on.desks[on.now];
    on.device->upload(desk.control_there.data(), desk.control.data(),
                      on.index_at() + on.indices * sizeof(std::uint32_t));
    if (on.rows == 0) return;
    on.device->upload(on.staged_rows_there.data(), on.staged_rows.data(), on.rows * Net::in.size() * sizeof(Scalar));
    if (on.labels)
      on.device->upload(on.staged_labels_there.data(), on.staged_labels.data(),
                        on.rows * label_stride * sizeof(Scalar));
  }

  // The forward pass alone, with other parameters; then the losses are those.
  void look(const Scalar* parameters, bool training) {
    Machine& on = machine();
    const std::vector<Job> jobs = on.jobs;
    for (Job& job : on.jobs) job.pass = &pass_of(job.set, backend::PassKind::losses, training, job.samples);
    upload();
    launch_passes(parameters, on.ignored.data());
    on.device->download(on.desks[on.now].losses_back.data(), on.losses.data(), on.used_slots * tasks * sizeof(double));
    finish();
    read_losses(on.now, on.used_slots, counts_);
    on.jobs = jobs;
  }

  void launch_passes(const Scalar* parameters, int* bad) {
    Machine& on = machine();
    const std::uint32_t* words = on.words_there() + head_words;
    for (const Job& job : on.jobs) {
      const std::uint32_t* index = on.index_there() + job.first;
      const Scalar* control = on.numbers_there();
      const std::int32_t* table = job.pass->table.data();
      Scalar *arena = on.arena.data(), *slots = on.slots.data(), *outputs = on.outputs.data();
      Scalar *zeros = on.zeros.data(), *nowhere = on.nowhere.data();
      double* losses = on.losses.data();
      const Scalar *p = parameters, *rows = job.rows, *labels = job.labels;
      void* arguments[] = {&p,     &rows,  &labels, &index, &words,   &control, &table,
                           &arena, &slots, &losses, &bad,   &outputs, &zeros,   &nowhere};
      on.device->launch(job.pass->kernel,
                        {job.blocks, Device::threads, job.pass->shared ? job.pass->memory * sizeof(Scalar) : 0},
                        arguments, "a pass");
      words += job_words;
    }
  }

  static constexpr unsigned update_threads = Device::threads < 256 ? Device::threads : 256;
  static unsigned blocks_for(std::size_t count, std::size_t each) {
    return static_cast<unsigned>(std::max<std::size_t>((count + each - 1) / each, 1));
  }

  // Runs a part of the step as a graph, recorded the first time that it has this form.
  void run_graph(Stage stage) {
    Machine& on = machine();
    if (on.update == nullptr) {
      std::vector<double> constants;
      const backend::Trace rule = rule_trace(optim::Now{}, constants);
      compile_update(rule, constants.size());
    }
    std::vector<std::uint64_t> key{std::uint64_t(stage) << 1 | on.now, on.rows, on.indices};
    for (const Job& job : on.jobs) {
      key.push_back(job.set.bits());
      key.push_back(job.samples);
      key.push_back(job.count);
      key.push_back(std::uint64_t{job.blocks} << 32 | job.first);
      key.push_back(reinterpret_cast<std::uintptr_t>(job.rows));
    }
    auto found = on.graphs.find(key);
    if (found == on.graphs.end()) {
      on.device->begin_graph();
      try {
        put(stage);
      } catch (...) {
        on.device->end_graph();
        throw;
      }
      found = on.graphs.emplace(std::move(key), on.device->end_graph()).first;
    }
    on.device->replay(found->second);
  }

  void put(Stage stage) {
    Machine& on = machine();
    upload();
    const std::uint32_t* words = on.words_there();
    Scalar *slots = on.slots.data(), *gradient = on.gradient.data();
    Scalar *p = on.parameters.data(), *state = on.state.data();
    const Scalar *weights = on.numbers_there() + tasks, *flags = on.numbers_there() + 2 * tasks;
    const int* bad = on.bad.data();
    double* parts = on.parts.data();
    const std::size_t shared = update_threads * sizeof(double);
    const auto launch = [&](typename Device::Kernel kernel, unsigned blocks, const char* what, auto... argument) {
      void* arguments[] = {&argument...};
      on.device->launch(kernel, {blocks, update_threads, shared}, arguments, what);
    };
    const auto combine = [&] {
      if constexpr (gradients)
        launch(on.update->combine, blocks_for(Net::shared, update_threads), "the direction", gradient, weights);
    };
    switch (stage) {
      case Stage::whole:
        launch_passes(p, on.bad.data());
        launch(on.update->reduce_apply, blocks_for(Net::parameters, 32), "the update", slots, words, gradient, p, state,
               flags, bad);
        break;
      case Stage::gradients:
        launch_passes(p, on.bad.data());
        launch(on.update->reduce, blocks_for(slot_size, 32), "the sum of the gradients", slots, words, gradient);
        if constexpr (gradients) {
          launch(on.update->gram, gram_parts, "the Gram matrix", gradient, parts);
          on.device->download(on.parts_back.data(), parts, gram_parts * tasks * tasks * sizeof(double));
        }
        break;
      case Stage::norm:
        combine();
        launch(on.update->squares, square_parts, "the gradient's norm", gradient, flags, parts);
        on.device->download(on.parts_back.data(), parts, square_parts * sizeof(double));
        break;
      case Stage::apply:
        if constexpr (!optim::needs_norm<Optimizing>) combine();
        launch(on.update->apply, blocks_for(Net::parameters, update_threads), "the update", gradient, p, state, flags,
               bad);
        break;
    }
    if (stage == Stage::whole || stage == Stage::gradients)
      on.device->download(on.desks[on.now].losses_back.data(), on.losses.data(),
                          on.used_slots * tasks * sizeof(double));
  }

  void read_losses(std::size_t desk, std::size_t slots, const std::array<double, tasks>& counts) {
    const double* const from = machine().desks[desk].losses_back.data();
    losses_.fill(0);
    for (std::size_t t = 0; t < tasks; ++t) {
      for (std::size_t s = 0; s < slots; ++s) losses_[t] += from[s * tasks + t];
      if (counts[t] > 0) losses_[t] /= counts[t];
    }
  }

  // The losses of a step that is over; throws if one is not finite, everything as it was before that step.
  void receive(const Flight& flight, std::size_t desk, const Step& where) {
    Machine& on = machine();
    on.device->wait_for(static_cast<int>(desk));
    read_losses(desk, flight.slots, flight.counts);
    try {
      check_losses(where);
    } catch (...) {
      finish();
      for (; on.flying > 0; --on.flying) {
        on.next = 1 - on.next;
        if (on.flights[on.next].counted) count_steps(on.flights[on.next].present, -1);
      }
      on.failed = true;
      throw;
    }
  }
  // Tells of the step that has been under way longest.
  template <class Done>
  void land(Done&& done) {
    Machine& on = machine();
    const std::size_t desk = on.flying == 2 ? on.next : 1 - on.next;
    Flight& flight = on.flights[desk];
    receive(flight, desk, flight.step);
    --on.flying;
    flight.step.losses = losses_;
    flight.step.weights = flight.weights;
    done(std::as_const(flight.step));
  }
  void count_steps(TaskSet present, int by) {
    for (std::size_t s = 0; s < segments; ++s)
      if (Net::segments[s].owners.meets(present)) segment_steps_[s] += static_cast<std::uint64_t>(by);
    steps_ += static_cast<std::uint64_t>(by);
  }
  void read_gram(TaskSet present) {
    const Machine& on = machine();
    const std::size_t n = present.count();
    std::fill_n(gram_.begin(), n * n, 0.0);
    for (std::size_t part = 0; part < gram_parts; ++part) {
      const double* const from = on.parts_back.data() + part * tasks * tasks;
      for_each_present(present, [&](std::size_t t, std::size_t i) {
        for_each_present(present, [&](std::size_t u, std::size_t j) {
          gram_[i * n + j] += from[std::min(t, u) * tasks + std::max(t, u)];
        });
      });
    }
  }

  double read_norm() const {
    const Machine& on = machine();
    double squares = 0;
    for (std::size_t part = 0; part < square_parts; ++part) squares += on.parts_back.data()[part];
    return std::sqrt(squares);
  }

  static constexpr std::string_view real = sizeof(Scalar) == 4 ? "float" : "double";

  std::unique_ptr<Machine> machine_;
  mutable bool pull_ = false;  // the device is ahead of the host
  bool push_ = true;           // the host is ahead of the device
};

}  // namespace mtlx::training
