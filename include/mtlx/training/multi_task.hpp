// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/equal_weights.hpp>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/clock.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/grouping/together.hpp>
#include <mtlx/nn/task.hpp>
#include <mtlx/optim/adam.hpp>
#include <mtlx/sharing/masks.hpp>
#include <mtlx/training/drawing.hpp>
#include <mtlx/training/learner.hpp>
#include <mtlx/training/options.hpp>
#include <mtlx/training/policies.hpp>
#include <mtlx/training/regrouping.hpp>
#include <mtlx/training/run.hpp>
#include <mtlx/training/scores.hpp>
#include <mtlx/training/summary.hpp>
#include <mtlx/training/weights.hpp>
#include <mtlx/training/workshop.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mtlx {

namespace training {

namespace detail {

// One task's loss and metric, sample after sample, in double. Tasks that differ in their names alone share its code.
template <class Scalar, class Loss, class Metric, int outputs_of>
class Judge {
 public:
  [[gnu::noinline]] void add(const data::Targets& targets, std::size_t first, std::size_t count,
                             const Scalar* outputs) {
    constexpr std::size_t width = static_cast<std::size_t>(Loss::targets(outputs_of));
    constexpr std::size_t numbers = static_cast<std::size_t>(outputs_of);
    using Slice = backend::ReferenceSlice;
    // Not on the stack: a large picture is too large for it.
    Buffer<float> z(numbers), truth(width);
    Buffer<double> exact(numbers), gradient(numbers), target(width), there(width);
    Buffer<unsigned char> present(width);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < numbers; ++j) {
        exact[j] = static_cast<double>(outputs[i * numbers + j]);
        z[j] = static_cast<float>(outputs[i * numbers + j]);
      }
      targets.copy(first + i, truth.data());
      for (std::size_t j = 0; j < width; ++j) {
        target[j] = static_cast<double>(truth[j]);
        present[j] = targets.present(first + i, j) ? 1 : 0;
        there[j] = present[j];
        count_ += there[j];
      }
      loss_ += Loss::template evaluate<outputs_of>(
          nn::LossSample<Slice>{{exact.data()}, {target.data()}, {there.data()}, {gradient.data()}, 1.0});
      if (!targets.goes_on(first + i)) metrics_.begin_sequence();
      metrics_.add(z.span(), truth.span(), present.span());
    }
  }
  double loss() const { return count_ > 0 ? loss_ / count_ : std::numeric_limits<double>::quiet_NaN(); }
  auto metrics() const { return metrics_.values(); }
  auto score() const { return make_score(loss(), metrics_); }

 private:
  double loss_ = 0;
  double count_ = 0;
  nn::MetricsOf<Metric> metrics_;
};

}  // namespace detail

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

  using Strategy = sharing::StrategyOf<Network>;
  using Options = ModelOptions<Balancing, Optimizing, Grouping, typename Back::Options, Strategy>;
  using FitOptions = training::FitOptions<Scalar>;

  /// Draws the first parameters from the seed. Throws `Error` if the options are out of range.
  [[gnu::cold]] explicit Model(Options options = {})
      : options_(std::move(options)), backend_(new Back(options_.backend)) {
    mtlx::validate(options_.sharing);
    mtlx::validate(options_.balancer);
    mtlx::validate(options_.optimizer);
    mtlx::validate(options_.grouping);
    plan_ = grouping::first_plan(options_.grouping, TaskList::names);
    make_networks();
  }

  /// A copy goes on as the original would; its threads are its own.
  Model(const Model& other)
      : options_(other.options_),
        backend_(new Back(options_.backend)),
        plan_(other.plan_),
        evidence_(other.evidence_),
        planned_(other.planned_),
        networks_(other.networks_),
        epochs_done_(other.epochs_done_) {}
  /// What was moved from can only be assigned to or destroyed.
  Model(Model&&) noexcept = default;
  Model& operator=(const Model& other) { return *this = Model(other); }
  Model& operator=(Model&&) noexcept = default;
  ~Model() = default;

  /// Trains on the data, one network after the other; called again, goes on with the next epochs' order. Where the grouping
  /// rule finds its plan by training, and neither `load` nor `set_plan` has brought one, the first call does that first, and
  /// networks begin anew, whatever was written into `parameters()`. Throws `Error` if the data do not fit the model, an option is out
  /// of range, or a loss or a parameter is not finite; the model is then between two epochs: `load` a checkpoint, or make a
  /// new one.
  [[gnu::cold]] void fit(const data::DataSet& data, const FitOptions& options = {}) {
    train_all(data, options, nullptr);
  }
  /// The same with files that keep the run from being lost, or going on with such a run. Throws `Error` if a file can't be
  /// written or gone on with, too.
  [[gnu::cold]] void fit(const data::DataSet& data, const FitOptions& options, const Checkpointing& files) {
    if (!detail::writes_files(files)) return train_all(data, options, nullptr);
    Files keeper(*this, options, files);
    train_all(data, options, &keeper);
  }

  /// Loss and metric of every task on the data; a task that the data set has no labels for gets NaN. Throws `Error` if
  /// the data do not fit the model.
  [[gnu::cold]] Scores<TaskList> evaluate(const data::DataSet& data) { return score(Data(data, In::shape, {})); }

  /// Every task's answers. Throws `Error` if the inputs' shape is not the model's.
  [[gnu::cold]] Predictions<TaskList> predict(const data::Inputs& inputs) {
    if (!(inputs.shape() == In::shape))
      fail("predict: the inputs are ", inputs.shape(), ", and the model takes ", In::shape);
    std::array<std::vector<float>, tasks> all;
    for (std::size_t t = 0; t < tasks; ++t) all[t].resize(inputs.size() * outputs_[t]);
    for_each_block(inputs, [&](std::size_t first, std::size_t count, const auto& outputs) {
      for (std::size_t t = 0; t < tasks; ++t)
        for (std::size_t i = 0; i < count * outputs_[t]; ++i)
          all[t][first * outputs_[t] + i] = static_cast<float>(outputs[t][i]);
    });
    return [&]<std::size_t... t>(std::index_sequence<t...>) {
      return Predictions<TaskList>(
          typename Predictions<TaskList>::All(typename Task::Prediction(std::move(all[t]))...));
    }(std::make_index_sequence<tasks>{});
  }

  /// Writes the whole state to a file: what is loaded goes on as this would, to the bit. Hyper-parameters are not in it.
  /// Throws `Error` if that fails.
  [[gnu::cold]] void save(const std::string& path) const {
    Checkpoint now = checkpoint();
    now.states = states();
    now.positions.clear();
    write_file(path, checkpoint_bytes(now));
  }
  /// Reads what `save` or `fit` wrote; after a file from the middle of an epoch, `fit` begins that epoch anew. Throws `Error`, with
  /// nothing changed, if the file is no checkpoint, cut, damaged, or of a model with another layout or seed.
  [[gnu::cold]] void load(const std::string& path) { take(parse_checkpoint(read_file(path), path), path); }

  /// Writes the parameters alone as safetensors, as PyTorch's state_dict has them: names ("trunk.0.weight", "left.bias",
  /// with "network.1." before them where there are several networks), shapes, and a Dense layer's weight as (outputs,
  /// inputs). Throws `Error` if that fails.
  [[gnu::cold]] void save_weights(const std::string& path) const {
    data::Safetensors content;
    for (const auto& weight : weights()) {
      const std::span<const Scalar> numbers =
          networks_[weight.network].parameters().subspan(weight.offset, data::numbers_in(weight.shape));
      const std::vector<Scalar> other =
          weight.turned ? detail::turned(numbers, weight.shape[0]) : std::vector<Scalar>();
      content.tensors.push_back(
          data::Tensor::of(weight.name, weight.shape, weight.turned ? std::span<const Scalar>(other) : numbers));
    }
    write_safetensors(path, content);
  }
  /// Reads parameters alone; the optimizer's and the balancer's states stay. Throws `Error`, with nothing changed, if the
  /// file is broken, or names, shapes and types are not exactly the model's; and where the grouping rule has yet to find its
  /// plan, for networks begin anew then.
  [[gnu::cold]] void load_weights(const std::string& path) {
    if constexpr (grouping::Finds<Grouping>)
      if (!planned_)
        fail("load_weights: the groups of tasks are yet to be found, and networks begin anew then: call find_plan, ",
             "set_plan or load before");
    const data::Safetensors content = data::read_safetensors(path);
    const auto all = weights();
    detail::check_tensors(content, all, sizeof(Scalar), path);
    for (const auto& weight : all) {
      std::vector<Scalar> numbers(data::numbers_in(weight.shape));
      content.find(weight.name)->copy_to(numbers.data());
      if (weight.turned) numbers = detail::turned(std::span<const Scalar>(numbers), weight.shape[1]);
      std::copy(numbers.begin(), numbers.end(), networks_[weight.network].parameters().data() + weight.offset);
    }
  }

  /// Layers, shapes, shared and own parameters, multiply-adds, memory.
  [[gnu::cold]] Summary summary() const {
    Summary s;
    Network::for_each_layer(
        [&](TaskSet owners, std::string_view name, Shape in, Shape out, std::size_t parameters, double multiply_adds) {
          s.layers.push_back({owners.count() == tasks && tasks > 1 ? "all" : names_of(owners), std::string(name), in,
                              out, parameters, multiply_adds});
          s.multiply_adds += multiply_adds;
        });
    s.networks = networks_.size();
    if (s.networks > 1) s.groups = grouping::plan_text(plan_, TaskList::names);
    s.parameters = Network::parameters * s.networks;
    s.shared = Network::shared * s.networks;
    s.bytes_sample = Network::memory * sizeof(Scalar);
    s.bytes_model = Learner::bytes_kept * s.networks;
    s.slice = Learner::Slice::width;
    return s;
  }

  /// Numbers that the model learns, over all its networks.
  std::size_t parameter_count() const { return Network::parameters * networks_.size(); }
  /// The flat parameter vector of one network (one for each group of tasks).
  std::span<Scalar> parameters(std::size_t network = 0) { return networks_.at(network).parameters(); }
  std::span<const Scalar> parameters(std::size_t network = 0) const { return networks_.at(network).parameters(); }
  /// The groups of tasks that train together. Where the grouping rule finds them by training, all tasks are one group
  /// until the first `fit`.
  const std::vector<grouping::Group>& plan() const { return plan_; }
  /// What the grouping rule found out on the way to the plan; empty for a plan that was known or set.
  const grouping::Evidence& evidence() const { return evidence_; }
  /// Has the grouping rule find its plan on the data, as the first `fit` would; networks begin anew. Throws `Error` as `fit`
  /// and the rule do, with nothing changed.
  [[gnu::cold]] const grouping::Evidence& find_plan(const data::DataSet& data, const FitOptions& options)
    requires grouping::Finds<Grouping>
  {
    find(data, options, nullptr);
    return evidence_;
  }
  /// Gives the model a plan: a network for each group, with first weights. No plan is looked for then. Throws `Error`, with
  /// nothing changed, unless each task is served exactly once, by a group that it is a member of.
  [[gnu::cold]] void set_plan(std::vector<grouping::Group> plan) {
    grouping::check_plan(plan, tasks);
    plan_ = std::move(plan);
    evidence_ = {};
    planned_ = true;
    epochs_done_ = 0;
    make_networks();
  }

  /// The groups that take turns on one network under a rule that regroups while it trains, and how they came about.
  [[gnu::cold]] grouping::GroupHistory groups(std::size_t network = 0) const
    requires grouping::Regroups<Grouping>
  {
    return grouping::Regrouping::history(networks_.at(network).notes(), tasks);
  }

  /// The streams' chances and groups under a rule that says which are drawn, and what finding them cost.
  [[gnu::cold]] grouping::Drawn drawn(std::size_t network = 0) const
    requires grouping::Draws<Grouping>
  {
    const std::span<const double> notes = networks_.at(network).notes();
    return grouping::Drawing::drawn(notes, options_.grouping.memory(grouping::Drawing::streams_in(notes)));
  }

  /// Which tasks own which shared weights of one network, under sharing::Sparse.
  [[gnu::cold]] sharing::Masks masks(std::size_t network = 0) const
    requires sharing::masked<Network>
  {
    const auto& masking = networks_.at(network).masking();
    return {{TaskList::names.begin(), TaskList::names.end()},
            masking.blocks(),
            {masking.owners().begin(), masking.owners().end()}};
  }
  /// Gives a network its masks, for a rule that keeps what it is given (sharing::GivenMasks). Throws `Error`, with nothing
  /// changed, unless tasks and blocks are the network's, and all but weights are every task's.
  [[gnu::cold]] void set_masks(const sharing::Masks& masks, std::size_t network = 0)
    requires sharing::masked<Network>
  {
    constexpr bool given = requires { requires Strategy::Rule::given; };
    static_assert(given, "mtlx: set_masks needs a mask rule that keeps what it is given, such as sharing::GivenMasks");
    if constexpr (given) {
      sharing::check_masks(masks, this->masks(network));
      networks_.at(network).masking().set_owners(masks.owners);
    }
  }

 private:
  friend class detail::WorkshopOf<Model>;
  template <class>
  friend class detail::DrawingOf;
  using Data = typename Learner::Data;

  static constexpr std::array<std::size_t, tasks> outputs_{static_cast<std::size_t>(Task::outputs)...};
  static constexpr std::array<bool, tasks> higher_{Task::Metric::higher_is_better...};
  static constexpr bool regroups = grouping::Regroups<Grouping>;
  static constexpr bool draws = grouping::Draws<Grouping>;
  using Turns = detail::TurnsOf<Grouping, Scalar, tasks>;
  // Whether masks are found by trainings of their own.
  static constexpr bool searches = [] {
    if constexpr (sharing::masked<Network>)
      return sharing::Searches<typename Strategy::Rule>;
    else
      return false;
  }();
  // Samples that predict hands on at a time: enough for all threads, little enough for the cache.
  static constexpr std::size_t block = 1024;

  template <class T>
  using Judge = detail::Judge<Scalar, typename T::Loss, typename T::Metric, T::outputs>;

  void make_networks() {
    networks_.clear();
    for (std::size_t g = 0; g < plan_.size(); ++g)
      networks_.emplace_back(plan_[g].members, options_.seed, g, options_.balancer, options_.optimizer,
                             options_.sharing);
    if constexpr (regroups)
      for (Learner& network : networks_) network.keep_notes(Turns::numbers);
  }

  // function(first, count, outputs of each task) for block after block of the inputs; of one network alone if one is given,
  // and then also for tasks that it trains and does not serve.
  template <class Function>
  [[gnu::cold]] void for_each_block(const data::Inputs& inputs, Function&& function, const Learner* alone = nullptr) {
    std::array<std::vector<Scalar>, tasks> outputs;
    std::array<Scalar*, tasks> pointers;
    for (std::size_t t = 0; t < tasks; ++t) {
      outputs[t].resize(std::min(block, inputs.size()) * outputs_[t]);
      pointers[t] = outputs[t].data();
    }
    for (std::size_t first = 0; first < inputs.size(); first += block) {
      const std::size_t count = std::min(block, inputs.size() - first);
      for (std::size_t g = 0; g < networks_.size(); ++g)
        if (alone == nullptr || alone == &networks_[g])
          networks_[g].predict(*backend_, inputs, first, count, alone == nullptr ? plan_[g].serves : plan_[g].members,
                               pointers);
      function(first, count, pointers);
    }
  }

  [[gnu::cold]] Scores<TaskList> score(const Data& data, const Learner* alone = nullptr) {
    std::tuple<Judge<Task>...> judges;
    for (const auto& stream : data.streams())
      for_each_block(
          *stream.inputs,
          [&](std::size_t first, std::size_t count, const auto& outputs) {
            std::size_t t = 0;
            std::apply(
                [&](auto&... judge) {
                  ((stream.targets[t] != nullptr ? judge.add(*stream.targets[t], first, count, outputs[t]) : void(),
                    ++t),
                   ...);
                },
                judges);
          },
          alone);
    return Scores<TaskList>(std::apply([](const auto&... judge) { return std::make_tuple(judge.score()...); }, judges));
  }

  // Of the tasks that have labels; NaN if none has.
  [[gnu::cold]] static double mean_loss(const std::array<double, tasks>& losses, TaskSet set) {
    double sum = 0, count = 0;
    for (std::size_t t = 0; t < tasks; ++t)
      if (set.has(t) && !is_nan(losses[t])) sum += losses[t], count += 1;
    return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
  }

  // Every parameter of every network as a tensor.
  [[gnu::cold]] std::vector<detail::Weight> weights() const {
    std::vector<detail::Weight> all;
    for (std::size_t g = 0; g < networks_.size(); ++g)
      for (const auto& [path, parameter, offset] : Learner::placed_parameters()) {
        std::vector<std::size_t> shape(parameter.shape.begin(), parameter.shape.begin() + parameter.rank());
        if (parameter.turned) std::swap(shape[0], shape[1]);
        all.push_back({networks_.size() > 1 ? join("network.", g, ".", path) : path, std::move(shape), g, offset,
                       parameter.turned});
      }
    return all;
  }

  // The tasks of a set by name, with commas between them.
  [[gnu::cold]] static std::string names_of(TaskSet set) {
    std::string names;
    for (std::size_t t = 0; t < tasks; ++t)
      if (set.has(t)) names += join(names.empty() ? "" : ",", TaskList::names[t]);
    return names;
  }

  // Everything that decides what the bytes of a checkpoint mean, a line each.
  [[gnu::cold]] std::string layout() const {
    std::string text = join("numbers of ", sizeof(Scalar), " bytes\n");
    ((text += join("task ", Task::name.view(), " with ", Task::outputs, " outputs and the loss ",
                   type_name<typename Task::Loss>(), "\n")),
     ...);
    Network::for_each_layer([&](TaskSet owners, std::string_view name, Shape in, Shape out, std::size_t, double) {
      text += join("layer ", name, " from ", in, " to ", out, " for ", names_of(owners), "\n");
    });
    for (const auto& placed : Learner::placed_parameters()) {
      text += placed.path;
      for (const int side : placed.parameter.shape) text += join(" ", side);
      text += '\n';
    }
    for (const Segment& segment : Network::segments)
      text += join(segment.size, " parameters of ", names_of(segment.owners), "\n");
    text +=
        join("optimizer ", type_name<Optimizing>(), " with ", Optimizing::states,
             " numbers a parameter and a state of ", detail::size_in_file<PolicyState<Optimizing>>, " bytes\nbalancer ",
             type_name<Balancing>(), " with a state of ", detail::size_in_file<PolicyState<Balancing>>, " bytes\n");
    if constexpr (sharing::masked<Network>)
      text += join("masks by ", type_name<typename Strategy::Rule>(), " with ", Strategy::Rule::memory,
                   " numbers a task and parameter\n");
    for (const grouping::Group& group : plan_)
      text += join("network of ", names_of(group.members), " for ", names_of(group.serves), "\n");
    if constexpr (regroups) text += join("groups by ", type_name<Grouping>(), " with ", Turns::numbers, " numbers\n");
    if constexpr (draws)
      if (const std::size_t streams = grouping::Drawing::streams_in(networks_[0].notes()); streams > 0)
        text += join(detail::streams_line, streams, " by ", type_name<Grouping>(), "\n");
    if constexpr (grouping::Finds<Grouping>)
      for (std::size_t g = 0; planned_ && g < plan_.size(); ++g)
        text += join(detail::plan_line, plan_[g].members.bits(), " ", plan_[g].serves.bits(), "\n");
    return text;
  }
  // What the rule keeps of so many streams has its place with the network.
  [[gnu::cold]] void keep_streams(std::size_t streams) {
    if constexpr (draws) {
      const std::span<const double> kept = networks_[0].notes();
      if (grouping::Drawing::streams_in(kept) == streams) return;
      if (!kept.empty())
        fail("the model was trained on ", grouping::Drawing::streams_in(kept),
             " streams, and its grouping rule knows them by number: the data have ", streams);
      detail::keep_streams<Grouping>(networks_[0], options_.grouping, streams);
    }
  }
  // Trainings that are over are taken from the journal, and new ones put into it, if there is one.
  [[gnu::cold]] void find(const data::DataSet& data, const FitOptions& options, detail::SearchJournal* journal) {
    grouping::Plan found;
    {
      detail::WorkshopOf<Model> workshop(*this, data, options, journal);
      found = std::as_const(options_.grouping).find(workshop);
      found.evidence.steps = workshop.steps();
    }
    set_plan(std::move(found.groups));
    evidence_ = std::move(found.evidence);
  }
  // What a plan that was found is kept as. A model whose rule finds plans takes it from the file that it goes on with, or
  // that none was found yet. So do rules that draw streams with how many they are.
  [[gnu::cold]] bool adopt_plan(const Checkpoint& found) {
    if constexpr (draws) {
      const std::size_t streams = detail::streams_in(found.model);
      if (grouping::Drawing::streams_in(networks_[0].notes()) == streams) return false;
      networks_[0].keep_notes(0);
      if (streams > 0) keep_streams(streams);
      return true;
    }
    if constexpr (grouping::Finds<Grouping>) {
      auto plan = detail::plan_in(found.model, tasks);
      const bool known = !plan.empty();
      if (!known) plan = grouping::first_plan(options_.grouping, TaskList::names);
      if (known == planned_ && plan == plan_) return false;
      set_plan(std::move(plan));
      planned_ = known;
      return true;
    }
    return false;
  }
  [[gnu::cold]] void take(const Checkpoint& found, const std::string& path) {
    if constexpr (grouping::Finds<Grouping> || draws)
      if (Model other = *this; other.adopt_plan(found)) {
        other.take(found, path);
        *this = std::move(other);
        return;
      }
    Checkpoint now = checkpoint();
    now.states = states();
    detail::check_checkpoint(found, now, path);
    grouping::Evidence evidence = parse_evidence(found.evidence, path);
    restore(found, now.states, path);
    evidence_ = std::move(evidence);
    epochs_done_ = found.epochs_done + detail::epochs_over(found);
  }

  // Every network at the beginning of a fit.
  [[gnu::cold]] Checkpoint start() const {
    Checkpoint now{{}, options_.seed, epochs_done_, {}, {}, {}};
    now.positions = std::vector<Position>(networks_.size());
    for (Position& position : now.positions) position.sums.resize(2 * tasks);
    return now;
  }
  // The same with what a file says of the model; but for the networks' states.
  [[gnu::cold]] Checkpoint checkpoint() const {
    Checkpoint now = start();
    now.model = layout();
    now.evidence = evidence_bytes(evidence_);
    return now;
  }
  [[gnu::cold]] std::vector<std::string> states() const {
    std::vector<std::string> all;
    for (const Learner& network : networks_) all.push_back(network.state());
    return all;
  }
  [[gnu::cold]] void restore(const std::vector<std::string>& states) {
    for (std::size_t g = 0; g < networks_.size(); ++g) networks_[g].restore(states[g]);
  }
  // The states in a file; those of before where what a rule kept of its streams can't be.
  [[gnu::cold]] void restore(const Checkpoint& found, const std::vector<std::string>& before, const std::string& file) {
    restore(found.states);
    if constexpr (draws) {
      const std::span<const double> notes = networks_[0].notes();
      if (notes.empty() || grouping::Drawing::sound(notes, detail::streams_in(found.model))) return;
      restore(before);
      fail(file, " is no sound checkpoint: what it says of streams can't be");
    }
  }

  // Every network as it was after its best epoch, as far as there was one; a model between two fits.
  [[gnu::cold]] Checkpoint best_of(const Checkpoint& run) const {
    Checkpoint best{run.model, run.seed, run.epochs_done + detail::epochs_over(run, true), states(), {}, {}, {}};
    best.evidence = run.evidence;
    for (std::size_t g = 0; g < networks_.size(); ++g)
      if (!run.positions[g].best_state.empty()) best.states[g] = run.positions[g].best_state;
    return best;
  }

  // What keeps a run: behind virtual functions, so that its code is compiled where it is asked for only.
  struct Keeper {
    virtual void find_plan(const data::DataSet& all, const Data& data, const Data& validation) = 0;
    virtual Checkpoint begin(const Data& data, const Data& validation) = 0;
    virtual void save(Checkpoint& run) = 0;
    virtual void save_best(const Checkpoint& run) = 0;

    std::size_t every_steps = 0;
    bool resumes = false;

   protected:
    ~Keeper() = default;
  };
  class Files final : public Keeper {
   public:
    Files(Model& model, const FitOptions& options, const Checkpointing& files)
        : model_(model), options_(options), files_(files) {
      this->every_steps = files.every_steps;
      this->resumes = detail::resumes(files);
      // A search that is under way was begun after any run that is there.
      if constexpr (grouping::Finds<Grouping>)
        if (!model.planned_ && file_exists(detail::search_file(files))) this->resumes = false;
    }
    // Goes on with a search that was interrupted, or begins one.
    [[gnu::cold]] void find_plan(const data::DataSet& all, const Data& data, const Data& validation) override {
      if constexpr (grouping::Finds<Grouping>) {
        detail::SearchJournal journal(detail::search_file(files_),
                                      join(model_.layout(), "seed ", model_.options_.seed, "\n", type_name<Grouping>(),
                                           "\n", options_.epochs, " epochs\n", text(data, validation)),
                                      tasks, files_.resume);
        model_.find(all, options_, &journal);
      }
    }
    // Begins a run, or goes on with one that was interrupted.
    [[gnu::cold]] Checkpoint begin(const Data& data, const Data& validation) override {
      const std::string file = detail::last_file(files_);
      Checkpoint found;
      if (this->resumes) {
        found = parse_checkpoint(read_file(file), file);
        if constexpr (grouping::Finds<Grouping>) {
          Model other = model_;  // a file of another model changes nothing
          other.take(found, file);
          if (!other.planned_ && options_.epochs > 0)
            fail(file, ": this run was asked for no epochs, so that no groups were found: begin it anew");
          model_.adopt_plan(found);
        }
      }
      Checkpoint run = model_.checkpoint();
      run.fit = text(data, validation);
      if (!this->resumes) {
        detail::remove_best(files_);
        save(run);
        if constexpr (grouping::Finds<Grouping>)
          if (model_.planned_) std::remove(detail::search_file(files_).c_str());
        return run;
      }
      run.states = model_.states();
      detail::check_checkpoint(found, run, file);
      detail::check_run(found, run, options_.epochs, file);
      grouping::Evidence evidence = parse_evidence(found.evidence, file);
      model_.restore(found, run.states, file);
      model_.evidence_ = std::move(evidence);
      found.states.clear();
      return found;
    }
    [[gnu::cold]] void save(Checkpoint& run) override {
      // What can't be gone on with must not take the place of what can.
      for (const Learner& network : model_.networks_) network.check_parameters();
      run.states = model_.states();
      write_file(detail::last_file(files_), checkpoint_bytes(run));
      run.states.clear();
    }
    [[gnu::cold]] void save_best(const Checkpoint& run) override {
      write_file(detail::best_file(files_), checkpoint_bytes(model_.best_of(run)));
    }

   private:
    std::string text(const Data& data, const Data& validation) const {
      return detail::fit_text(options_.batch_size, options_.sampling, options_.shuffle, data.sizes(),
                              validation.sizes(), options_.monitor != nullptr, bool(options_.augment),
                              options_.early_stopping, options_.drawn);
    }

    Model& model_;
    const FitOptions& options_;
    const Checkpointing& files_;
  };

  // The trainings that a mask rule asks for before the one of `fit`, each on a network of its own. What they learn is
  // forgotten, but for what the rule makes of it. Returns the steps that they took.
  [[gnu::cold]] std::size_t find_masks(std::size_t g, const Data& data, const Data& validation,
                                       const FitOptions& options) {
    std::size_t steps = 0;
    if constexpr (searches) {
      if (networks_[g].steps() > 0 || options.epochs == 0) return 0;
      Learner kept = networks_[g];
      FitOptions plain = options;
      plain.validation = nullptr;
      plain.observers.clear();
      plain.probes.clear();
      plain.early_stopping = {};
      plain.monitor = nullptr;
      const auto train = [&](TaskSet set, std::span<const Scalar> from, std::span<const TaskSet> owners,
                             std::size_t epochs = 0) {
        networks_[g] =
            Learner(plan_[g].members & set, options_.seed, g, options_.balancer, options_.optimizer, options_.sharing);
        std::copy(from.begin(), from.end(), networks_[g].parameters().begin());
        networks_[g].masking().set_owners(owners);
        networks_[g].masking().freeze();
        plain.epochs = epochs > 0 ? epochs : options.epochs;
        Checkpoint run = start();
        this->train(g, data, validation, plain, run, nullptr);
        steps += static_cast<std::size_t>(networks_[g].steps());
        sharing::TrainedMasks<Scalar> result;
        result.parameters.assign(networks_[g].parameters().begin(), networks_[g].parameters().end());
        const auto values = score(validation, &networks_[g]).metrics();
        for (std::size_t t = 0; t < tasks; ++t)
          result.scores.push_back(!plan_[g].members.has(t) ? std::numeric_limits<double>::quiet_NaN()
                                  : higher_[t]             ? values[t]
                                                           : -values[t]);
        return result;
      };
      const TaskSet labelled = plan_[g].members & data.labelled();
      sharing::MaskSearch<Scalar> search{tasks, labelled, kept.masking().blocks(), kept.parameters(), options.epochs};
      try {
        const auto found = kept.masking().rule().find(search, train);
        kept.masking().set_owners(found.owners);
        std::copy(found.start.begin(), found.start.end(), kept.parameters().begin());
      } catch (...) {
        networks_[g] = std::move(kept);
        throw;
      }
      networks_[g] = std::move(kept);
    }
    return steps;
  }

  [[gnu::cold]] void train_all(const data::DataSet& data, const FitOptions& options, Keeper* keeper) {
    const detail::SetAside samples(options_.grouping, data, options_.seed);
    const Data bound(samples.train(), In::shape, TaskSet::first(tasks));
    const Data validation =
        options.validation != nullptr ? Data(*options.validation, In::shape, TaskSet()) : Data();  // or no streams
    detail::check_options(options.batch_size, options.early_stopping, options.monitor != nullptr,
                          options.validation != nullptr);
    if constexpr (grouping::Finds<Grouping>)
      if (!planned_ && options.epochs > 0 && (keeper == nullptr || !keeper->resumes)) {
        if (keeper != nullptr)
          keeper->find_plan(data, bound, validation);
        else
          find_plan(data, options);
      }
    for (const grouping::Group& group : plan_)
      if (options.early_stopping.patience > 0 && options.monitor == nullptr &&
          !validation.labelled().meets(group.serves))
        fail("early stopping needs validation labels, and there are none for ", names_of(group.serves));
    if constexpr (searches)
      for (std::size_t g = 0; g < networks_.size() && (keeper == nullptr || !keeper->resumes); ++g)
        find_masks(g, bound, validation, options);
    if constexpr (draws) {
      if (options.sampling != Sampling::drawn)
        fail(
            "the grouping rule says which streams are drawn, and the fit deals them out otherwise: ask for .sampling = "
            "training::Sampling::drawn");
      if (options.validation != nullptr && options.validation_clusters != nullptr)
        static_cast<void>(data::distinct(*options.validation_clusters, *options.validation));
      keep_streams(bound.streams().size());
    }
    Checkpoint run = keeper != nullptr ? keeper->begin(bound, validation) : start();
    for (std::size_t g = 0; g < networks_.size(); ++g)
      train(g, bound, validation, options, run, keeper, {}, samples.held_out());
    const bool best = detail::restores_best(options.early_stopping);
    for (std::size_t g = 0; best && g < networks_.size(); ++g)
      if (!run.positions[g].best_state.empty()) networks_[g].restore(run.positions[g].best_state);
    epochs_done_ = run.epochs_done + detail::epochs_over(run, best);
  }

  [[gnu::cold]] void train(std::size_t g, const Data& data, const Data& validation, const FitOptions& options,
                           Checkpoint& run, Keeper* keeper, const detail::Course& course = {},
                           [[maybe_unused]] const data::DataSet* held_out = nullptr) {
    Learner& network = networks_[g];
    Position& at = run.positions[g];
    // Streams without a label for the network's tasks are not dealt out.
    std::vector<std::size_t> streams, sizes;
    DrawOptions drawn = options.drawn;
    for (std::size_t s = 0; s < data.streams().size(); ++s)
      if (data.streams()[s].labelled.meets(network.members())) {
        streams.push_back(s);
        sizes.push_back(data.streams()[s].inputs->size());
      }
    if (!drawn.chances.empty()) {
      drawn.chances.clear();
      if (options.drawn.chances.size() != data.streams().size())
        fail("sampling: ", options.drawn.chances.size(), " chances for ", data.streams().size(), " streams");
      for (const std::size_t s : streams) drawn.chances.push_back(options.drawn.chances[s]);
    }
    network.complete([](const Step&) {});  // of a fit that somebody's exception ended
    Sampler sampler(sizes, {options.batch_size, options.sampling, options.shuffle, options_.seed, std::move(drawn)});
    if (at.step >= std::max<std::uint64_t>(sampler.steps(), 1)) fail("the checkpoint is in a step that there is not");
    static constexpr std::array<std::string_view, tasks> metrics{Task::Metric::name...};
    Run about{TaskList::names,
              metrics,
              network.members(),
              options.epochs - at.epoch,
              sampler.steps(),
              0,
              options.validation != nullptr,
              g};
    for (const std::size_t size : sizes) about.samples += size;
    for (Observer* observer : options.observers) observer->on_begin(about);
    Buffer<Sampler::Part> parts(sampler.most_parts());
    const TaskSet labelled = validation.labelled();
    const std::span<double> total(at.sums.data(), tasks), count(at.sums.data() + tasks, tasks);
    optim::Now time;
    time.epochs = course.epochs > 0 ? course.epochs : static_cast<double>(epochs_done_ + options.epochs);
    time.steps_per_epoch = sampler.steps();
    std::size_t taken = 0;
    [[maybe_unused]] Turns turns(std::as_const(options_.grouping), network.notes(), options_.seed,
                                 network.members() & data.labelled(), held_out,
                                 std::span<Probe<Scalar>* const>(options.probes));
    [[maybe_unused]] typename detail::ChooseDrawing<Model, draws>::type drawing(*this, network, data, validation,
                                                                                options, sampler, time);
    while (at.epoch < options.epochs && !detail::stops(at, options.early_stopping)) {
      const double start = clock_seconds();
      const std::size_t epoch = epochs_done_ + at.epoch;
      sampler.begin(epoch);
      for (std::size_t step = 0; step < at.step; ++step) sampler.next();
      const auto landed = [&](const Step& now) {
        for (std::size_t t = 0; t < tasks; ++t)
          if (now.present.has(t)) total[t] += now.losses[t], count[t] += 1;
        ++at.step;
        for (Observer* observer : options.observers) observer->on_step(now);
      };
      const std::size_t end = at.step + std::min(sampler.steps() - at.step, course.steps - taken);
      for (std::size_t step = at.step; step < end; ++step, ++taken) {
        time.epoch = static_cast<double>(epoch) + static_cast<double>(step) / static_cast<double>(sampler.steps());
        if constexpr (draws) drawing.begin_step();
        std::size_t dealt = 0;
        for (const Sampler::Part& part : sampler.next()) parts[dealt++] = {streams[part.stream], part.samples};
        Step now;
        now.epoch = epoch;
        now.step = step;
        if constexpr (regroups)
          landed(turns.step(network, *backend_, data, std::span<const Sampler::Part>(parts.span().first(dealt)), now,
                            time, options.augment));
        else
          network.advance(*backend_, data, parts.span().first(dealt), now, options.probes, time, options.augment,
                          landed);
        if constexpr (draws) drawing.end_step();
        const std::size_t every = keeper != nullptr ? keeper->every_steps : 0;
        if (every > 0 && (step + 1) % every == 0 && step + 1 < sampler.steps()) {
          network.complete(landed);
          keeper->save(run);
        }
      }
      network.complete(landed);
      if constexpr (draws)
        if (at.epoch + 1 == options.epochs && end == sampler.steps()) drawing.end_fit();
      network.check_parameters();
      if (taken == course.steps) break;
      std::array<double, tasks> means, losses, values;
      for (std::size_t t = 0; t < tasks; ++t)
        means[t] = count[t] > 0 ? total[t] / count[t] : std::numeric_limits<double>::quiet_NaN();
      Epoch done;
      done.epoch = epoch;
      done.seconds = clock_seconds() - start;
      done.losses = means;
      if (options.validation != nullptr) {
        const auto scores = score(validation);
        losses = scores.losses();
        values = scores.metrics();
        for (std::size_t t = 0; t < tasks; ++t)
          if (plan_[g].serves.has(t) && labelled.has(t) && !is_finite(losses[t]))
            fail_not_finite("the validation loss of the task \"", TaskList::names[t], "\" is not finite after epoch ",
                            epoch + 1, "; training stops (a smaller learning rate may help)");
        done.validation_losses = losses;
        done.validation_metrics = values;
      }
      // A validation loss is this network's own only for tasks that it serves.
      const double loss =
          options.validation != nullptr ? mean_loss(losses, plan_[g].serves) : mean_loss(means, network.members());
      network.observe(loss);
      std::fill(at.sums.begin(), at.sums.end(), 0.0);
      at.step = 0;
      ++at.epoch;
      if (options.validation != nullptr) {
        done.monitor = options.monitor != nullptr ? options.monitor(done) : loss;
        done.best = detail::note(at, done.monitor, options.early_stopping);
        if (done.best && (keeper != nullptr || detail::restores_best(options.early_stopping)))
          at.best_state = network.state();
        done.stopped = detail::stops(at, options.early_stopping);
      }
      for (Observer* observer : options.observers) observer->on_epoch(done);
      if (keeper == nullptr) continue;
      // The best first: what is lost between the two is made again.
      if (done.best) keeper->save_best(run);
      keeper->save(run);
    }
    network.release_data();
    for (Observer* observer : options.observers) observer->on_end();
    if constexpr (sharing::masked<Network>)
      if (network.steps() > 0 && network.masking().holds(static_cast<std::size_t>(network.steps()) - 1))
        fail("the mask rule only looked on in all ", network.steps(),
             " steps, so that nothing was trained: let it look on for fewer, or train for more");
  }

  Options options_;
  std::unique_ptr<Back> backend_;
  std::vector<grouping::Group> plan_;
  grouping::Evidence evidence_;
  bool planned_ = grouping::Knows<Grouping>;  // whether the plan is known, or yet to be found
  std::vector<Learner> networks_;
  std::size_t epochs_done_ = 0;

 protected:
  void use_average() {
    for (Learner& network : networks_) network.use_average();
  }
};

namespace detail {

template <bool sound, class In, class TaskList, class... Policies>
struct ChooseModel {
  template <Kind kind, class Default>
  using Options = RefusedOptions<PickOr<kind, Default, Policies...>, Default>;
  using type =
      Refused<TaskList, Options<Kind::sharing, sharing::NoOptions>, Options<Kind::balancer, balancing::EqualWeights>,
              Options<Kind::optimizer, optim::Adam>, Options<Kind::grouping, grouping::Together>,
              PickOr<Kind::backend, backend::Cpu<float>, Policies...>>;
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

  /// A copy of the model with the averaged weights of an optimizer that averages (optim::Averaged); parts that no step
  /// has reached keep theirs.
  [[gnu::cold]] MultiTask averaged() const {
    constexpr bool averages = optim::averages<training::PickOr<Kind::optimizer, optim::Adam, Policies...>>;
    static_assert(averages, "mtlx: averaged() needs an optimizer that averages, such as optim::Averaged<optim::Adam>");
    MultiTask copy = *this;
    if constexpr (averages) copy.use_average();
    return copy;
  }
};

}  // namespace mtlx
