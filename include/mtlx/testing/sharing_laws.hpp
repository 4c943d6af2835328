// SPDX-License-Identifier: MIT
// The laws of sharing/sharing.hpp, checked for any sharing strategy:
//
//   const auto report = testing::check_sharing<MyStrategy, Shape{4}, Tasks<...>>();
//   if (!report.ok()) std::puts(report.text().c_str());
//
// With phi = sum over the tasks t of a set of <dz_t, z_t>, on a small batch, training and not:
//
// layout       segments follow each other, cover the vector, belong to tasks that there are, and those with several owners
//              come first and make `shared`; parameters follow each other, no path comes twice, and each lies in one
//              segment; the layers' parameters add up to the segments' of the same owners; x, outputs and their gradients
//              have places of their own.
// gradient     backward agrees with central differences of phi (Reference, in double), for each set of tasks.
// sum          the gradient of a set is the sum of its tasks', each by itself or one after the other behind one forward.
// alone        a task's output doesn't depend on which other tasks are in the pass.
// absent       parameters that no task of the set owns are not read (they are NaN), nor are their gradients touched.
// places       gradients of shared segments go to `shared`, of the others to `own`, added to what stood there; both may be
//              the same vector. What memory held before doesn't matter, nothing beyond it is written, and the parameters
//              are left alone.
// halves       where there is a representation: backward_to and backward_from it, one after the other, are backward; so is
//              going on from the sum of the tasks' gradients at it, behind a forward of no task.
// masks        a masked network reads the shared parameters through the masks alone, each task through its own.
// backends     every slice agrees with Reference to rounding, with the same random draws.
// policy       `validate` accepts the options; `regularise` agrees with central differences of `penalty` and is added;
//              `regularise` and `project` leave alone what no present task owns; where there is a `penalty`, one of them can
//              be called.
#pragma once

#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/core/segment.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/core/tasks.hpp>
#include <mtlx/sharing/sharing.hpp>
#include <mtlx/testing/layer_laws.hpp>

#include <span>

namespace mtlx::testing {

/// How a sharing strategy is checked.
struct SharingOptions {
  std::uint64_t seed = 1;
  /// Samples of the batch that backends are compared on; not a multiple of any slice's width, to have padding too.
  int samples = 37;
  /// Parameters whose derivative is compared with finite differences, for each set of tasks.
  std::size_t coordinates = 150;
  double gradient_tolerance = 1e-6;
  /// Rounding allowed, in units of the scalar's epsilon times the largest number.
  double rounding = 2000;
  /// Share of the coordinates that may be left out for lying at a kink.
  double kinks = 0.1;
  /// Whether backward is the derivative of forward: not where it is an estimate, such as through a choice.
  bool exact_gradient = true;
  /// Where training stands in the passes.
  sharing::Time time{};
};

namespace detail {

struct NetworkInput {
  std::vector<double> x, dz;  // x : (samples, in), dz : (samples, outputs of all tasks)
  std::vector<double> parameters;
  std::vector<double> masked;  // (tasks, shared), of a masked network
};
struct NetworkOutput {
  std::vector<double> z;            // (samples, outputs of all tasks), 0 for absent ones
  std::vector<double> shared, own;  // gradients, each as long as the vector
  bool intact = true;               // the guards are whole
  bool unchanged = true;            // parameters and masks are what they were

  std::vector<double> gradient() const {
    std::vector<double> sum = own;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += shared[i];
    return sum;
  }
};

enum class Way {
  whole,      // backward, once for the set
  in_turn,    // backward, for each task of the set
  in_halves,  // to the representation and from it
  by_rows     // to the representation for each task, and from the sum behind a forward of no task
};
struct NetworkCall {
  TaskSet set;
  bool training = false;
  sharing::Time time{};
  Way way = Way::whole;
  double poison = 0;        // what memory holds at first
  double gradients = 0;     // what the gradients hold at first
  bool one_vector = false;  // `shared` and `own` are the same
  bool only_forward = false;
};

using RunNetwork = NetworkOutput (*)(const NetworkInput&, const NetworkCall&);

struct NetworkOnSlice {
  RunNetwork run = nullptr;
  double epsilon = 0;
  std::string name;
  bool goes_back = true;
};

/// What is known of a network's type. The laws see it as functions: one copy of them serves all networks.
struct NetworkFacts {
  std::string name;
  std::size_t in = 0, parameters = 0, shared = 0, memory = 0, input = 0;
  std::vector<std::size_t> outputs, output, output_gradient;  // numbers of each task, and where they lie
  std::vector<Segment> segments;
  bool masked = false, represents = false;
  std::vector<double> values;  // of the parameters
  std::vector<NetworkOnSlice> slices;

  std::size_t all_outputs() const {
    std::size_t sum = 0;
    for (const std::size_t n : outputs) sum += n;
    return sum;
  }
};

template <class Network>
inline constexpr bool represents = requires { Network::representation; };

/// Runs a batch through a network, slice by slice, as a training loop does.
template <class Network, class TaskList, class S>
class NetworkRun {
  using T = typename S::Scalar;
  static constexpr std::size_t width = static_cast<std::size_t>(S::width);
  static constexpr std::size_t tasks = TaskList::count, in = Network::in.size();
  static constexpr std::array<std::size_t, tasks> outputs = []<std::size_t... t>(std::index_sequence<t...>) {
    return std::array<std::size_t, tasks>{static_cast<std::size_t>(TaskList::template At<t>::outputs)...};
  }(std::make_index_sequence<tasks>{});
  static constexpr std::size_t all_outputs = [] {
    std::size_t sum = 0;
    for (const std::size_t n : outputs) sum += n;
    return sum;
  }();

 public:
  template <bool goes_back>
  [[gnu::noinline]] static NetworkOutput run(const NetworkInput& input, const NetworkCall& call) {
    const std::size_t samples = input.x.size() / in;
    NetworkOutput result;
    result.z.resize(samples * all_outputs);
    const std::vector<T> p = converted(input.parameters), masked = converted(input.masked);
    std::vector<T> p_now = p, masked_now = masked;
    std::vector<T> shared(Network::parameters + guard, static_cast<T>(call.gradients)), own = shared;
    for (std::size_t first = 0; first < samples; first += width) {
      const std::size_t count = std::min(width, samples - first);
      Guarded<S> memory(Network::memory, static_cast<T>(call.poison));
      const auto m = memory.view();
      load(input.x, first, count, in, 0, in, m.at(Network::input), false);
      const sharing::NetworkPass<S> pass{
          p_now.data(),  m,         call.set,         {{7, 8}, 9, 10, static_cast<std::uint32_t>(first)},
          call.training, call.time, masked_now.data()};
      Network::template forward<S>(pass);
      for_each_output(call.set, [&](std::size_t t, std::size_t at) {
        store(m.at(Network::output[t]), first, count, outputs[t], at, result.z);
        load(input.dz, first, count, all_outputs, at, outputs[t], m.at(Network::output_gradient[t]), true);
      });
      if constexpr (goes_back)
        if (!call.only_forward) backward(pass, {shared.data(), call.one_vector ? shared.data() : own.data()}, call);
      result.intact = result.intact && memory.intact();
    }
    for (const std::vector<T>* gradient : {&shared, &own})
      for (std::size_t i = 0; i < guard; ++i)
        result.intact = result.intact && (*gradient)[Network::parameters + i] == static_cast<T>(call.gradients);
    result.shared.assign(shared.begin(), shared.end() - guard);
    result.own.assign(own.begin(), own.end() - guard);
    result.unchanged = result.unchanged && same_bits(p, p_now) && same_bits(masked, masked_now);
    return result;
  }

 private:
  static constexpr std::ptrdiff_t guard = 16;

  static void backward(const sharing::NetworkPass<S>& pass, const sharing::Gradients<S>& to, const NetworkCall& call) {
    auto one = pass;
    const auto for_each = [&](auto function) {
      for (std::size_t t = 0; t < tasks; ++t)
        if (call.set.has(t)) one.tasks = TaskSet::only(t), function();
    };
    if constexpr (represents<Network>) {
      if (call.way == Way::in_halves) {
        Network::template backward_to_representation<S>(pass, to);
        Network::template backward_from_representation<S>(pass, to);
        return;
      }
      if (call.way == Way::by_rows) {
        constexpr std::size_t features = Network::representation.size;
        const auto place = pass.memory.at(Network::representation.gradient);
        Guarded<S> sum(features);
        for_each([&] {
          Network::template backward_to_representation<S>(one, to);
          S::add(place, sum.view(), features);
        });
        one.tasks = TaskSet();
        Network::template forward<S>(one);
        S::copy(sum.view(), place, features);
        Network::template backward_from_representation<S>(one, to);
        return;
      }
    }
    if constexpr (!sharing::masked<Network>)
      if (call.way == Way::whole) return Network::template backward<S>(pass, to);
    for_each([&] {
      // Tasks have a masked trunk's memory in turns.
      if constexpr (sharing::masked<Network>) Network::template forward<S>(one);
      Network::template backward<S>(one, to);
    });
  }

  template <class Function>
  static void for_each_output(TaskSet set, Function function) {
    std::size_t at = 0;
    for (std::size_t t = 0; t < tasks; at += outputs[t++])
      if (set.has(t)) function(t, at);
  }
  static std::vector<T> converted(const std::vector<double>& numbers) {
    std::vector<T> result;
    for (const double number : numbers) result.push_back(static_cast<T>(number));
    return result;
  }
  static bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), [](T x, T y) { return same(double(x), double(y)); });
  }
  // Columns `at` to `at + numbers` of rows `first` on; samples beyond the batch repeat the last one, or are 0.
  static void load(const std::vector<double>& from, std::size_t first, std::size_t count, std::size_t columns,
                   std::size_t at, std::size_t numbers, typename S::View to, bool zeros) {
    std::vector<T> rows(width * numbers);
    for (std::size_t s = 0; s < count; ++s)
      for (std::size_t i = 0; i < numbers; ++i)
        rows[s * numbers + i] = static_cast<T>(from[(first + s) * columns + at + i]);
    S::load(rows.data(), static_cast<int>(zeros ? width : count), numbers, to);
  }
  static void store(typename S::ConstView from, std::size_t first, std::size_t count, std::size_t numbers,
                    std::size_t at, std::vector<double>& to) {
    std::vector<T> rows(count * numbers);
    S::store(from, static_cast<int>(count), numbers, rows.data());
    for (std::size_t s = 0; s < count; ++s)
      for (std::size_t i = 0; i < numbers; ++i)
        to[(first + s) * all_outputs + at + i] = static_cast<double>(rows[s * numbers + i]);
  }
};

/// All sets of up to four tasks; of more each task, all, all but the first, and some.
inline std::vector<TaskSet> some_sets(std::size_t tasks, std::uint64_t seed) {
  std::vector<TaskSet> sets;
  const auto add = [&](std::uint64_t bits) {
    const TaskSet set = TaskSet::of_bits(bits) & TaskSet::first(tasks);
    if (!set.empty()) sets.push_back(set);
  };
  if (tasks <= 4) {
    for (std::uint64_t bits = 1; bits < std::uint64_t{1} << tasks; ++bits) add(bits);
  } else {
    Random random(seed, Purpose::user, 51);
    for (std::size_t t = 0; t < tasks; ++t) add(std::uint64_t{1} << t);
    add(~std::uint64_t{0});
    add(~std::uint64_t{1});
    for (int i = 0; i < 4; ++i) add(random.below(1U << 31) * std::uint64_t{0x100000001});
  }
  return sets;
}

/// A law that holds or not; what was found is put into words where it does not.
template <class... Parts>
void expect(Report& report, bool holds, std::string_view law, const Parts&... found) {
  if (holds)
    report.expect(true, law, {});
  else
    report.expect(false, law, join(found...));
}

class NetworkChecks {
 public:
  NetworkChecks(const NetworkFacts& facts, const SharingOptions& options)
      : facts_(facts),
        options_(options),
        tasks_(facts.outputs.size()),
        outputs_(facts.all_outputs()),
        all_(TaskSet::first(tasks_)) {}

  [[gnu::cold]] Report run() {
    Report report(facts_.name);
    for (const bool training : {false, true}) {
      for (const NetworkOnSlice& slice : facts_.slices) {
        Report on(facts_.name + " on " + slice.name + (training ? ", training" : ", evaluating"));
        if (&slice == facts_.slices.data())
          passes(on, training);
        else
          agrees(on, slice, training);
        report.merge(on);
      }
    }
    return report;
  }

 private:
  NetworkInput input(std::size_t samples) const {
    NetworkInput result{normals(samples * facts_.in, options_.seed, 1),
                        normals(samples * outputs_, options_.seed, 2),
                        facts_.values,
                        {}};
    if (!facts_.masked) return result;
    // Who reads past the masks reads NaN.
    Random random(options_.seed, Purpose::user, 3);
    for (std::size_t t = 0; t < tasks_; ++t)
      for (std::size_t i = 0; i < facts_.shared; ++i)
        result.masked.push_back(random.below(3) == 0 ? 0 : facts_.values[i]);
    std::fill_n(result.parameters.begin(), facts_.shared, not_a_number);
    return result;
  }
  NetworkCall call(TaskSet set, bool training) const {
    return {.set = set, .training = training, .time = options_.time};
  }
  static std::string named(TaskSet set, std::size_t tasks) {
    std::string text = " (tasks";
    for (std::size_t t = 0; t < tasks; ++t)
      if (set.has(t)) text = join(text, " ", t);
    return text + ")";
  }
  double rounding() const { return options_.rounding * facts_.slices[0].epsilon; }

  void passes(Report& report, bool training) const {
    const NetworkInput in = input(3);
    const RunNetwork pass = facts_.slices[0].run;
    std::vector<NetworkOutput> one;
    for (std::size_t t = 0; t < tasks_; ++t) one.push_back(pass(in, call(TaskSet::only(t), training)));
    for (const TaskSet set : some_sets(tasks_, options_.seed)) {
      const std::string here = named(set, tasks_);
      const NetworkCall now = call(set, training);
      const NetworkOutput clean = pass(in, now);
      expect(report, clean.intact, "nothing beyond its place is written", "a guard was written over", here);
      expect(report, clean.unchanged, "parameters are left alone", "they changed", here);
      sums(report, in, now, clean, one, here);
      absent(report, in, now, clean, here);
      if (facts_.represents) halves(report, in, now, clean, here);
      if (options_.exact_gradient) gradient(report, in, now, clean, here);
    }
  }

  void sums(Report& report, const NetworkInput& in, const NetworkCall& now, const NetworkOutput& clean,
            const std::vector<NetworkOutput>& one, const std::string& here) const {
    std::vector<double> z(clean.z.size(), 0.0), gradient(facts_.parameters, 0.0);
    for (std::size_t t = 0; t < tasks_; ++t) {
      if (!now.set.has(t)) continue;
      const std::vector<double> other = one[t].gradient();
      for (std::size_t i = 0; i < z.size(); ++i) z[i] += one[t].z[i];
      for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += other[i];
    }
    report.expect_near("an output is as if its task was alone" + here, z, clean.z, rounding(), outputs_);
    report.expect_near("the gradient is the sum of the tasks'" + here, gradient, clean.gradient(), rounding());
    NetworkCall in_turn = now;
    in_turn.way = Way::in_turn;
    report.expect_near("the tasks go backward one after the other" + here, gradient,
                       facts_.slices[0].run(in, in_turn).gradient(), rounding());
  }

  void absent(Report& report, const NetworkInput& in, const NetworkCall& now, const NetworkOutput& clean,
              const std::string& here) const {
    const RunNetwork pass = facts_.slices[0].run;
    NetworkInput poisoned = in;
    for (const Segment& s : facts_.segments)
      if (!s.owners.meets(now.set))
        std::fill_n(poisoned.parameters.begin() + static_cast<std::ptrdiff_t>(s.offset), s.size, not_a_number);
    for (std::size_t t = 0; t < tasks_ && facts_.masked; ++t)
      if (!now.set.has(t))
        std::fill_n(poisoned.masked.begin() + static_cast<std::ptrdiff_t>(t * facts_.shared), facts_.shared,
                    not_a_number);
    NetworkCall other = now;
    const auto compare = [&](const std::string& law, const NetworkInput& given) {
      const NetworkOutput got = pass(given, other);
      report.expect_same(law + ": outputs" + here, clean.z, got.z, outputs_);
      report.expect_same(law + ": gradients" + here, clean.gradient(), got.gradient());
    };
    compare("absent tasks' parameters are not read", poisoned);
    other.poison = not_a_number;
    compare("what memory held doesn't matter", in);
    other.poison = 1e6;
    compare("what memory held doesn't matter", in);
    other.one_vector = true;
    other.poison = 0;
    compare("shared and own gradients in one vector", in);

    other.one_vector = false;
    constexpr double start = 3;
    other.gradients = start;
    const NetworkOutput got = pass(in, other);
    std::vector<double> shared = clean.shared, own = clean.own;
    for (std::vector<double>* numbers : {&shared, &own})
      for (double& number : *numbers) number += start;
    report.expect_near("shared gradients are added to" + here, shared, got.shared, rounding());
    report.expect_near("own gradients are added to" + here, own, got.own, rounding());
    const std::string places = "gradients go to their place" + here;
    const std::string untouched = "absent tasks' gradients are not touched" + here;
    for (const Segment& s : facts_.segments)
      for (std::size_t i = s.offset; i < s.offset + s.size; ++i) {
        const bool several = i < facts_.shared;
        expect(report, same((several ? got.own : got.shared)[i], start), places, "the gradient of ", i, " is in the ",
               several ? "own" : "shared", " vector, and belongs to the other");
        if (!s.owners.meets(now.set))
          expect(report, same((several ? got.shared : got.own)[i], start), untouched, "the gradient of ", i, " is");
      }
  }

  void halves(Report& report, const NetworkInput& in, NetworkCall now, const NetworkOutput& clean,
              const std::string& here) const {
    now.poison = not_a_number;
    for (const Way way : {Way::in_halves, Way::by_rows}) {
      now.way = way;
      const NetworkOutput got = facts_.slices[0].run(in, now);
      const std::string law =
          way == Way::in_halves ? "to the representation and from it" : "from the sum at the representation";
      report.expect_near(law + ": shared" + here, clean.shared, got.shared, rounding());
      report.expect_near(law + ": own" + here, clean.own, got.own, rounding());
    }
  }

  void gradient(Report& report, const NetworkInput& start, NetworkCall now, const NetworkOutput& clean,
                const std::string& here) const {
    // A masked network's gradients are at the task's own view of the parameters.
    if (facts_.masked && now.set.count() > 1) return;
    NetworkInput in = start;
    const std::vector<double> found = clean.gradient();
    const std::string law = "gradient" + here;
    now.only_forward = true;
    std::size_t task = 0, kinks = 0;
    while (!now.set.has(task)) ++task;
    const auto places = some_of(facts_.parameters, options_.coordinates, options_.seed + now.set.bits());
    for (const std::size_t i : places) {
      double& place = facts_.masked && i < facts_.shared ? in.masked[task * facts_.shared + i] : in.parameters[i];
      const double number = place;
      const double slope = derivative([&](double step) {
        place = number + step;
        return inner_product(in.dz, facts_.slices[0].run(in, now).z, clean.z);
      });
      place = number;
      if (is_nan(slope)) {
        ++kinks;
        continue;
      }
      expect(report, std::abs(slope - found[i]) <= options_.gradient_tolerance * (1 + std::abs(slope)), law,
             "of parameter ", i, ": expected ", slope, ", got ", found[i]);
    }
    expect(report, static_cast<double>(kinks) <= options_.kinks * static_cast<double>(places.size()),
           "gradient: too many kinks" + here, "expected slopes, got none at ", kinks, " of ", places.size());
  }

  void agrees(Report& report, const NetworkOnSlice& slice, bool training) const {
    for (const int samples : {1, options_.samples}) {
      const NetworkInput in = input(static_cast<std::size_t>(samples));
      NetworkCall now = call(all_, training);
      now.poison = not_a_number;
      now.only_forward = !slice.goes_back;
      const NetworkOutput expected = facts_.slices[0].run(in, now), got = slice.run(in, now);
      const double tolerance = options_.rounding * slice.epsilon;
      const std::string here = join(" (batch of ", samples, ")");
      expect(report, got.intact, "nothing beyond its place is written", "a guard was written over", here);
      expect(report, got.unchanged, "parameters are left alone", "they changed", here);
      report.expect_near("outputs agree with Reference" + here, expected.z, got.z, tolerance, outputs_);
      report.expect_near("shared gradients agree with Reference" + here, expected.shared, got.shared, tolerance);
      report.expect_near("own gradients agree with Reference" + here, expected.own, got.own, tolerance);
    }
  }

  const NetworkFacts& facts_;
  const SharingOptions& options_;
  std::size_t tasks_, outputs_;
  TaskSet all_;
};

/// What is told of a network's parts, to compare with its segments.
struct NetworkParts {
  struct Part {
    TaskSet owners;
    std::size_t size;
  };
  std::vector<Part> layers;
  std::vector<std::string> paths;
};

[[gnu::cold]] inline void check_layout(Report& report, const NetworkFacts& facts, const NetworkParts& parts) {
  const TaskSet all = TaskSet::first(facts.outputs.size());
  std::size_t at = 0, shared = 0;
  bool own = false;
  for (const Segment& s : facts.segments) {
    expect(report, s.offset == at, "segments follow each other", "one is at ", s.offset, ", expected it at ", at);
    expect(report, !s.owners.empty() && (s.owners & all) == s.owners, "owners are tasks",
           "the owners of the segment at ", s.offset, " are not");
    at += s.size;
    own = own || s.owners.count() == 1;
    if (s.owners.count() > 1) {
      expect(report, !own, "segments of several owners come first", "the one at ", s.offset,
             " comes behind one of one owner");
      shared += s.size;
    }
  }
  const auto expect_number = [&](const char* law, std::size_t expected, std::size_t got) {
    expect(report, expected == got, law, "expected ", expected, ", got ", got);
  };
  expect_number("segments end at `parameters`", facts.parameters, at);
  // Under masks all of the trunk counts, also where one task has it.
  if (!facts.masked || shared > 0) expect_number("`shared` is what several own", shared, facts.shared);
  expect_number("parameters end at `parameters`", facts.parameters, facts.values.size());
  for (std::size_t i = 0; i < parts.paths.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      expect(report, parts.paths[i] != parts.paths[j], "no path twice", parts.paths[i], " comes again");
  const auto sum_of = [](const auto& some, TaskSet owners) {
    std::size_t sum = 0;
    for (const auto& part : some) sum += part.owners == owners ? part.size : 0;
    return sum;
  };
  for (const Segment& s : facts.segments)
    expect_number("layers' parameters are their segments'", sum_of(facts.segments, s.owners),
                  sum_of(parts.layers, s.owners));
  std::size_t in_layers = 0;
  for (const NetworkParts::Part& part : parts.layers) in_layers += part.size;
  expect_number("layers' parameters are all", facts.parameters, in_layers);

  std::vector<std::pair<std::size_t, std::size_t>> places{{facts.input, facts.in}};
  for (std::size_t t = 0; t < facts.outputs.size(); ++t)
    for (const std::size_t place : {facts.output[t], facts.output_gradient[t]})
      places.emplace_back(place, facts.outputs[t]);
  std::sort(places.begin(), places.end());
  places.emplace_back(facts.memory, 0);
  for (std::size_t i = 1; i < places.size(); ++i)
    expect(report, places[i - 1].first + places[i - 1].second <= places[i].first, "places of their own in memory",
           "what lies at ", places[i - 1].first, " reaches beyond ", places[i].first);
}

/// A policy's hooks, on one network.
struct PolicyHooks {
  const void* policy = nullptr;
  double (*penalty)(const void*, std::span<const double>, TaskSet) = nullptr;
  void (*regularise)(const void*, std::span<const double>, TaskSet, std::span<double>) = nullptr;
  void (*project)(const void*, std::span<double>, TaskSet, double) = nullptr;
};

[[gnu::cold]] inline void check_hooks(Report& report, const NetworkFacts& facts, const PolicyHooks& hooks,
                                      const SharingOptions& options) {
  for (const TaskSet set : some_sets(facts.outputs.size(), options.seed)) {
    std::vector<double> p = facts.values;
    std::vector<char> present(p.size());
    for (const Segment& s : facts.segments)
      std::fill_n(present.begin() + static_cast<std::ptrdiff_t>(s.offset), s.size, s.owners.meets(set) ? 1 : 0);
    if (hooks.regularise != nullptr) {
      constexpr double start = 3;
      std::vector<double> gradient(p.size(), 0.0), more(p.size(), start);
      hooks.regularise(hooks.policy, p, set, gradient);
      hooks.regularise(hooks.policy, p, set, more);
      for (std::size_t i = 0; i < p.size(); ++i) {
        expect(report, std::abs(more[i] - start - gradient[i]) <= 1e-12 * (start + std::abs(gradient[i])),
               "regularise adds", "the gradient of ", i);
        if (present[i] == 0)
          expect(report, same(more[i], start), "regularise leaves absent tasks alone", "the gradient of ", i,
                 " changed");
      }
      const double here = hooks.penalty(hooks.policy, p, set);
      report.expect(is_finite(here), "penalty is finite", written(here));
      for (const std::size_t i : some_of(p.size(), options.coordinates, options.seed + set.bits())) {
        if (present[i] == 0) continue;
        const double number = p[i];
        const double slope = derivative([&](double step) {
          p[i] = number + step;
          return hooks.penalty(hooks.policy, p, set) - here;
        });
        p[i] = number;
        expect(report,
               is_nan(slope) || std::abs(slope - gradient[i]) <= options.gradient_tolerance * (1 + std::abs(slope)),
               "regularise is the gradient of penalty", "of parameter ", i, ": expected ", slope, ", got ",
               gradient[i]);
      }
    }
    if (hooks.project != nullptr) {
      hooks.project(hooks.policy, p, set, 0.1);
      for (std::size_t i = 0; i < p.size(); ++i) {
        expect(report, is_finite(p[i]), "project gives finite numbers", "not of parameter ", i);
        if (present[i] == 0)
          expect(report, same(p[i], facts.values[i]), "project leaves absent tasks alone", "parameter ", i, " changed");
      }
    }
  }
}

/// The slices of a backend that a model of this network may use: those of a training, and that of few samples.
template <class Network, class TaskList, class B>
void add_network_slices(std::vector<NetworkOnSlice>& slices) {
  using T = typename B::Scalar;
  const char* scalar = std::is_same_v<T, float> ? "float" : std::is_same_v<T, double> ? "double" : "its own number";
  const double epsilon = static_cast<double>(std::numeric_limits<T>::epsilon());
  using Slice = typename B::template Slice<Network::memory>;
  slices.push_back(
      {&NetworkRun<Network, TaskList, Slice>::template run<true>, epsilon, slice_name<Slice>(scalar), true});
  if constexpr (requires { typename B::FewSlice; }) {
    using Few = typename B::FewSlice;
    slices.push_back(
        {&NetworkRun<Network, TaskList, Few>::template run<false>, epsilon, slice_name<Few>(scalar), false});
  }
}

/// What there is to know but the passes, with its laws checked.
template <class Network, class TaskList>
[[gnu::cold]] NetworkFacts layout_of(Report& report, const SharingOptions& options) {
  NetworkFacts facts;
  facts.name = "sharing";
  facts.in = Network::in.size();
  facts.parameters = Network::parameters;
  facts.shared = Network::shared;
  facts.memory = Network::memory;
  facts.input = Network::input;
  facts.output.assign(Network::output.begin(), Network::output.end());
  facts.output_gradient.assign(Network::output_gradient.begin(), Network::output_gradient.end());
  [&]<std::size_t... t>(std::index_sequence<t...>) {
    facts.outputs = {static_cast<std::size_t>(TaskList::template At<t>::outputs)...};
  }(std::make_index_sequence<TaskList::count>{});
  facts.segments.assign(Network::segments.begin(), Network::segments.end());
  facts.masked = sharing::masked<Network>;
  facts.represents = represents<Network>;
  Random random(options.seed, Purpose::user, 50);
  NetworkParts parts;
  Network::for_each_parameter([&](const nn::Path& path, const nn::Parameter& parameter, std::size_t offset) {
    parts.paths.push_back(path.text());
    const std::size_t end = offset + parameter.size();
    expect(report, offset == facts.values.size(), "parameters follow each other", parts.paths.back(),
           ": expected offset ", facts.values.size(), ", got ", offset);
    bool within = false;
    for (const Segment& s : facts.segments) within = within || (s.offset <= offset && end <= s.offset + s.size);
    expect(report, within, "each parameter lies in one segment", parts.paths.back(), " doesn't");
    for (std::size_t i = 0; i < parameter.size(); ++i)
      facts.values.push_back(parameter.initialiser(random, parameter.fan_in, parameter.fan_out) +
                             0.1 * random.normal());
  });
  Network::for_each_layer([&](TaskSet owners, std::string_view, Shape, Shape, std::size_t parameters, double) {
    parts.layers.push_back({owners, parameters});
  });
  check_layout(report, facts, parts);
  return facts;
}

/// The same with the passes.
template <class Network, class TaskList, class... Backends>
[[gnu::cold]] NetworkFacts facts_of(Report& report, const SharingOptions& options) {
  NetworkFacts facts = layout_of<Network, TaskList>(report, options);
  add_network_slices<Network, TaskList, backend::Reference>(facts.slices);
  if constexpr (sizeof...(Backends) == 0)
    add_network_slices<Network, TaskList, backend::Cpu<double>>(facts.slices);
  else
    (add_network_slices<Network, TaskList, Backends>(facts.slices), ...);
  return facts;
}

}  // namespace detail

/// Whether a strategy's network for these tasks obeys the laws at the head of this file: on Reference, and on `Backends`
/// (Cpu in double if none are named).
template <class Network, class TaskList, class... Backends>
[[gnu::cold]] Report check_network(const SharingOptions& options = {}) {
  Report report("sharing");
  const detail::NetworkFacts facts = detail::facts_of<Network, TaskList, Backends...>(report, options);
  if (report.ok()) report.merge(detail::NetworkChecks(facts, options).run());
  return report;
}

/// Whether a strategy obeys them, with these options of its own, for inputs of shape `In` and these tasks.
template <SharingStrategy P, Shape In, class TaskList, class... Backends>
[[gnu::cold]] Report check_sharing(const P& policy = {}, const SharingOptions& options = {}) {
  static_assert(P::template check<In, TaskList>(), "mtlx: this strategy refuses this shape or these tasks");
  using Network = typename P::template Network<In, TaskList>;
  Report report("sharing");
  mtlx::validate(policy);
  const detail::NetworkFacts facts = detail::facts_of<Network, TaskList, Backends...>(report, options);
  if (!report.ok()) return report;
  report.merge(detail::NetworkChecks(facts, options).run());
  detail::PolicyHooks hooks{.policy = &policy};
  if constexpr (requires { policy.template penalty<Network>(std::span<const double>(), TaskSet()); })
    hooks.penalty = [](const void* of, std::span<const double> p, TaskSet present) -> double {
      return static_cast<const P*>(of)->template penalty<Network>(p, present);
    };
  if constexpr (requires {
                  policy.template regularise<Network>(std::span<const double>(), TaskSet(), std::span<double>());
                })
    hooks.regularise = [](const void* of, std::span<const double> p, TaskSet present, std::span<double> gradient) {
      static_cast<const P*>(of)->template regularise<Network>(p, present, gradient);
    };
  if constexpr (requires { policy.template project<Network>(std::span<double>(), TaskSet(), 0.1); })
    hooks.project = [](const void* of, std::span<double> p, TaskSet present, double learning_rate) {
      static_cast<const P*>(of)->template project<Network>(p, present, learning_rate);
    };
  report.expect(hooks.regularise == nullptr || hooks.penalty != nullptr, "policy",
                "a strategy with `regularise` needs `penalty`, whose gradient it is");
  report.expect(
      hooks.penalty == nullptr || hooks.regularise != nullptr || hooks.project != nullptr, "policy",
      "a strategy with `penalty` needs a const `regularise` or `project` that takes what sharing.hpp says; what "
      "takes something else is never called");
  if (report.ok()) detail::check_hooks(report, facts, hooks, options);
  return report;
}

}  // namespace mtlx::testing
