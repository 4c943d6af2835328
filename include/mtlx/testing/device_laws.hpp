// SPDX-License-Identifier: MIT
// Whether a device (backend/device.hpp) computes what layers, losses and optimizers mean. A suite collects what is to
// be checked, so that a source holds many kernels:
//
//   testing::DeviceSuite<testing::EmulatedDevice, float> suite;
//   suite.add_layer<nn::Conv2d<5, 3>, Shape{2, 7, 5}>();
//   suite.add_loss<nn::SoftmaxCrossEntropy, 10>("softmax", {.target = testing::class_target});
//   suite.add_rule("Adam", optim::Adam{});
//   const testing::Report report = suite.run(std::make_shared<testing::EmulatedDevice>());
//
// Reference    y, dx and dp of a layer, value and dz of a loss, parameters and states of an optimizer agree with
//              Reference to rounding, for blocks of 1, 4 and 32 samples, several groups a block and several blocks,
//              with memory shared and not; x = 0, where all is a tie; missing targets, and logits of 1e4. Random draws
//              drop the very same numbers.
// assign       so it is whatever memory, sums and the blocks' slots of gradients held before.
// in place     the same with y on x and dx on dy, where the layer promises it.
// guards       nothing else in memory is written, nor anything behind a slot's parameters.
// NaN          comes out where it went in, and in no other sample.
// bits         are the same in every run; where a device has an order of its threads to choose, in every order.
// update       the slots' sum and the tasks' combined rows are exact where the numbers allow it; the rule applied at
//              once and in two steps gives the same bits; a segment that takes no part stays, as all does when a loss
//              was not finite; inner products and squares are right.
#pragma once

#include <mtlx/backend/cpu.hpp>
#include <mtlx/backend/device_code.hpp>
#include <mtlx/backend/recorded.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/optim/optimizer.hpp>
#include <mtlx/testing/layer_laws.hpp>
#include <mtlx/testing/loss_laws.hpp>
#include <mtlx/testing/report.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::testing {

/// How a device is checked.
struct DeviceOptions {
  std::uint64_t seed = 1;
  /// Samples of a batch; where a block takes many, twice as many and three.
  std::size_t samples = 35;
  /// Samples of a block, powers of two up to 32.
  std::vector<unsigned> widths{1, 4, 32};
  /// Kernels that one source holds at most.
  std::size_t kernels = 40;
  /// Rounding allowed, in units of the scalar's epsilon times the largest number.
  double layer_rounding = 2000, loss_rounding = 200, rule_rounding = 40;
};

namespace detail {

/// Some neighbouring numbers of every sample of a batch.
struct Columns {
  std::string name;
  std::size_t place = 0, size = 0;
  std::vector<double> numbers;  // (samples, size)
  bool absent = false;          // 0 in what only fills a group
};

/// What goes into a program, and what must come out.
struct DeviceBatch {
  std::string name;
  double poison = not_a_number;  // what all other places hold
  std::vector<Columns> given, expected;
  std::vector<double> dparameters;  // empty: not compared
  std::vector<bool> broken;         // samples that hold NaN; none if empty
};

/// A program and the batches that it is run on.
struct DeviceCase {
  std::string group, name;
  backend::Program program;
  std::size_t memory = 0;          // numbers a sample
  std::vector<bool> assigned;      // which of them the program may write
  std::vector<double> parameters;  // the flat vector
  std::vector<double> control;     // what is known only when it runs
  double rounding = 0;
  std::size_t batches = 0;
  std::function<DeviceBatch(std::size_t batch, std::size_t samples)> batch;

  /// Whether it is code for one sample alone, with random draws: a number is then 0 only where one was dropped.
  bool drops() const {
    const auto is_trace = [](const backend::Operation& operation) { return operation.name == "trace"; };
    const auto is_draw = [](const backend::Node& node) { return node.kind == backend::Node::Kind::uniform; };
    return std::all_of(program.operations.begin(), program.operations.end(), is_trace) &&
           std::any_of(program.traces.begin(), program.traces.end(), [&](const backend::Trace& trace) {
             return std::any_of(trace.nodes.begin(), trace.nodes.end(), is_draw);
           });
  }
};

/// Lays places out in a sample's memory, with room between them that nobody may write to.
class Places {
 public:
  std::size_t next(std::size_t size) { return std::exchange(end_, end_ + size + room); }
  std::size_t end() const { return end_; }

 private:
  static constexpr std::size_t room = 3;
  std::size_t end_ = room;
};

template <class T>
void round_to(std::vector<double>& numbers) {
  for (double& number : numbers) number = static_cast<double>(static_cast<T>(number));
}

/// Where a layer's numbers lie.
struct LayerPlaces {
  std::size_t x = 0, y = 0, saved = 0, dy = 0, dx = 0, scratch = 0;
};

/// How a layer is run on a device.
struct LayerMode {
  bool training = false, in_place = false;
  int ids = 0;  // its inputs are ids below this; 0: any numbers
  std::uint64_t seed = 1;
};

inline DeviceBatch layer_batch(const LayerFacts& layer, RunLayer reference, const LayerPlaces& at,
                               const LayerMode& mode, void (*round)(std::vector<double>&), std::size_t batch,
                               std::size_t samples) {
  LayerInput input{normals(samples * layer.in, mode.seed, 5), normals(samples * layer.out, mode.seed, 6), layer.values,
                   mode.training};
  DeviceBatch result;
  if (mode.ids > 0) {
    Random random(mode.seed, Purpose::user, 7);
    for (double& x : input.x) x = random.below(static_cast<std::uint32_t>(mode.ids));
  }
  if (batch == 1) {
    result.name = " at 0";
    result.poison = 1e6;
    std::fill(input.x.begin(), input.x.end(), 0.0);
  }
  if (batch == 2) {
    result.name = " beside NaN";
    result.broken.resize(samples);
    input.x[layer.in + layer.in / 2] = not_a_number;
    result.broken[1] = true;
    if (mode.ids > 0) {
      input.x[3 * layer.in] = -1;
      input.x[4 * layer.in - 1] = mode.ids;
      result.broken[3] = true;
    }
  }
  round(input.x), round(input.dy);
  LayerOutput output = reference(input, {});
  // NaN times 0 is NaN: what comes of it in a sum over the samples is nobody's business.
  if (batch < 2 ||
      std::all_of(output.dparameters.begin(), output.dparameters.end(), [](double d) { return is_finite(d); }))
    result.dparameters = std::move(output.dparameters);
  result.given = {{"x", at.x, layer.in, std::move(input.x), false},
                  {"dy", at.dy, layer.out, std::move(input.dy), true}};
  result.expected = {{"y", at.y, layer.out, std::move(output.y), false},
                     {"dx", at.dx, layer.in, std::move(output.dx), false}};
  return result;
}

/// Records a layer's passes.
template <nn::Layer L, Shape In, class T>
DeviceCase layer_case(const LayerFacts& layer, const LayerMode& mode) {
  using S = backend::RecordingSlice<T>;
  constexpr std::size_t in = In.size(), out = L::output(In).size();
  constexpr std::size_t saved = nn::saved<L>(In), scratch = nn::scratch<L>(In);
  Places places;
  LayerPlaces at;
  at.x = places.next(in);
  at.y = mode.in_place ? at.x : places.next(out);
  at.saved = places.next(saved);
  at.dy = places.next(out);
  at.dx = mode.in_place ? at.dy : places.next(in);
  at.scratch = places.next(scratch);

  DeviceCase result;
  result.name = layer.name + (mode.training ? ", training" : "") + (mode.in_place ? ", in place" : "");
  result.memory = places.end();
  result.assigned.resize(result.memory);
  for (const auto& [place, size] : std::array<std::pair<std::size_t, std::size_t>, 4>{
           {{at.y, out}, {at.saved, saved}, {at.dx, in}, {at.scratch, scratch}}})
    std::fill_n(result.assigned.begin() + static_cast<std::ptrdiff_t>(place), size, true);
  result.parameters = layer.values;

  std::vector<T> memory(result.memory), parameters(layer.parameters), gradient(layer.parameters);
  const auto view = [&](std::size_t place) { return typename S::View{memory.data() + place}; };
  const backend::Draws draws{{7, 8}, 9, 10, 0};  // LayerRun's
  backend::Recorder<T> recorder(memory, parameters, gradient);
  nn::forward<L, In, S>(
      nn::Forward<S>{parameters.data(), view(at.x), view(at.y), view(at.saved), draws, mode.training});
  nn::backward<L, In, true, S>(nn::Backward<S>{parameters.data(), view(at.x), view(at.y), view(at.saved), view(at.dy),
                                               view(at.dx), gradient.data(), view(at.scratch), draws, mode.training});
  result.program = recorder.take();
  result.batches = mode.training || mode.in_place ? 2 : 3;
  result.batch = [=](std::size_t batch, std::size_t samples) {
    return layer_batch(layer, &LayerRun<L, In, backend::ReferenceSlice>::run, at, mode, &round_to<T>, batch, samples);
  };
  return result;
}

/// Where a loss's numbers lie.
struct LossPlaces {
  std::size_t z = 0, target = 0, present = 0, dz = 0, value = 0;
};

inline DeviceBatch loss_batch(const LossFacts& loss, RunLoss reference, const LossPlaces& at, LossOptions options,
                              void (*round)(std::vector<double>&), std::size_t batch, std::size_t samples) {
  options.samples = static_cast<int>(samples);
  const std::size_t outputs = static_cast<std::size_t>(loss.outputs);
  LossInput input = loss_input(loss, options);
  round(input.z), round(input.target);
  DeviceBatch result;
  if (batch == 2) {
    result.name = " at extremes";
    for (double& present : input.present) present = 1;
    for (std::size_t i = 0; i < input.z.size(); ++i) input.z[i] = i % 3 == 0 ? 1e4 : i % 3 == 1 ? -1e4 : input.z[i];
  }
  LossOutput output = reference(input, 0);
  if (batch == 1) {
    result.name = " beside what is missing";
    for (std::size_t s = 0; s < samples; ++s) {
      bool any = false;
      for (std::size_t t = s * loss.targets; t < (s + 1) * loss.targets; ++t) {
        if (input.present[t] > 0)
          any = true;
        else
          input.target[t] = not_a_number;
      }
      if (!any) std::fill_n(input.z.begin() + static_cast<std::ptrdiff_t>(s * outputs), outputs, not_a_number);
    }
  }
  result.given = {{"z", at.z, outputs, std::move(input.z), false},
                  {"target", at.target, loss.targets, std::move(input.target), false},
                  {"present", at.present, loss.targets, std::move(input.present), true}};
  result.expected = {{"value", at.value, 1, std::move(output.value), false},
                     {"dz", at.dz, outputs, std::move(output.dz), false}};
  return result;
}

/// Records a loss; its scale is known only when it runs.
template <class L, int Outputs, class T>
DeviceCase loss_case(std::string name, const LossOptions& options) {
  using S = backend::RecordingSlice<T>;
  const LossFacts loss{Outputs, static_cast<std::size_t>(L::targets(Outputs))};
  Places places;
  LossPlaces at;
  at.z = places.next(Outputs);
  at.target = places.next(loss.targets);
  at.present = places.next(loss.targets);
  at.dz = places.next(Outputs);
  at.value = places.next(1);
  DeviceCase result;
  result.name = std::move(name);
  result.memory = places.end();
  result.assigned.resize(result.memory);
  std::fill_n(result.assigned.begin() + static_cast<std::ptrdiff_t>(at.dz), Outputs, true);
  result.assigned[at.value] = true;
  std::vector<T> memory(result.memory);
  backend::Recorder<T> recorder(memory, {}, {});
  S::for_each_lane([&](const typename S::Lane& lane) {
    const auto view = [&](std::size_t place) { return typename S::View{memory.data() + place}; };
    const auto seen = [&](std::size_t place) { return lane.at(typename S::ConstView(view(place))); };
    lane.at(view(at.value))[0] = L::template evaluate<Outputs>(
        nn::LossSample<S>{seen(at.z), seen(at.target), seen(at.present), lane.at(view(at.dz)), S::Number::control(0)});
  });
  result.program = recorder.take();
  result.control = {loss_input(loss, options).scale};
  result.batches = 3;
  result.batch = [=](std::size_t batch, std::size_t samples) {
    return loss_batch(loss, &run_loss<L, Outputs, backend::ReferenceSlice>, at, options, &round_to<T>, batch, samples);
  };
  return result;
}

/// Steps of an optimizer on a vector of its own.
struct RuleCase {
  struct Step {
    std::vector<double> slots;              // (slots, numbers): the gradient is their sum
    std::vector<double> on;                 // flags of the segments, then their constants
    std::vector<double> gradient;           // the sum: the flat vector's, then a row for each of two tasks
    std::vector<double> parameters, state;  // after the step
  };
  std::string group, name;
  backend::UpdatePlan plan;
  std::vector<double> parameters;
  std::vector<Step> steps;
  bool one_form = true;  // of the rule, in every step
};

inline constexpr std::size_t rule_slots = 5;

/// Five steps of an optimizer by Reference, on two segments, the first of which misses the third step.
template <class T, class O>
RuleCase rule_case(const std::string& name, const O& optimizer, std::size_t count, std::uint64_t seed) {
  constexpr std::size_t states = O::states;
  RuleCase result;
  result.name = name + ", " + std::to_string(count) + " numbers";
  const std::vector<std::size_t> ends =
      count < 3 ? std::vector<std::size_t>{count} : std::vector<std::size_t>{count / 3, count};
  result.plan.parameters = count;
  result.plan.tasks = 2;
  result.plan.shared = (count + 1) / 2;
  result.plan.slot = count + result.plan.tasks * result.plan.shared;
  result.plan.states = states;
  result.plan.ends = ends;
  result.parameters = normals(count, seed, 21);
  round_to<T>(result.parameters);
  std::vector<double> parameters = result.parameters, state(states * count);
  PolicyState<O> memory{};
  Random random(seed, Purpose::user, 22);
  std::vector<std::uint64_t> taken(ends.size());
  for (std::size_t step = 0; step < 5; ++step) {
    RuleCase::Step now;
    const std::size_t slot = result.plan.slot;
    now.gradient.resize(slot);
    now.slots.resize(rule_slots * slot);
    double squares = 0;
    for (std::size_t i = 0; i < slot; ++i) {
      // Few enough bits that their sum is exact.
      for (std::size_t s = 0; s < rule_slots; ++s)
        now.gradient[i] += now.slots[s * slot + i] = std::round(random.normal() * 256) / 256;
      if (i < count) squares += now.gradient[i] * now.gradient[i];
    }
    optim::Now when;
    when.epoch = static_cast<double>(step) / 2;
    when.epochs = 3;
    when.steps_per_epoch = 2;
    when.gradient_norm = std::sqrt(squares);
    std::vector<std::vector<double>> constants(ends.size());
    for (std::size_t s = 0; s < ends.size(); ++s) {
      when.step = taken[s] + 1;
      backend::Trace trace = backend::record_rule<T, O::states>(optim::rule(optimizer, when, memory), constants[s]);
      if (step == 0 && s == 0) {
        result.plan.rule = trace;
        result.plan.constants = constants[0].size();
      }
      result.one_form = result.one_form && trace.nodes == result.plan.rule.nodes &&
                        trace.stores == result.plan.rule.stores && constants[s].size() == result.plan.constants;
      const bool moves = s != 0 || step != 2;
      now.on.push_back(moves ? 1 : 0);
      if (!moves) continue;
      ++taken[s];
      const std::size_t begin = s == 0 ? 0 : ends[s - 1];
      backend::Reference::update<states>(ends[s] - begin, parameters.data() + begin, now.gradient.data() + begin,
                                         states > 0 ? state.data() + begin : nullptr, count,
                                         optim::rule(optimizer, when, memory));
    }
    for (const std::vector<double>& numbers : constants) now.on.insert(now.on.end(), numbers.begin(), numbers.end());
    now.parameters = parameters;
    now.state = state;
    result.steps.push_back(std::move(now));
    optim::observe(optimizer, memory, 1.0);
  }
  return result;
}

/// A text in which some words have a number behind them.
inline std::string numbered(const std::string& text, std::span<const std::string_view> words, std::size_t number) {
  const auto part_of_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (part_of_word(text[i]))
      while (end < text.size() && part_of_word(text[end])) ++end;
    const std::string_view word = std::string_view(text).substr(i, end - i);
    result += word;
    if (std::find(words.begin(), words.end(), word) != words.end()) result += join("_", number);
    i = end;
  }
  return result;
}

}  // namespace detail

/// What is to be checked on a device of type D with numbers of type T. See the head of this file.
template <backend::Device D, std::floating_point T>
class DeviceSuite {
 public:
  explicit DeviceSuite(DeviceOptions options = {}) : options_(std::move(options)) {}

  /// What is added from now on is reported under this name.
  void group(std::string name) { groups_.push_back(std::move(name)); }

  /// A layer for inputs of a shape: in training too where that is another program, and in place if it may be.
  /// `ids`: its inputs are ids below this; 0: any numbers.
  template <nn::Layer L, Shape In>
  void add_layer(std::string name = std::string(nn::name<L>()), int ids = 0) {
    static_assert(nn::check<L, In>(), "mtlx: this layer refuses this shape");
    detail::LayerFacts layer;
    layer.name = std::move(name);
    layer.in = In.size();
    layer.out = L::output(In).size();
    layer.parameters = nn::parameter_count<L>(In);
    Random random(options_.seed, Purpose::user, 50);
    nn::for_each_parameter<L>(In, {}, [&](const nn::Path&, const nn::Parameter& parameter, std::size_t) {
      for (std::size_t i = 0; i < parameter.size(); ++i)
        layer.values.push_back(parameter.initialiser(random, parameter.fan_in, parameter.fan_out) +
                               0.1 * random.normal());
    });
    detail::round_to<T>(layer.values);
    detail::LayerMode mode{false, false, ids, options_.seed};
    detail::DeviceCase evaluating = detail::layer_case<L, In, T>(layer, mode);
    mode.training = true;
    detail::DeviceCase training = detail::layer_case<L, In, T>(layer, mode);
    if (!same(evaluating.program, training.program)) add(std::move(training), options_.layer_rounding);
    add(std::move(evaluating), options_.layer_rounding);
    if constexpr (nn::in_place<L>) {
      mode.in_place = true;
      add(detail::layer_case<L, In, T>(layer, mode), options_.layer_rounding);
    }
  }

  /// A loss for heads of so many numbers. Of the options, the targets and the seed count.
  template <class L, int Outputs>
  void add_loss(std::string name, const LossOptions& options = {}) {
    add(detail::loss_case<L, Outputs, T>(std::move(name) + ", " + std::to_string(Outputs) + " outputs", options),
        options_.loss_rounding);
  }

  /// An optimizer, on vectors of so many numbers.
  template <Optimizer O>
  void add_rule(const std::string& name, const O& optimizer, std::vector<std::size_t> counts = {1, 31, 5000}) {
    for (const std::size_t count : counts) {
      rules_.push_back(detail::rule_case<T>(name, optimizer, count, options_.seed));
      rules_.back().group = current_group();
    }
  }

  /// The texts that run() compiles on a device with so much shared memory a block; `report` tells of what has no code.
  std::vector<std::string> sources(std::size_t shared_memory, Report& report) const {
    std::vector<std::string> texts;
    for (const unsigned width : options_.widths)
      for (const Source& source : make_sources(width, shared_memory, report)) texts.push_back(source.text);
    for (std::size_t first = 0; first < rules_.size(); first += rules_a_source) texts.push_back(rule_source(first));
    return texts;
  }

  /// Checks everything; a report for each group.
  std::vector<std::pair<std::string, Report>> run_groups(const std::shared_ptr<D>& device) const {
    std::vector<std::pair<std::string, Report>> reports;
    for (const std::string& name : groups_) reports.emplace_back(name, Report(name));
    const auto report_of = [&](const std::string& group) -> Report& {
      for (auto& [name, report] : reports)
        if (name == group) return report;
      return reports.emplace_back(group, Report(group)).second;
    };
    const auto attempt = [&](Report& report, const std::string& name, auto action) {
      try {
        action();
        return true;
      } catch (const Error& error) {
        Report on(name);
        on.expect(false, "runs", error.what());
        report.merge(on);
        return false;
      }
    };
    for (const unsigned width : options_.widths) {
      Report text("code");
      for (const Source& source : make_sources(width, device->shared_memory(), text)) {
        Module module;
        if (!attempt(report_of(cases_[source.first].group),
                     join("kernels of ", scalar, ", ", width, " samples a block"),
                     [&] { module = device->compile(source.text); }))
          continue;
        const Array<std::int32_t> table = uploaded(device, source.table);
        for (const KernelFacts& kernel : source.kernels) {
          const detail::DeviceCase& one = cases_[kernel.number];
          const std::string name = join(one.name, ", ", scalar, ", ", width, " samples a block");
          Report on(name);
          attempt(on, name, [&] {
            for (std::size_t b = 0; b < one.batches; ++b) run_batch(on, device, module, table, kernel, width, b);
          });
          report_of(one.group).merge(on);
        }
      }
      if (!text.ok() || text.checks() > 0) report_of("code").merge(text);
    }
    for (std::size_t first = 0; first < rules_.size(); first += rules_a_source) {
      Module module;
      if (!attempt(report_of(rules_[first].group), join("kernels of rules, ", scalar),
                   [&] { module = device->compile(rule_source(first)); }))
        continue;
      for (std::size_t r = first; r < std::min(rules_.size(), first + rules_a_source); ++r) {
        const std::string name = join(rules_[r].name, ", ", scalar);
        Report on(name);
        attempt(on, name, [&] { run_rule(on, device, module, r); });
        report_of(rules_[r].group).merge(on);
      }
    }
    return reports;
  }

  /// Checks everything.
  Report run(const std::shared_ptr<D>& device) const {
    Report report;
    for (const auto& [name, part] : run_groups(device)) report.merge(part);
    return report;
  }

 private:
  using Module = typename D::Module;
  template <class Number>
  using Array = backend::DeviceArray<D, Number>;

  static constexpr const char* scalar = sizeof(T) == 4 ? "float" : "double";
  static constexpr double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  static constexpr std::size_t rules_a_source = 12, slot_guard = 16;
  static constexpr unsigned rule_threads = D::threads < 256 ? D::threads : 256;

  // A kernel of a source.
  struct KernelFacts {
    std::size_t number = 0;  // of the case
    std::size_t memory = 0;  // numbers of a block
    bool shared = false;
  };
  struct Source {
    std::string text;
    std::vector<std::int32_t> table;
    std::vector<KernelFacts> kernels;
    std::size_t first = 0;
  };

  static bool same(const backend::Program& a, const backend::Program& b) {
    return a.operations == b.operations &&
           std::equal(a.traces.begin(), a.traces.end(), b.traces.begin(), b.traces.end(),
                      [](const backend::Trace& x, const backend::Trace& y) {
                        return x.nodes == y.nodes && x.stores == y.stores && x.gradients == y.gradients;
                      });
  }
  std::string current_group() const { return groups_.empty() ? "all" : groups_.back(); }
  void add(detail::DeviceCase one, double rounding) {
    one.group = current_group();
    one.rounding = rounding * epsilon;
    cases_.push_back(std::move(one));
  }

  // Host to device; one number at least, so that there is an address.
  template <class Number>
  static Array<Number> uploaded(const std::shared_ptr<D>& device, const std::vector<Number>& numbers) {
    Array<Number> array(device, std::max<std::size_t>(numbers.size(), 1));
    device->upload(array.data(), numbers.data(), numbers.size() * sizeof(Number));
    return array;
  }
  static Array<T> uploaded_numbers(const std::shared_ptr<D>& device, const std::vector<double>& numbers) {
    return uploaded(device, std::vector<T>(numbers.begin(), numbers.end()));
  }
  static std::vector<double> downloaded(const std::shared_ptr<D>& device, const Array<T>& array, std::size_t size) {
    std::vector<T> numbers(size);
    device->download(numbers.data(), array.data(), size * sizeof(T));
    device->finish();
    return {numbers.begin(), numbers.end()};
  }

  std::vector<Source> make_sources(unsigned width, std::size_t shared_memory, Report& report) const {
    std::vector<Source> sources;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (sources.empty() || sources.back().kernels.size() == options_.kernels) {
        sources.push_back({});
        sources.back().text = backend::detail::device_head(scalar, D::threads, width);
        sources.back().first = i;
      }
      try {
        add_kernel(sources.back(), i, width, shared_memory);
      } catch (const Error& error) {
        Report on(join(cases_[i].name, ", ", scalar, ", ", width, " samples a block"));
        on.expect(false, "has code", error.what());
        report.merge(on);
      }
    }
    return sources;
  }

  void add_kernel(Source& source, std::size_t number, unsigned width, std::size_t shared_memory) const {
    using backend::Range;
    const detail::DeviceCase& one = cases_[number];
    const std::size_t parameters = one.parameters.size();
    backend::detail::Body body(D::threads);
    backend::detail::Written written(parameters);
    const std::size_t scalars = backend::detail::program_body(one.program, one.memory, body, written, source.table);
    body.barrier();
    body.add(join("      for (int i = tid; i < ", one.memory, " * T; i += THREADS) results[size_t(group) * T * ",
                  one.memory, " + i] = m[i];\n"),
             {});
    std::string gaps;
    written.for_each_gap([&](std::size_t begin, std::size_t size) {
      gaps += join("    if (fresh) for (int i = threadIdx.x; i < ", size, "; i += THREADS) g[", begin, " + i] = 0;\n");
    });
    KernelFacts kernel;
    kernel.number = number;
    kernel.memory = (one.memory + scalars) * width;
    // Every third one in global memory, another one at each width.
    kernel.shared = kernel.memory * sizeof(T) <= shared_memory && (number + width % 3) % 3 != 0;
    source.text +=
        join("extern \"C\" __global__ void __launch_bounds__(", D::threads, ") case", number,
             "(const real* __restrict__ p, const real* __restrict__ images, real* results,\n"
             "    const unsigned* __restrict__ job, const real* __restrict__ control, const int* __restrict__ tables,\n"
             "    real* arena, real* slots, const real* __restrict__ zeros, real* nowhere) {\n"
             "  (void)p, (void)control, (void)tables, (void)arena, (void)zeros, (void)nowhere;\n",
             kernel.shared ? "  MTLX_SHARED(real, m);\n"
                           : join("  real* const m = arena + size_t(blockIdx.x) * ", kernel.memory, ";\n"),
             "  real* const scalars = m + size_t(", one.memory, ") * T;\n",
             "  real* const g = slots + size_t(blockIdx.x) * ", parameters + slot_guard, ";\n",
             "  const Draws draws{job[1], job[2], job[3]};\n"
             "  (void)scalars, (void)g, (void)draws;\n"
             "  [[maybe_unused]] bool fresh = true;\n"
             "  for (unsigned group = blockIdx.x; group < job[0]; group += gridDim.x) {\n"
             "    const unsigned first = group * T;\n"
             "    (void)first;\n"
             "    for (int i = threadIdx.x; i < ",
             one.memory, " * T; i += THREADS) m[i] = images[size_t(group) * T * ", one.memory, " + i];\n",
             scalars > 0 ? join("    for (int i = threadIdx.x; i < ", scalars,
                                " * T; i += THREADS) scalars[i] = real(__uint_as_float(0x7FC00000u));\n")
                         : std::string(),
             gaps, "    __syncthreads();\n", body.text(), "    __syncthreads();\n    fresh = false;\n  }\n}\n");
    source.kernels.push_back(kernel);
  }

  // A launch's results: memory of all groups, and the slots.
  struct Results {
    std::vector<double> memory, slots;
  };

  void run_batch(Report& report, const std::shared_ptr<D>& device, const Module& module,
                 const Array<std::int32_t>& table, const KernelFacts& kernel, unsigned width,
                 std::size_t number) const {
    const detail::DeviceCase& one = cases_[kernel.number];
    const std::size_t samples = std::max<std::size_t>(options_.samples, 2 * width + 3);
    const detail::DeviceBatch batch = one.batch(number, samples);
    const std::size_t groups = (samples + width - 1) / width, slot = one.parameters.size() + slot_guard;
    const std::size_t blocks = std::max<std::size_t>(groups / 2, 2);
    const auto place = [&](std::size_t s, std::size_t f) {
      return s / width * width * one.memory + f * width + s % width;
    };
    std::vector<double> image(groups * width * one.memory, batch.poison);
    for (const detail::Columns& columns : batch.given)
      for (std::size_t s = 0; s < groups * width; ++s)
        for (std::size_t f = 0; f < columns.size; ++f)
          image[place(s, columns.place + f)] =
              s >= samples && columns.absent ? 0 : columns.numbers[std::min(s, samples - 1) * columns.size + f];

    const Array<T> parameters = uploaded_numbers(device, one.parameters), images = uploaded_numbers(device, image),
                   control = uploaded_numbers(device, one.control), zeros(device, 4096), nowhere(device, 4096),
                   results(device, image.size()), arena(device, kernel.shared ? 1 : blocks * kernel.memory);
    const Array<std::uint32_t> job =
        uploaded(device, std::vector<std::uint32_t>{static_cast<std::uint32_t>(groups), 7, 8, 9});
    const typename D::Kernel code = device->kernel(module, join("case", kernel.number).c_str());
    const auto launch = [&] {
      const Array<T> slots = uploaded_numbers(device, std::vector<double>(blocks * slot, batch.poison));
      const T *p = parameters.data(), *from = images.data(), *c = control.data(), *z = zeros.data();
      T *to = results.data(), *a = arena.data(), *g = slots.data(), *n = nowhere.data();
      const std::uint32_t* j = job.data();
      const std::int32_t* t = table.data();
      void* arguments[] = {&p, &from, &to, &j, &c, &t, &a, &g, &z, &n};
      device->launch(code, {static_cast<unsigned>(blocks), D::threads, kernel.shared ? kernel.memory * sizeof(T) : 0},
                     arguments, one.name);
      Results got;
      got.memory = downloaded(device, results, image.size());
      got.slots = downloaded(device, slots, blocks * slot);
      return got;
    };
    const Results got = launch();
    for (const detail::Columns& columns : batch.expected) {
      std::vector<double> expected = columns.numbers, numbers(samples * columns.size);
      bool zeros_agree = true;
      for (std::size_t s = 0; s < samples; ++s)
        for (std::size_t f = 0; f < columns.size; ++f) {
          const std::size_t i = s * columns.size + f;
          numbers[i] = got.memory[place(s, columns.place + f)];
          zeros_agree = zeros_agree && (numbers[i] == 0) == (expected[i] == 0);
          // 0 * NaN is NaN: more of them than expected in the sample itself is no mistake.
          if (!batch.broken.empty() && batch.broken[s] && detail::is_nan(numbers[i])) expected[i] = numbers[i];
        }
      report.expect_near(columns.name + " agrees with Reference" + batch.name, expected, numbers, one.rounding,
                         columns.size);
      if (one.drops() && batch.name.empty())
        report.expect(zeros_agree, columns.name + " is 0 where Reference drops a number", "another number is 0");
    }
    std::vector<double> dparameters(batch.dparameters.size());
    for (std::size_t i = 0; i < dparameters.size(); ++i)
      for (std::size_t b = 0; b < blocks; ++b) dparameters[i] += got.slots[b * slot + i];
    report.expect_near("dp agrees with Reference" + batch.name, batch.dparameters, dparameters, one.rounding);

    std::size_t changed = 0, spoilt = 0;
    for (std::size_t s = 0; s < groups * width; ++s)
      for (std::size_t f = 0; f < one.memory; ++f)
        if (!one.assigned[f] &&
            !detail::same(got.memory[place(s, f)], static_cast<double>(static_cast<T>(image[place(s, f)]))))
          ++changed;
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t i = one.parameters.size(); i < slot; ++i)
        if (!detail::same(got.slots[b * slot + i], batch.poison)) ++spoilt;
    report.expect(changed == 0, "nothing beyond its place is written", join(changed, " numbers of memory are"));
    report.expect(spoilt == 0, "nothing beyond a slot's parameters is written", join(spoilt, " numbers are"));

    const auto again = [&](const char* law) {
      const Results other = launch();
      report.expect_same(law, got.memory, other.memory);
      report.expect_same(law, got.slots, other.slots);
    };
    if constexpr (requires(typename D::Options o) { device->set_order(o.order); }) {
      using InOrder = decltype(D::Options::order);
      device->set_order(InOrder::backward);
      again("the same bits when threads run backward");
      device->set_order(InOrder::shuffled);
      again("the same bits when threads run in any order");
      device->set_order(InOrder::forward);
    } else {
      again("the same bits in every run");
    }
  }

  std::string rule_source(std::size_t first) const {
    static constexpr std::array<std::string_view, 15> words{
        "step",    "sum_slots", "reduce",     "reduce_apply", "combine", "apply",    "warp_sum", "gram",
        "squares", "SLOT",      "PARAMETERS", "SHARED",       "TASKS",   "SEGMENTS", "CONSTANTS"};
    const std::string head = backend::detail::device_head(scalar, rule_threads, 1);
    std::string text = head;
    for (std::size_t r = first; r < std::min(rules_.size(), first + rules_a_source); ++r)
      text +=
          detail::numbered(backend::update_code(rules_[r].plan, scalar, rule_threads).substr(head.size()), words, r);
    return text;
  }

  void run_rule(Report& report, const std::shared_ptr<D>& device, const Module& module, std::size_t number) const {
    const detail::RuleCase& rule = rules_[number];
    const std::size_t count = rule.plan.parameters, states = rule.plan.states, slot = rule.plan.slot;
    const std::size_t shared = rule.plan.shared;
    report.expect(rule.one_form, "the rule has one form", "another step's or segment's trace differs");
    const auto kernel = [&](const char* name) { return device->kernel(module, join(name, "_", number).c_str()); };
    const typename D::Kernel reduce = kernel("reduce"), apply = kernel("apply"), both = kernel("reduce_apply"),
                             squares = kernel("squares"), gram = kernel("gram"), combine = kernel("combine");
    const unsigned narrow = static_cast<unsigned>((count + 31) / 32);
    const unsigned wide = static_cast<unsigned>((count + rule_threads - 1) / rule_threads);
    const auto launch = [&](const typename D::Kernel& code, unsigned blocks, auto... argument) {
      void* arguments[] = {&argument...};
      device->launch(code, {blocks, rule_threads, rule_threads * sizeof(double)}, arguments, rule.name);
    };
    // One vector moves in two kernels, the other in one.
    const Array<T> first = uploaded_numbers(device, rule.parameters),
                   second = uploaded_numbers(device, rule.parameters),
                   first_state(device, std::max<std::size_t>(states * count, 1)),
                   second_state(device, std::max<std::size_t>(states * count, 1));
    constexpr std::uint32_t slots_there = static_cast<std::uint32_t>(detail::rule_slots);
    const Array<std::uint32_t> words = uploaded(device, std::vector<std::uint32_t>{slots_there});
    const Array<int> fine = uploaded(device, std::vector<int>{0}), bad = uploaded(device, std::vector<int>{1});
    for (std::size_t s = 0; s < rule.steps.size(); ++s) {
      const detail::RuleCase::Step& step = rule.steps[s];
      const Array<T> slots = uploaded_numbers(device, step.slots), on = uploaded_numbers(device, step.on),
                     gradient = uploaded_numbers(device, std::vector<double>(slot, detail::not_a_number)),
                     sum = uploaded_numbers(device, std::vector<double>(count, detail::not_a_number));
      const T *from = slots.data(), *flags = on.data(), *slope = gradient.data();
      const std::uint32_t* w = words.data();
      const int *well = fine.data(), *not_well = bad.data();
      launch(reduce, static_cast<unsigned>((slot + 31) / 32), from, w, gradient.data());
      launch(apply, wide, slope, first.data(), first_state.data(), flags, well);
      launch(both, narrow, from, w, sum.data(), second.data(), second_state.data(), flags, well);
      launch(both, narrow, from, w, sum.data(), second.data(), second_state.data(), flags, not_well);
      launch(apply, wide, slope, first.data(), first_state.data(), flags, not_well);
      const std::string at = join(" in step ", s + 1);
      const double tolerance = options_.rule_rounding * epsilon;
      const std::vector<double> moved = downloaded(device, first, count);
      const std::vector<double> state = downloaded(device, first_state, states * count);
      report.expect_same("the slots are added up" + at, step.gradient, downloaded(device, gradient, slot));
      report.expect_same("the slots are added up, beside the rule" + at,
                         {step.gradient.begin(), step.gradient.begin() + static_cast<std::ptrdiff_t>(count)},
                         downloaded(device, sum, count));
      // Rounding stays when numbers shrink: it is measured by the largest of all steps.
      const auto agree = [&](const std::string& law, std::size_t begin, auto numbers_of,
                             const std::vector<double>& all) {
        const auto largest = [&](const detail::RuleCase::Step& any) {
          double most = 0;
          for (std::size_t i = begin; i < begin + count; ++i) most = std::max(most, std::abs(numbers_of(any)[i]));
          return most;
        };
        double most = 0;
        for (const detail::RuleCase::Step& any : rule.steps) most = std::max(most, largest(any));
        const double scale = largest(step) > 0 ? most / largest(step) : 1;
        const auto part = [&](const std::vector<double>& numbers) {
          return detail::row(numbers, begin / count, count);
        };
        report.expect_near(law + at, part(numbers_of(step)), part(all), tolerance * scale);
      };
      const auto parameters_of = [](const detail::RuleCase::Step& any) -> auto& { return any.parameters; };
      const auto state_of = [](const detail::RuleCase::Step& any) -> auto& { return any.state; };
      agree("parameters agree with Reference", 0, parameters_of, moved);
      for (std::size_t i = 0; i < states; ++i)
        agree(join("state ", i, " agrees with Reference"), i * count, state_of, state);
      report.expect_same("the same bits in one kernel: parameters" + at, moved, downloaded(device, second, count));
      report.expect_same("the same bits in one kernel: state" + at, state,
                         downloaded(device, second_state, states * count));
      // Sums that the host ends: in three parts.
      const auto sums = [&](const typename D::Kernel& code, std::size_t size, auto... argument) {
        constexpr unsigned parts = 3;
        const Array<double> there(device, parts * size);
        std::vector<double> back(parts * size);
        launch(code, parts, argument..., there.data());
        device->download(back.data(), there.data(), there.bytes());
        device->finish();
        for (std::size_t i = 0; i < size; ++i) back[i] += back[size + i] + back[2 * size + i];
        back.resize(size);
        return back;
      };
      double expected = 0;
      for (std::size_t i = 0; i < count; ++i)
        if (step.on[i < rule.plan.ends[0] ? 0 : 1] != 0) expected += step.gradient[i] * step.gradient[i];
      report.expect_near("the gradient's squares" + at, {expected}, sums(squares, 1, slope, flags), 1e-12);
      std::vector<double> products(4);
      const double* const rows = step.gradient.data() + count;
      for (const std::size_t pair : {std::size_t{0}, std::size_t{1}, std::size_t{3}})
        for (std::size_t i = 0; i < shared; ++i)
          products[pair] += rows[pair / 2 * shared + i] * rows[pair % 2 * shared + i];
      report.expect_near("inner products of the tasks' rows" + at, products, sums(gram, 4, slope), 1e-12);
      const Array<T> weights = uploaded_numbers(device, {0.5, -2});
      const T* const weight = weights.data();
      launch(combine, static_cast<unsigned>((shared + rule_threads - 1) / rule_threads), gradient.data(), weight);
      std::vector<double> direction = step.gradient;
      for (std::size_t i = 0; i < shared; ++i) direction[i] += 0.5 * rows[i] - 2 * rows[shared + i];
      report.expect_same("the rows are combined" + at, direction, downloaded(device, gradient, slot));
    }
  }

  DeviceOptions options_;
  std::vector<std::string> groups_;
  std::vector<detail::DeviceCase> cases_;
  std::vector<detail::RuleCase> rules_;
};

/// A layer on a device; `ids` as in DeviceSuite::add_layer.
template <nn::Layer L, Shape In, std::floating_point T, backend::Device D>
Report check_layer_on(const std::shared_ptr<D>& device, const DeviceOptions& options = {}, int ids = 0) {
  DeviceSuite<D, T> suite(options);
  suite.template add_layer<L, In>(std::string(nn::name<L>()), ids);
  return suite.run(device);
}
/// A loss on a device.
template <class L, int Outputs, std::floating_point T, backend::Device D>
Report check_loss_on(const std::shared_ptr<D>& device, const LossOptions& loss = {},
                     const DeviceOptions& options = {}) {
  DeviceSuite<D, T> suite(options);
  suite.template add_loss<L, Outputs>("loss", loss);
  return suite.run(device);
}
/// An optimizer on a device.
template <std::floating_point T, Optimizer O, backend::Device D>
Report check_rule_on(const std::shared_ptr<D>& device, const O& optimizer = {}, const DeviceOptions& options = {}) {
  DeviceSuite<D, T> suite(options);
  suite.add_rule("optimizer", optimizer);
  return suite.run(device);
}

}  // namespace mtlx::testing
