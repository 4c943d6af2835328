// SPDX-License-Identifier: MIT
// What is trained on a device against the same on the CPU: the emulated device runs the kernels' own text. A network and
// a set of tasks that no other case has costs a call of the compiler, so that the cases share three models.
#include <mtlx/backend/recorded.hpp>
#include <mtlx/backend/reference.hpp>
#include <mtlx/balancing/pc_grad.hpp>
#include <mtlx/optim/averaged.hpp>
#include <mtlx/optim/clipped.hpp>
#include <mtlx/optim/schedule.hpp>
#include <mtlx/optim/sgd.hpp>
#include <mtlx/testing/emulated_device.hpp>
#include <mtlx/training/device_learner.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "interrupted.hpp"

using namespace interrupted;
using testing::EmulatedDevice;
using testing::Order;
using training::Checkpointing;

namespace {

template <class T>
using Emulated = backend::Recorded<EmulatedDevice, T>;

template <class Back, class... Policy>
using On = MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, Policy..., Back>;

// Needs nothing of a step: the next is put into the stream before its losses are there.
template <class Back>
using Late = On<Back, optim::Averaged<optim::Scheduled<optim::Adam, optim::Cosine>>, Groups>;
// Needs the losses, remembers, and has a rule whose numbers change with time and loss.
template <class Back>
using Asking = On<Back, Drifting, Slowing, Groups>;
// Needs the tasks' gradients, and the norm of their sum.
template <class Back>
using Projected = On<Back, balancing::PcGrad, optim::Clipped<optim::Sgd>>;

using Device = Emulated<double>;
using backend::Reference;

template <class M>
M make_on(bool apart = false) {
  typename M::Base::Options options;
  options.seed = 3;
  if constexpr (requires { options.grouping.apart; }) options.grouping.apart = apart;
  if constexpr (requires { options.optimizer.decay; }) options.optimizer.optimizer.optimizer.learning_rate = 0.02;
  if constexpr (requires { options.optimizer.norm; }) {
    options.optimizer.norm = 0.5;
    options.optimizer.optimizer = {.learning_rate = 0.1, .momentum = 0.9};
  }
  return M{options};
}

// All that is told of a fit.
struct Told final : training::Observer {
  std::vector<double> numbers;
  std::vector<std::size_t> steps, epochs;
  void on_step(const training::Step& step) override {
    steps.push_back(step.epoch * 1000 + step.step);
    numbers.push_back(static_cast<double>(step.samples));
    numbers.push_back(static_cast<double>(step.present.bits()));
    for (const auto& some : {step.losses, step.weights, step.gram})
      numbers.insert(numbers.end(), some.begin(), some.end());
  }
  void on_epoch(const training::Epoch& epoch) override {
    epochs.push_back(epoch.epoch);
    for (const auto& some : {epoch.losses, epoch.validation_losses, epoch.validation_metrics})
      for (const double number : some) numbers.push_back(number == number ? number : -1);
  }
};

const data::DataSet& validation() {
  static const data::DataSet data = small::shared(13, 0.2, 7);
  return data;
}

template <class M>
training::FitOptions<typename M::Scalar> some_epochs(std::size_t epochs = 2) {
  training::FitOptions<typename M::Scalar> options;
  options.epochs = epochs;
  options.batch_size = 4;
  return options;
}

// The same fit here and there.
template <class There, class Here>
void compare(There& there, Here& here, const data::DataSet& data, Sampling sampling, double allowed) {
  const auto fit = [&](auto& model, Told& told) {
    auto options = some_epochs<std::remove_reference_t<decltype(model)>>();
    options.sampling = sampling;
    options.validation = &validation();
    options.observers = {&told};
    model.fit(data, options);
  };
  Told of_there, of_here;
  fit(there, of_there);
  fit(here, of_here);
  CHECK(of_there.steps == of_here.steps);
  CHECK(of_there.epochs == of_here.epochs);
  CHECK(small::distance(of_there.numbers, of_here.numbers) < allowed);
  for (std::size_t g = 0; g < here.plan().size(); ++g)
    CHECK(small::distance(there.parameters(g), here.parameters(g)) < allowed);
}

template <template <class> class M>
void compare_all(const data::DataSet& data, Sampling sampling, bool apart = false) {
  auto there = make_on<M<Device>>(apart);
  auto here = make_on<M<Reference>>(apart);
  compare(there, here, data, sampling, 1e-9);
}

template <class M>
bool same_model(const M& a, const M& b) {
  return bytes_of(a) == bytes_of(b);
}

}  // namespace

TEST_CASE("losses, weights, scores and parameters are the reference's: missing labels, an odd last batch, dropout") {
  const auto data = small::shared(21, 0.3);
  compare_all<Late>(data, Sampling::together);
  compare_all<Asking>(data, Sampling::together);
  compare_all<Projected>(data, Sampling::together);
}

TEST_CASE("tasks with inputs of their own, sampled in every way") {
  const auto data = small::own(13, 6, 0.2);
  for (const auto sampling : {Sampling::together, Sampling::round_robin, Sampling::proportional}) {
    CAPTURE(sampling);
    compare_all<Late>(data, sampling);
    compare_all<Asking>(data, sampling);
    compare_all<Projected>(data, sampling);
  }
}

TEST_CASE("two networks") { compare_all<Late>(small::shared(13, 0.2), Sampling::together, true); }

TEST_CASE("float on the device is float on the CPU but for rounding") {
  auto there = make_on<Late<Emulated<float>>>();
  auto here = make_on<Late<backend::Cpu<float>>>();
  compare(there, here, small::shared(21, 0.3), Sampling::together, 1e-4);
}

TEST_CASE("answers and averaged weights") {
  const auto data = small::shared(21, 0.3);
  auto there = make_on<Late<Device>>();
  auto here = make_on<Late<Reference>>();
  there.fit(data, some_epochs<Late<Device>>());
  here.fit(data, some_epochs<Late<Reference>>());
  const auto compare_answers = [&](auto& a, auto& b) {
    const auto inputs = small::inputs(33, 5);
    const auto x = a.predict(inputs), y = b.predict(inputs);
    CHECK(small::distance(x.template get<"place">().values(), y.template get<"place">().values()) < 1e-6);
    const auto p = a.evaluate(data).losses(), q = b.evaluate(data).losses();
    CHECK(small::distance(p, q) < 1e-9);
    return p;
  };
  const auto trained = compare_answers(there, here);
  auto mean_there = there.averaged();
  auto mean_here = here.averaged();
  const auto averaged = compare_answers(mean_there, mean_here);
  CHECK(small::distance(trained, averaged) > 1e-6);
  CHECK(small::distance(mean_there.parameters(), mean_here.parameters()) < 1e-9);
}

namespace {

// Asks in every step for the losses at half the parameters, and after a look at the held-out data once more.
template <class Scalar>
struct Halves final : training::Probe<Scalar> {
  std::vector<double> seen;
  bool steady = true;
  bool wants(const training::Step& step) override { return step.step % 2 == 0; }
  void look(training::ProbeSession<Scalar>& session) override {
    const auto half = [](std::span<Scalar> p) {
      for (Scalar& number : p) number /= 2;
    };
    const auto keep = [&](std::span<const double> losses) {
      seen.insert(seen.end(), losses.begin(), losses.end());
      return std::vector<double>(losses.begin(), losses.end());
    };
    const auto first = keep(session.losses_at(half));
    keep(session.losses_at(half, validation()));
    steady = steady && keep(session.losses_at(half)) == first;
    for (std::size_t t = 0; t < 3; ++t)
      for (const Scalar number : session.gradient(t)) seen.push_back(number);
    for (const Scalar number : session.parameters()) seen.push_back(number);
  }
};

// Scores of the held-out data are asked for step by step; what probes see of the device is what they see here.
template <template <class> class M>
void compare_probes() {
  const auto data = small::shared(13, 0.2);
  Halves<double> of_there, of_here;
  auto there = make_on<M<Device>>();
  auto here = make_on<M<Reference>>(), alone = here;
  auto options = some_epochs<M<Device>>();
  options.probes = {&of_there};
  there.fit(data, options);
  options.probes = {&of_here};
  here.fit(data, options);
  CHECK(of_there.seen.size() > 4 * 3 * 3);
  CHECK(of_there.steady);
  CHECK(small::distance(of_there.seen, of_here.seen) < 1e-9);
  // Looking changes nothing.
  options.probes = {};
  alone.fit(data, options);
  CHECK(small::distance(there.parameters(), alone.parameters()) < 1e-9);
}

}  // namespace

TEST_CASE("probes see the same") {
  compare_probes<Late>();
  compare_probes<Projected>();
}

TEST_CASE_TEMPLATE("a probe that finds a loss that is not finite stops nothing", M, Late<Device>, Projected<Device>) {
  struct Far final : training::Probe<double> {
    std::size_t looks = 0;
    bool wants(const training::Step&) override { return true; }
    void look(training::ProbeSession<double>& session) override {
      looks += session.losses_at([](std::span<double> p) { p.back() = 1e200; })[2] > 1e300;
    }
  } far;
  const auto data = small::shared(13, 0.2);
  auto model = make_on<M>(), alone = model;
  auto options = some_epochs<M>(1);
  alone.fit(data, options);
  options.probes = {&far};
  model.fit(data, options);
  CHECK(far.looks == 4);
  CHECK(small::distance(model.parameters(), alone.parameters()) < 1e-12);
}

TEST_CASE_TEMPLATE("copies, moves and files go on with the same bits", M, Late<Device>, Projected<Device>) {
  const auto data = small::shared(13, 0.2);
  auto model = make_on<M>();
  model.fit(data, some_epochs<M>(1));
  M copy = model, source = model;
  const Folder folder;
  model.save(folder.path() + "/model");
  M moved = std::move(source), loaded = make_on<M>();
  loaded.load(folder.path() + "/model");
  const M before = model;
  for (M* one : {&model, &copy, &moved, &loaded}) one->fit(data, some_epochs<M>(2));
  CHECK_FALSE(small::same_bits(before.parameters(), model.parameters()));
  for (const M* one : {&copy, &moved, &loaded}) CHECK(same_model(*one, model));
  // Back to the first epoch, with other numbers on the device.
  copy = before;
  loaded.load(folder.path() + "/model");
  for (M* one : {&copy, &loaded}) {
    one->fit(data, some_epochs<M>(2));
    CHECK(same_model(*one, model));
  }
}

TEST_CASE("a file of the device goes on here, and one from here there") {
  const auto data = small::shared(13, 0.2);
  auto there = make_on<Projected<Device>>();
  auto here = make_on<Projected<Reference>>();
  there.fit(data, some_epochs<Projected<Device>>(1));
  here.fit(data, some_epochs<Projected<Reference>>(1));
  const Folder folder;
  there.save(folder.path() + "/there");
  here.save(folder.path() + "/here");
  here.load(folder.path() + "/there");
  there.load(folder.path() + "/here");
  there.fit(data, some_epochs<Projected<Device>>());
  here.fit(data, some_epochs<Projected<Reference>>());
  CHECK(small::distance(there.parameters(), here.parameters()) < 1e-9);
}

TEST_CASE("interrupted anywhere and resumed: the same bits") {
  using M = Late<Device>;
  const auto data = small::shared(13, 0.3);
  auto options = some_epochs<M>();
  options.validation = &validation();
  constexpr auto noisy = [](auto sample, const Shape&, Random& random) {
    for (auto& x : sample) x += 0.1 * random.normal();
  };
  for (const bool augmented : {false, true}) {
    if (augmented) options.augment = &noisy;
    const Folder folder;
    Checkpointing files{.directory = folder.path() + "/whole"};
    auto whole = make_on<M>();
    whole.fit(data, options, files);
    const std::string last = read_file(files.directory + "/last.mtlx");
    for (const std::size_t step : {1UL, 4UL, 6UL}) {
      CAPTURE(step);
      files = {.directory = folder.path() + "/" + std::to_string(step), .every_steps = 2, .resume = true};
      auto fatal = options;
      Crasher crasher;
      crasher.step = step;
      fatal.observers = {&crasher};
      auto first = make_on<M>();
      CHECK_THROWS_AS(first.fit(data, fatal, files), Crash);
      auto second = make_on<M>();
      second.fit(data, options, files);
      CHECK(same_model(second, whole));
      CHECK(read_file(files.directory + "/last.mtlx") == last);
    }
    if (!augmented) continue;
    auto here = make_on<Late<Reference>>();
    auto same = some_epochs<Late<Reference>>();
    same.validation = &validation();
    same.augment = &noisy;
    here.fit(data, same);
    CHECK(small::distance(here.parameters(), whole.parameters()) < 1e-9);
  }
}

TEST_CASE("a fit that an observer broke off leaves nothing behind for the next") {
  using M = Late<Device>;
  const auto data = small::shared(21, 0.3);
  auto options = some_epochs<M>(1);
  Crasher crasher;
  crasher.step = 1;
  options.observers = {&crasher};
  auto model = make_on<M>();
  CHECK_THROWS_AS(model.fit(data, options), Crash);
  Told told;
  options.observers = {&told};
  model.fit(data, options);
  CHECK(told.steps == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("what is written into the parameters is what the next step begins with") {
  using M = Late<Device>;
  const auto data = small::shared(13, 0.2);
  auto there = make_on<M>();
  auto here = make_on<Late<Reference>>();
  const auto fit_all = [&] {
    there.fit(data, some_epochs<M>(1));
    here.fit(data, some_epochs<Late<Reference>>(1));
  };
  fit_all();
  const auto change = [](std::span<double> numbers) {
    for (double& number : numbers) number *= -0.5;
  };
  change(there.parameters());
  change(here.parameters());
  CHECK(small::distance(there.evaluate(data).losses(), here.evaluate(data).losses()) < 1e-9);
  fit_all();
  CHECK(small::distance(there.parameters(), here.parameters()) < 1e-9);
}

TEST_CASE_TEMPLATE("a loss that is not finite stops where it is, and after mending training goes on", M, Late<Device>,
                   Asking<Device>, Projected<Device>) {
  const auto data = small::shared(16);
  auto options = some_epochs<M>(1);
  options.shuffle = false;
  Told told;
  options.observers = {&told};
  M model = make_on<M>(), twin = model;
  model.fit(data, options);
  twin.fit(data, options);
  // A bias of "place", the last task: its squared error is more than a number holds.
  const double bias = model.parameters().back();
  model.parameters().back() = 1e200;
  const auto broken = bytes_of(model);
  CHECK(error_of([&] { model.fit(data, options); }) ==
        "mtlx: the loss of the task \"place\" is not finite in epoch 2, step 1; training stops before the update (a "
        "smaller learning rate may help)");
  CHECK(told.steps == std::vector<std::size_t>{0, 1, 2, 3, 0, 1, 2, 3});
  CHECK(bytes_of(model) == broken);
  model.parameters().back() = bias;
  CHECK(same_model(model, twin));
  model.fit(data, options);
  twin.fit(data, options);
  CHECK(same_model(model, twin));
}

TEST_CASE("a step in the middle that is not finite: those before it count, those behind it never were") {
  using M = Late<Device>;
  const auto data = small::shared(16);
  const std::vector<std::size_t> rows{0, 1, 2, 3};
  auto columns = data.streams()[0].columns;
  for (data::Column& column : columns) column.targets = column.targets.subset(rows);
  const data::DataSet first(data.streams()[0].inputs.subset(rows), columns);
  M::Base::Options rates;
  rates.optimizer.optimizer.optimizer.learning_rate = 1e200;  // too large for the second batch
  auto options = some_epochs<M>(1);
  options.shuffle = false;
  Told told;
  options.observers = {&told};
  M model(rates), twin = model;
  CHECK(error_of([&] { model.fit(data, options); }) ==
        "mtlx: the loss of the task \"place\" is not finite in epoch 1, step 2; training stops before the update (a "
        "smaller learning rate may help)");
  CHECK(told.steps == std::vector<std::size_t>{0});
  options.observers = {};
  twin.fit(first, options);
  CHECK(small::same_bits(model.parameters(), twin.parameters()));

  const Folder folder;
  for (double& number : twin.parameters()) number *= 1e-200;
  twin.save(folder.path() + "/mended");
  model.load(folder.path() + "/mended");
  const auto before = small::copy(model.parameters());
  model.fit(first, options);
  twin.fit(first, options);
  CHECK(same_model(model, twin));
  CHECK_FALSE(small::same_bits(before, model.parameters()));
}

TEST_CASE("a task that a batch has no label of rests: its head keeps its bits") {
  using M = Late<Device>;
  using Learner = M::Base::Learner;
  using Net = M::Base::Network;
  const auto everything = TaskSet::first(3);
  const auto data = small::own(6, 5);
  const Learner::Data bound(data, small::shape, everything);
  Device backend{{}};
  Learner learner(everything, 3, 0, {}, {});
  const auto both = small::Batch(data);
  const auto done = learner.step(backend, bound, both.parts(), {});
  CHECK(done.present == everything);
  const Learner copy = learner;  // its numbers are on the device alone so far
  const auto before = small::copy(std::as_const(learner).parameters());
  CHECK(small::same_bits(before, copy.parameters()));
  const auto alone = learner.step(backend, bound, both.parts().subspan(0, 1), {});
  CHECK(alone.present == TaskSet::only(0));
  CHECK(alone.samples == 6);
  for (const std::size_t t : {1UL, 2UL}) {
    CHECK(alone.losses[t] == 0);
    CHECK(alone.weights[t] == 0);
  }
  for (std::size_t s = 0; s < Net::segments.size(); ++s) {
    const Segment& segment = Net::segments[s];
    const auto now = std::as_const(learner).parameters().subspan(segment.offset, segment.size);
    const auto then = std::span(before).subspan(segment.offset, segment.size);
    CHECK(small::same_bits(now, then) == !segment.owners.has(0));
    CHECK(learner.segment_steps()[s] == (segment.owners.has(0) ? 2 : 1));
  }
}

TEST_CASE_TEMPLATE("threads of a block in another order: the same bits", M, Late<Device>, Projected<Device>) {
  // More samples than one group of a block: sums over blocks, too.
  const auto data = small::own(300, 70, 0.2);
  std::vector<std::string> ends;
  for (const Order order : {Order::forward, Order::shuffled}) {
    typename M::Base::Options options;
    options.backend.order = order;
    M model{options};
    auto fit = some_epochs<M>(1);
    fit.batch_size = 256;
    model.fit(data, fit);
    ends.push_back(bytes_of(model));
    for (const double loss : model.evaluate(data).losses()) ends.back() += " " + std::to_string(loss);
  }
  CHECK(ends[0] == ends[1]);
}
