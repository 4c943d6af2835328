// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "interrupted.hpp"

using namespace interrupted;
using Options = Surgery::FitOptions;
using training::Epoch;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double none = std::numeric_limits<double>::quiet_NaN();

// A monitor that says what the test wants it to, epoch by epoch (of one network after the other).
std::vector<double> script;
std::size_t line = 0;
double scripted(const Epoch&) { return script.at(line++); }

struct Listener : training::Observer {
  std::vector<double> monitors;
  std::vector<bool> best, stopped;
  std::vector<std::size_t> epochs;  // of each network
  std::string calls;
  void on_begin(const training::Run&) override { epochs.push_back(0), calls += 'b'; }
  void on_epoch(const Epoch& epoch) override {
    ++epochs.back();
    monitors.push_back(epoch.monitor);
    best.push_back(epoch.best);
    stopped.push_back(epoch.stopped);
  }
  void on_end() override { calls += 'e'; }
};

const data::DataSet& train() {
  static const data::DataSet data = small::shared(21, 0.2);
  return data;
}
const data::DataSet& validation() {
  static const data::DataSet data = small::shared(13, 0.2, 7);
  return data;
}

// Fits for at most ten epochs while the monitor says those numbers.
Listener listen(Surgery& model, std::vector<double> numbers, training::EarlyStopping stopping) {
  script = std::move(numbers);
  line = 0;
  Listener listener;
  Options options{.epochs = 10, .batch_size = 8, .validation = &validation(), .observers = {&listener}};
  options.monitor = scripted;
  options.early_stopping = stopping;
  model.fit(train(), options);
  return listener;
}

std::string after(std::size_t epochs, std::size_t more = 0) {
  Surgery model = make<Surgery>();
  model.fit(train(), {.epochs = epochs, .batch_size = 8, .validation = &validation()});
  if (more > 0) model.fit(train(), {.epochs = more, .batch_size = 8, .validation = &validation()});
  return bytes_of(model);
}

}  // namespace

TEST_CASE("training stops when the patience is used up, and the best epoch comes back") {
  Surgery model = make<Surgery>();
  const Listener heard = listen(model, {5, 4, 4.5, 3.9, 4, 4, 3}, {.patience = 2});
  CHECK(heard.monitors == std::vector<double>{5, 4, 4.5, 3.9, 4, 4});
  CHECK(heard.best == std::vector<bool>{true, true, false, true, false, false});
  CHECK(heard.stopped == std::vector<bool>{false, false, false, false, false, true});
  CHECK(heard.calls == "be");
  // To the last bit of everything: as if training had ended after the fourth epoch.
  CHECK(bytes_of(model) == after(4));
  model.fit(train(), {.epochs = 2, .batch_size = 8, .validation = &validation()});
  CHECK(bytes_of(model) == after(4, 2));
}

TEST_CASE("the last epoch stays where that is asked for") {
  Surgery model = make<Surgery>();
  const Listener heard = listen(model, {5, 4, 4.5, 4.25, 4}, {.patience = 2, .restore_best = false});
  CHECK(heard.epochs == std::vector<std::size_t>{4});
  CHECK(bytes_of(model) == after(4));
}

TEST_CASE("an improvement must be as large as is asked for") {
  Surgery model = make<Surgery>();
  // From 5, only what is below 4.5 counts; then only what is below 3.75.
  const Listener heard = listen(model, {5, 4.5, 4.25, 3.75, 3.75}, {.patience = 2, .minimum_improvement = 0.5});
  CHECK(heard.best == std::vector<bool>{true, false, true, false, false});
  CHECK(bytes_of(model) == after(3));
}

TEST_CASE("without patience nothing stops and nothing comes back, but the best is told") {
  Surgery model = make<Surgery>();
  const Listener heard = listen(model, {5, 4, 6, 7, 8, 9, 9, 3, 9, 9}, {});
  CHECK(heard.epochs == std::vector<std::size_t>{10});
  CHECK(heard.best == std::vector<bool>{true, true, false, false, false, false, false, true, false, false});
  CHECK(bytes_of(model) == after(10));
}

TEST_CASE("a monitor that is not finite is no improvement") {
  Surgery model = make<Surgery>();
  CHECK(listen(model, {none, 4, none, -inf, 1}, {.patience = 2}).best == std::vector<bool>{false, true, false, false});
  CHECK(bytes_of(model) == after(2));
  // Nor is there anything to come back to.
  Surgery never = make<Surgery>();
  CHECK(listen(never, {none, inf, none, 1}, {.patience = 3}).stopped == std::vector<bool>{false, false, true});
  CHECK(bytes_of(never) == after(3));
}

TEST_CASE("training that ends before the patience does brings the best back too") {
  Surgery model = make<Surgery>();
  listen(model, {9, 8, 7, 6, 5, 4, 3, 2, 3, 3}, {.patience = 5});
  CHECK(bytes_of(model) == after(8));
}

TEST_CASE("the usual monitor is the mean of the tasks' validation losses") {
  struct Check : training::Observer {
    int epochs = 0;
    double lowest = inf;
    void on_epoch(const Epoch& epoch) override {
      ++epochs;
      const auto& loss = epoch.validation_losses;
      const bool third = !is_nan(loss[2]);
      CHECK(epoch.monitor == doctest::Approx(third ? (loss[0] + loss[1] + loss[2]) / 3 : (loss[0] + loss[1]) / 2));
      CHECK(epoch.best == (epoch.monitor < lowest));
      lowest = std::min(lowest, epoch.monitor);
    }
  } check;
  Surgery model = make<Surgery>();
  model.fit(train(), {.epochs = 3, .batch_size = 8, .validation = &validation(), .observers = {&check}});
  // Validation data that knows two of the tasks.
  check.lowest = inf;
  const data::DataSet two(small::inputs(9), {small::kind(9, 0), small::flags(9, 0)});
  model.fit(train(), {.epochs = 3, .batch_size = 8, .validation = &two, .observers = {&check}});
  CHECK(check.epochs == 6);
}

TEST_CASE("each network has patience of its own, and a best epoch of its own") {
  Surgery model = make<Surgery>(true);
  script = {5, 4, 5, 5, /* the second network */ 3, 4, 2, 1, 2, 2};
  line = 0;
  Listener listener;
  Options options{.epochs = 10, .batch_size = 8, .validation = &validation(), .observers = {&listener}};
  options.monitor = scripted;
  options.early_stopping.patience = 2;
  const Folder folder;
  model.fit(train(), options, {.directory = folder.path()});
  CHECK(listener.epochs == std::vector<std::size_t>{4, 6});
  CHECK(listener.calls == "bebe");
  Surgery two = make<Surgery>(true), four = make<Surgery>(true);
  two.fit(train(), {.epochs = 2, .batch_size = 8, .validation = &validation()});
  four.fit(train(), {.epochs = 4, .batch_size = 8, .validation = &validation()});
  CHECK(small::same_bits(model.parameters(0), two.parameters(0)));
  CHECK(small::same_bits(model.parameters(1), four.parameters(1)));
  // The file of the best is the model that fit leaves.
  CHECK(read_file(folder.path() + "/best.mtlx") == bytes_of(model));
  Surgery loaded = make<Surgery>(true);
  loaded.load(folder.path() + "/best.mtlx");
  CHECK(bytes_of(loaded) == bytes_of(model));
}

TEST_CASE("the file of the best is there without early stopping too") {
  Surgery model = make<Surgery>(), best = make<Surgery>();
  script = {5, 4, 4.5, 3, 6, 6, 6, 6, 6, 6};
  line = 0;
  const Folder folder;
  Options options{.epochs = 10, .batch_size = 8, .validation = &validation()};
  options.monitor = scripted;
  model.fit(train(), options, {.directory = folder.path()});
  best.load(folder.path() + "/best.mtlx");
  CHECK(bytes_of(best) == after(4));
  CHECK(bytes_of(model) == after(10));
}

TEST_CASE("a run that stopped early is over when it is resumed") {
  Surgery model = make<Surgery>();
  script = {5, 4, 4.5, 4.5, 1};
  line = 0;
  const Folder folder;
  Options options{.epochs = 10, .batch_size = 8, .validation = &validation()};
  options.monitor = scripted;
  options.early_stopping.patience = 2;
  const training::Checkpointing files{.directory = folder.path(), .resume = true};
  model.fit(train(), options, files);
  CHECK(line == 4);
  Surgery again = make<Surgery>();
  again.fit(train(), options, files);
  CHECK(line == 4);
  CHECK(bytes_of(again) == bytes_of(model));
  CHECK(bytes_of(again) == after(2));
}

TEST_CASE("early stopping without a label to go by is refused") {
  Surgery model = make<Surgery>();
  const auto& stream = validation().streams()[0];
  const std::size_t n = stream.inputs.size();
  const data::DataSet blank(stream.inputs,
                            {{"kind", data::Targets::classes(std::vector<int>(n, data::missing_label))}});
  Options options{.validation = &blank};
  CHECK_NOTHROW(model.fit(train(), options));
  options.early_stopping.patience = 1;
  CHECK(error_of([&] { model.fit(train(), options); }) ==
        "mtlx: early stopping needs validation labels, and there are none for kind,flags,place");
}

TEST_CASE("options of early stopping that make no sense") {
  Surgery model = make<Surgery>();
  Options options;
  options.early_stopping.patience = 1;
  CHECK(error_of([&] { model.fit(train(), options); }) ==
        "mtlx: early stopping needs validation data, and none are given");
  options.early_stopping = {};
  options.monitor = scripted;
  CHECK(error_of([&] { model.fit(train(), options); }) == "mtlx: a monitor needs validation data, and none are given");
  options.validation = &validation();
  for (const double wrong : {-1.0, none, inf}) {
    options.early_stopping.minimum_improvement = wrong;
    CHECK_THROWS_AS(model.fit(train(), options), Error);
  }
  // Validation data that don't fit are refused before the first step.
  const auto other = small::shared(5, 0, 0, Shape{3});
  const auto before = bytes_of(model);
  CHECK_THROWS_AS(model.fit(train(), {.validation = &other}), Error);
  CHECK(bytes_of(model) == before);
}
