// SPDX-License-Identifier: MIT
// A run that is interrupted and resumed ends with the bits of one that was not.
#include "interrupted.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

using namespace interrupted;

namespace {

template <class M>
using Options = typename M::FitOptions;
using training::Checkpointing;

const data::DataSet& validation() {
  static const data::DataSet data = small::shared(13, 0.2, 7);
  return data;
}

// How a run ended: its model, what it scored, and its own last file.
struct End {
  std::string model, last, best;
  std::vector<double> scores;
  bool operator==(const End&) const = default;
};

template <class M>
End end_of(M& model, const std::string& directory) {
  const auto scores = model.evaluate(validation());
  End end{bytes_of(model), read_file(directory + "/last.mtlx"), read_file(directory + "/best.mtlx"), {}};
  for (const double loss : scores.losses()) end.scores.push_back(loss);
  for (const double metric : scores.metrics()) end.scores.push_back(metric);
  return end;
}

template <class M>
End uninterrupted(const data::DataSet& data, const Options<M>& options, bool apart) {
  const Folder folder;
  const Checkpointing files{.directory = folder.path() + "/run"};
  M model = make<M>(apart);
  model.fit(data, options, files);
  return end_of(model, files.directory);
}

// Crashes once, and goes on in a new process' stead: a new model.
template <class M>
End resumed(const data::DataSet& data, const Options<M>& options, bool apart, Crasher crasher, std::size_t every = 0) {
  const Folder folder;
  const Checkpointing files{.directory = folder.path() + "/run", .every_steps = every, .resume = true};
  Options<M> fatal = options;
  fatal.observers = {&crasher};
  {
    M model = make<M>(apart, 2);
    CHECK_THROWS_AS(model.fit(data, fatal, files), Crash);
  }
  M model = make<M>(apart);
  model.fit(data, options, files);
  return end_of(model, files.directory);
}

}  // namespace

TEST_CASE_TEMPLATE("from every epoch and from the middle of each, the same bits", M, Surgery, Drift) {
  const auto shared = small::shared(21, 0.3), own = small::own(21, 9, 0.3);
  for (const bool apart : {false, true})
    for (const auto sampling : {Sampling::together, Sampling::round_robin, Sampling::proportional}) {
      CAPTURE(apart);
      CAPTURE(sampling);
      const data::DataSet& data = sampling == Sampling::together && !apart ? shared : own;
      Options<M> options{.epochs = 3, .batch_size = 4, .validation = &validation(), .sampling = sampling};
      options.augment = &noise;
      Crasher count;
      {
        M model = make<M>(apart);
        Options<M> counting = options;
        counting.observers = {&count};
        model.fit(data, counting);
      }
      REQUIRE(count.epochs == (apart ? 6 : 3));
      const End whole = uninterrupted<M>(data, options, apart);
      for (std::size_t epoch = 0; epoch < count.epochs; ++epoch) {
        Crasher crasher;
        crasher.epoch = epoch;
        CHECK(resumed<M>(data, options, apart, crasher) == whole);
      }
      for (const std::size_t every : std::initializer_list<std::size_t>{1, 2})
        for (std::size_t step = every; step < count.steps; step += 7) {
          CAPTURE(every);
          CAPTURE(step);
          Crasher crasher;
          crasher.step = step;
          CHECK(resumed<M>(data, options, apart, crasher, every) == whole);
        }
    }
}

TEST_CASE("resuming does no step twice that a file has") {
  const Folder folder;
  const auto data = small::shared(21);
  Options<Surgery> options{.epochs = 2, .batch_size = 4};
  const Checkpointing files{.directory = folder.path(), .every_steps = 2, .resume = true};
  Crasher crasher, counter;
  crasher.step = 8;  // the third of six steps of the second epoch
  options.observers = {&crasher};
  auto first = make<Surgery>();
  CHECK_THROWS_AS(first.fit(data, options, files), Crash);
  struct Listener : training::Observer {
    std::vector<std::size_t> steps, epochs;
    std::size_t planned = 0;
    void on_begin(const training::Run& run) override { planned = run.epochs; }
    void on_step(const training::Step& step) override { steps.push_back(step.step); }
    void on_epoch(const training::Epoch& epoch) override { epochs.push_back(epoch.epoch); }
  } listener;
  options.observers = {&listener};
  auto second = make<Surgery>();
  second.fit(data, options, files);
  CHECK(listener.planned == 1);
  CHECK(listener.steps == std::vector<std::size_t>{2, 3, 4, 5});
  CHECK(listener.epochs == std::vector<std::size_t>{1});
  // The whole epoch's losses, not only those after the crash.
  training::Checkpoint whole = training::parse_checkpoint(read_file(folder.path() + "/last.mtlx"), "last");
  CHECK(whole.positions[0].epoch == 2);
  CHECK(whole.positions[0].step == 0);
}

TEST_CASE("an epoch's mean loss is the same where a crash lay in it") {
  struct Losses : training::Observer {
    std::vector<double> all;
    void on_epoch(const training::Epoch& epoch) override {
      all.insert(all.end(), epoch.losses.begin(), epoch.losses.end());
    }
  };
  const auto data = small::own(21, 9, 0.3);
  Losses whole, rest;
  Options<Surgery> options{.epochs = 1, .batch_size = 4, .observers = {&whole}};
  auto once = make<Surgery>();
  once.fit(data, options);
  const Folder folder;
  Crasher crasher;
  crasher.step = 3;
  options.observers = {&crasher};
  const Checkpointing files{.directory = folder.path(), .every_steps = 1, .resume = true};
  auto twice = make<Surgery>();
  CHECK_THROWS_AS(twice.fit(data, options, files), Crash);
  options.observers = {&rest};
  twice = make<Surgery>();
  twice.fit(data, options, files);
  CHECK(small::same_bits(whole.all, rest.all));
}

TEST_CASE("more epochs may follow; a run that is over is over") {
  const Folder folder;
  const auto data = small::own(21, 9, 0.3);
  for (const bool apart : {false, true}) {
    Options<Drift> options{.epochs = 2, .batch_size = 4};
    const Checkpointing files{.directory = folder.path() + (apart ? "/two" : "/one"), .resume = true};
    auto first = make<Drift>(apart);
    first.fit(data, options, files);
    const auto over = bytes_of(first);
    auto same = make<Drift>(apart);
    same.fit(data, options, files);
    CHECK(bytes_of(same) == over);

    options.epochs = 5;
    auto longer = make<Drift>(apart);
    longer.fit(data, options, files);
    auto whole = make<Drift>(apart);
    whole.fit(data, {.epochs = 5, .batch_size = 4});
    CHECK(bytes_of(longer) == bytes_of(whole));

    options.epochs = 4;
    const std::string last = files.directory + "/last.mtlx";
    CHECK(error_of([&] { same = make<Drift>(apart), same.fit(data, options, files); }) ==
          ("mtlx: " + last + " is of a fit that has trained 5 epochs, more than the 4 asked for").c_str());
  }
}

TEST_CASE("without resume, or without a file, a run begins") {
  const Folder folder;
  const auto data = small::shared(9);
  Options<Surgery> options{.epochs = 1, .batch_size = 4};
  auto plain = make<Surgery>();
  plain.fit(data, options);
  Checkpointing files{.directory = folder.path() + "/run", .resume = true};
  auto begun = make<Surgery>();
  begun.fit(data, options, files);
  CHECK(bytes_of(begun) == bytes_of(plain));
  files.resume = false;
  options.epochs = 3;
  auto anew = make<Surgery>();
  anew.fit(data, options, files);
  CHECK(training::parse_checkpoint(read_file(folder.path() + "/run/last.mtlx"), "").positions[0].epoch == 3);
}

TEST_CASE("a run is not resumed with other options, data or models") {
  const Folder folder;
  const auto data = small::own(21, 9, 0.3), other = small::own(21, 8, 0.3);
  Options<Surgery> options{.epochs = 2, .batch_size = 4, .validation = &validation()};
  const Checkpointing files{.directory = folder.path(), .resume = true};
  Crasher crasher;
  crasher.epoch = 1;  // one epoch is in the file
  Options<Surgery> fatal = options;
  fatal.observers = {&crasher};
  auto first = make<Surgery>();
  CHECK_THROWS_AS(first.fit(data, fatal, files), Crash);
  const std::string file = folder.path() + "/last.mtlx", before = read_file(file);
  const auto refusal = [&](const data::DataSet& train, auto&& change, Surgery model = make<Surgery>()) {
    Options<Surgery> changed = options;
    change(changed);
    const auto untouched = bytes_of(model);
    const auto message = error_of([&] { model.fit(train, changed, files); });
    CHECK(bytes_of(model) == untouched);
    CHECK(read_file(file) == before);
    return message;
  };
  const auto of_a_fit = [&](const std::string& theirs, const std::string& ours) {
    return doctest::String(("mtlx: " + file + " is of a fit with \"" + theirs + "\", and this one has \"" + ours +
                            "\": a run is resumed with the options it had")
                               .c_str());
  };
  const auto nothing = [](auto&) {};
  CHECK(refusal(data, [](auto& o) { o.batch_size = 5; }) == of_a_fit("batch size 4", "batch size 5"));
  CHECK(refusal(data, [](auto& o) { o.sampling = Sampling::proportional; }) ==
        of_a_fit("sampling together", "sampling proportional"));
  CHECK(refusal(data, [](auto& o) { o.shuffle = false; }) == of_a_fit("shuffle on", "shuffle off"));
  CHECK(refusal(other, nothing) == of_a_fit("9 training samples", "8 training samples"));
  CHECK(refusal(small::shared(21), nothing) == of_a_fit("9 training samples", "13 validation samples"));
  CHECK(refusal(data, [](auto& o) { o.validation = nullptr; }) ==
        of_a_fit("13 validation samples", "the usual monitor"));
  CHECK(refusal(data, [](auto& o) { o.augment = &noise; }) == of_a_fit("no augmentation", "augmentation"));
  CHECK(refusal(data, [](auto& o) { o.monitor = [](const training::Epoch& e) { return e.losses[0]; }; }) ==
        of_a_fit("the usual monitor", "a monitor of its own"));
  CHECK(refusal(data, [](auto& o) { o.early_stopping.patience = 2; }) ==
        of_a_fit("early stopping with patience 0, minimum improvement 0 and the best restored",
                 "early stopping with patience 2, minimum improvement 0 and the best restored"));
  CHECK(refusal(data, nothing, make<Surgery>(false, 1, 4)) ==
        ("mtlx: " + file + " is of a model with seed 3, and this one has seed 4").c_str());
  CHECK(refusal(data, nothing, make<Surgery>(true)) ==
        ("mtlx: " + file +
         " is of another model: it has \"network of kind,flags,place for kind,flags,place\" where this one has "
         "\"network of kind,flags for kind,flags\"")
            .c_str());
  Surgery trained = make<Surgery>();
  trained.fit(data, {.epochs = 1});
  CHECK(refusal(data, nothing, trained) ==
        ("mtlx: " + file + " is of a fit that began after 0 epochs, and this model has done 1").c_str());

  auto second = make<Surgery>();
  second.fit(data, options, files);
  auto whole = make<Surgery>();
  whole.fit(data, {.epochs = 2, .batch_size = 4, .validation = &validation()});
  CHECK(bytes_of(second) == bytes_of(whole));

  second.save(file);
  CHECK(error_of([&] { make<Surgery>().fit(data, options, files); }) ==
        ("mtlx: " + file + " holds a model between two fits, and no run to resume").c_str());
  write_file(file, before.substr(0, before.size() / 2));
  CHECK(error_of([&] { make<Surgery>().fit(data, options, files); }) ==
        ("mtlx: " + file + " is cut: it holds " + std::to_string(before.size() / 2) + " bytes, expected " +
         std::to_string(before.size()))
            .c_str());
}

TEST_CASE("files of a run give way to those of another only when that can begin") {
  const Folder folder;
  const auto data = small::shared(9);
  Options<Surgery> options{.epochs = 2, .batch_size = 4, .validation = &validation()};
  const Checkpointing files{.directory = folder.path()};
  make<Surgery>().fit(data, options, files);
  const std::string last = read_file(folder.path() + "/last.mtlx");
  CHECK(file_exists(folder.path() + "/best.mtlx"));
  options.batch_size = 0;
  CHECK_THROWS_AS(make<Surgery>().fit(data, options, files), Error);
  CHECK(read_file(folder.path() + "/last.mtlx") == last);
  // A run without validation has no best: that of the run before would be taken for it.
  options.batch_size = 4;
  options.validation = nullptr;
  make<Surgery>().fit(data, options, files);
  CHECK_FALSE(file_exists(folder.path() + "/best.mtlx"));
}

TEST_CASE("options that need a directory, and a directory that can't be had") {
  const auto data = small::shared(9);
  auto model = make<Surgery>();
  Options<Surgery> options;
  CHECK(error_of([&] { model.fit(data, options, {.resume = true}); }) ==
        "mtlx: checkpointing: resume needs a directory, and none is given");
  CHECK(error_of([&] { model.fit(data, options, {.every_steps = 5}); }) ==
        "mtlx: checkpointing: every_steps needs a directory, and none is given");
  // Before the first step, not after the first hour.
  Crasher crasher;
  options.observers = {&crasher};
  CHECK(error_of([&] { model.fit(data, options, {.directory = "/no such folder/run"}); }) ==
        "mtlx: cannot write /no such folder/run/last.mtlx: No such file or directory");
  CHECK(crasher.steps == 0);
}

TEST_CASE("without a directory there are no files") {
  const auto data = small::shared(9);
  auto model = make<Surgery>(), plain = make<Surgery>();
  model.fit(data, {.epochs = 2}, {});
  plain.fit(data, {.epochs = 2});
  CHECK(bytes_of(model) == bytes_of(plain));
}

TEST_CASE("a hundred processes killed at any moment, and no bit lost" * doctest::test_suite("slow")) {
  const auto data = small::own(40, 17, 0.3);
  Options<Surgery> options{.epochs = 6, .batch_size = 4, .validation = &validation()};
  options.augment = &noise;
  options.early_stopping = {.patience = 4};
  const auto start = std::chrono::steady_clock::now();
  const End whole = uninterrupted<Surgery>(data, options, true);
  const auto lasts = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  Random random(1, Purpose::user, 1);
  int kills = 0, runs = 0;
  std::set<std::size_t> sizes;
  while (kills < 100) {
    const Folder folder;
    const Checkpointing files{.directory = folder.path() + "/run", .every_steps = 3, .resume = true};
    for (bool over = false; !over;) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        int code = 1;
        try {
          auto model = make<Surgery>(true);
          model.fit(data, options, files);
          model.save(folder.path() + "/end");
          code = 0;
        } catch (...) {
        }
        _exit(code);
      }
      usleep(static_cast<useconds_t>(random.below(static_cast<std::uint32_t>(lasts.count()) + 1)));
      kill(child, SIGKILL);
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      over = WIFEXITED(status);
      if (over) {
        REQUIRE(WEXITSTATUS(status) == 0);
      } else {
        ++kills;
      }
    }
    ++runs;
    CHECK(read_file(folder.path() + "/end") == whole.model);
    CHECK(read_file(files.directory + "/last.mtlx") == whole.last);
    CHECK(read_file(files.directory + "/best.mtlx") == whole.best);
  }
  MESSAGE(kills << " kills in " << runs << " runs");
}
