// SPDX-License-Identifier: MIT
#include <mtlx/optim/rms_prop.hpp>
#include <mtlx/training/checkpoint.hpp>

#include <mtlx/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <string>

#include "data/mutate.hpp"
#include "interrupted.hpp"

using namespace interrupted;
using training::Checkpoint;
using training::checkpoint_bytes;
using training::parse_checkpoint;
using training::Position;

namespace {

Checkpoint small_one() {
  Checkpoint c{"numbers of 4 bytes\ntask a\n", 7, 3, {"abcd", "efgh"}, "batch size 4\n", {}};
  c.positions.push_back({2, 1, {0.5, 1.5}, 1, 0.25, "best"});
  c.positions.push_back({0, 0, {0, 0}, 0, Position().best, ""});
  c.evidence = "some";
  return c;
}

// Size and checksum set right again, so that the content behind them is looked at.
std::string sealed(std::string bytes) {
  if (bytes.size() < 32) return bytes;
  const std::uint64_t size = bytes.size();
  std::memcpy(bytes.data() + 16, &size, 8);
  const std::uint64_t sum = checksum(std::string_view(bytes).substr(0, bytes.size() - 8));
  std::memcpy(bytes.data() + bytes.size() - 8, &sum, 8);
  return bytes;
}

doctest::String refusal(const std::string& bytes) {
  return error_of([&] { parse_checkpoint(bytes, "f"); });
}

// What loading a file's bytes into a model says; nothing may have changed if it says anything.
template <class M>
doctest::String load_refusal(M& model, const std::string& bytes) {
  const Folder folder;
  write_file(folder.path() + "/f", bytes);
  const std::string before = bytes_of(model);
  std::string message = error_of([&] { model.load(folder.path() + "/f"); }).c_str();
  CHECK((message.empty() || bytes_of(model) == before));
  if (const auto at = message.find(folder.path() + "/"); at != std::string::npos)
    message.erase(at, folder.path().size() + 1);
  return doctest::String(message.c_str());
}

}  // namespace

TEST_CASE("what is written is read again") {
  const Checkpoint c = small_one(), found = parse_checkpoint(checkpoint_bytes(c), "f");
  CHECK(found.model == c.model);
  CHECK(found.seed == 7);
  CHECK(found.epochs_done == 3);
  CHECK(found.states == c.states);
  CHECK(found.fit == c.fit);
  REQUIRE(found.positions.size() == 2);
  CHECK(found.positions[0].epoch == 2);
  CHECK(found.positions[0].step == 1);
  CHECK(found.positions[0].sums == std::vector<double>{0.5, 1.5});
  CHECK(found.positions[0].best_epochs == 1);
  CHECK(found.positions[0].best == 0.25);
  CHECK(found.positions[0].best_state == "best");
  CHECK(found.positions[1].best == Position().best);
  CHECK(found.evidence == "some");
  // Version 1 ended with the positions.
  Checkpoint older = c;
  older.evidence.clear();
  std::string bytes = checkpoint_bytes(older);
  bytes.erase(bytes.size() - 16, 8);
  bytes[8] = 1;
  CHECK(checkpoint_bytes(parse_checkpoint(sealed(bytes), "f")) == checkpoint_bytes(older));
  CHECK(parse_checkpoint(checkpoint_bytes({}), "f").states.empty());
}

TEST_CASE("files that are no sound checkpoint, one sentence each") {
  const std::string bytes = checkpoint_bytes(small_one());
  CHECK(refusal("a text of some length, not at all a checkpoint") == "mtlx: f is no checkpoint of mtlx");
  CHECK(refusal("mt!") == "mtlx: f is no checkpoint of mtlx");
  CHECK(refusal("") == "mtlx: f is cut: it holds 0 bytes, not even a checkpoint's head");
  CHECK(refusal(bytes.substr(0, 31)) == "mtlx: f is cut: it holds 31 bytes, not even a checkpoint's head");
  const std::string size = std::to_string(bytes.size());
  CHECK(refusal(bytes.substr(0, 100)) == ("mtlx: f is cut: it holds 100 bytes, expected " + size).c_str());
  CHECK(refusal(bytes + "more") ==
        ("mtlx: f goes on after its end: it holds " + std::to_string(bytes.size() + 4) + " bytes, expected " + size)
            .c_str());
  std::string other = bytes;
  for (const char version : {'\0', '\3'}) {
    other[8] = version;
    CHECK(
        refusal(other) ==
        join("mtlx: f has version ", int{version}, " of the checkpoint format, and this program reads 1 to 2").c_str());
  }
  other = bytes;
  other[40] ^= 1;
  CHECK(refusal(other) == "mtlx: f is damaged: its checksum does not match its content");
  // A length that promises more than there is.
  other = bytes;
  other[31] = '\x7F';
  CHECK(refusal(sealed(other)) == "mtlx: f is no sound checkpoint");
  CHECK(refusal(sealed(bytes + std::string(8, '\0'))) == "mtlx: f is no sound checkpoint");
}

TEST_CASE("every cut and every flipped bit is noticed") {
  const std::string bytes = checkpoint_bytes(small_one());
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(refusal(bytes.substr(0, size)) != "");
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = bytes;
      other[i] = static_cast<char>(other[i] ^ (1 << bit));
      CHECK(refusal(other) != "");
    }
}

TEST_CASE("a model that is saved and loaded goes on as the first") {
  const auto data = small::own(21, 9, 0.3);
  for (const bool apart : {false, true}) {
    Drift first = make<Drift>(apart), second = make<Drift>(apart);
    first.fit(data, {.epochs = 2, .batch_size = 4});
    const Folder folder;
    first.save(folder.path() + "/model");
    CHECK(bytes_of(first) != bytes_of(second));
    second.load(folder.path() + "/model");
    CHECK(bytes_of(first) == bytes_of(second));
    CHECK(small::same_bits(first.parameters(), second.parameters()));
    first.fit(data, {.epochs = 2, .batch_size = 4});
    second.fit(data, {.epochs = 2, .batch_size = 4});
    CHECK(bytes_of(first) == bytes_of(second));
  }
}

TEST_CASE("the files of a run are read by load too") {
  const Folder folder;
  const auto data = small::shared(21);
  training::FitOptions<float> options{.epochs = 3, .batch_size = 4};
  Crasher crasher;
  crasher.step = 9;  // six steps an epoch
  options.observers = {&crasher};
  auto crashed = make<Surgery>();
  CHECK_THROWS_AS(crashed.fit(data, options, {.directory = folder.path(), .every_steps = 1}), Crash);
  auto model = make<Surgery>(), same = make<Surgery>();
  model.load(folder.path() + "/last.mtlx");
  same.fit(data, {.epochs = 1, .batch_size = 4});
  CHECK_FALSE(small::same_bits(model.parameters(), same.parameters()));
  // It has the third step of the second epoch, and begins that epoch anew.
  struct First : training::Observer {
    std::size_t epoch = 99;
    void on_step(const training::Step& step) override {
      if (epoch == 99) epoch = step.epoch;
    }
  } first;
  model.fit(data, {.batch_size = 4, .observers = {&first}});
  CHECK(first.epoch == 1);
}

TEST_CASE("checkpoints of other models are refused, and change nothing") {
  const auto data = small::shared(9);
  Surgery model = make<Surgery>();
  model.fit(data, {.batch_size = 4});
  const std::string bytes = bytes_of(model);
  CHECK(load_refusal(model, bytes) == "");

  using Wide = MultiTask<Input<4>, small::Kinds, sharing::Hard<nn::Sequential<nn::Dense<6>, nn::Dropout<30>, nn::Tanh>>,
                         balancing::PcGrad, Slowing, Groups>;
  using Other = MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, optim::Sgd, backend::Reference>;
  Wide wide = make<Wide>();
  CHECK(
      load_refusal(wide, bytes) ==
      "mtlx: f is of another model: it has \"layer Dense from 4 to 5 for kind,flags,place\" where this one has \"layer "
      "Dense from 4 to 6 for kind,flags,place\"");
  // The same numbers of parameters and states, and yet another model.
  using Squashed =
      MultiTask<Input<4>, small::Kinds, sharing::Hard<nn::Sequential<nn::Dense<5>, nn::Dropout<30>, nn::Relu>>,
                balancing::PcGrad, Slowing, Groups>;
  Squashed squashed = make<Squashed>();
  CHECK(
      load_refusal(squashed, bytes) ==
      "mtlx: f is of another model: it has \"layer Tanh from 5 to 5 for kind,flags,place\" where this one has \"layer "
      "Relu from 5 to 5 for kind,flags,place\"");
  using Steady = MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, optim::RmsProp, backend::Reference>;
  using Moving = MultiTask<Input<4>, small::Kinds, sharing::Hard<Trunk>, optim::Adam, backend::Reference>;
  Steady steady{{.seed = 3}};
  Moving moving{{.seed = 3}};
  const std::string two = load_refusal(moving, bytes_of(steady)).c_str();
  CHECK(two.find("optim::BasicRmsProp<false>") != std::string::npos);
  CHECK(two.find("optim::Adam") != std::string::npos);
  Other exact{{.seed = 3}};
  CHECK(load_refusal(exact, bytes) ==
        "mtlx: f is of another model: it has \"numbers of 4 bytes\" where this one has \"numbers of 8 bytes\"");
  Drift drift = make<Drift>();
  CHECK(load_refusal(drift, bytes) ==
        (std::string("mtlx: f is of another model: it has \"balancer ") + std::string(type_name<balancing::PcGrad>()) +
         " with a state of 0 bytes\" where this one has \"balancer " + std::string(type_name<Drifting>()) +
         " with a state of 16 bytes\"")
            .c_str());
  Surgery apart = make<Surgery>(true);
  CHECK(load_refusal(apart, bytes) ==
        "mtlx: f is of another model: it has \"network of kind,flags,place for kind,flags,place\" where this one has "
        "\"network of kind,flags for kind,flags\"");
  CHECK(load_refusal(model, bytes_of(apart)) ==
        "mtlx: f is of another model: it has \"network of kind,flags for kind,flags\" where this one has \"network of "
        "kind,flags,place for kind,flags,place\"");
  Surgery seeded = make<Surgery>(false, 1, 4);
  CHECK(load_refusal(seeded, bytes) == "mtlx: f is of a model with seed 3, and this one has seed 4");
  // The number of threads is no part of a model.
  Surgery threads = make<Surgery>(false, 2);
  CHECK(load_refusal(threads, bytes) == "");
  CHECK(bytes_of(threads) == bytes);
  CHECK(error_of([&] { model.load("/no such file"); }) == "mtlx: cannot read /no such file: No such file or directory");
}

TEST_CASE("a checkpoint whose parts don't fit the model is not sound") {
  Surgery model = make<Surgery>();
  const Checkpoint sound = parse_checkpoint(bytes_of(model), "f");
  const auto with = [&](auto&& change) {
    Checkpoint c = sound;
    change(c);
    return load_refusal(model, checkpoint_bytes(c));
  };
  CHECK(with([](Checkpoint&) {}) == "");
  CHECK(with([](Checkpoint& c) { c.model += "more\n"; }) ==
        "mtlx: f is of another model: it has \"more\" where this one has nothing");
  CHECK(with([](Checkpoint& c) { c.model = ""; }) ==
        "mtlx: f is of another model: it has nothing where this one has \"numbers of 4 bytes\"");
  const doctest::String unsound = "mtlx: f is no sound checkpoint";
  CHECK(with([](Checkpoint& c) { c.states[0].pop_back(); }) == unsound);
  CHECK(with([](Checkpoint& c) { c.states[0] += 'x'; }) == unsound);
  CHECK(with([](Checkpoint& c) { c.states.push_back(c.states[0]); }) == unsound);
  CHECK(with([](Checkpoint& c) { c.states.clear(); }) == unsound);
  CHECK(with([](Checkpoint& c) { c.positions.emplace_back(); }) == unsound);
  CHECK(with([](Checkpoint& c) { c.fit = "x"; }) == unsound);
  const auto position = [&](Position p) {
    return with([&](Checkpoint& c) {
      c.fit = "x";
      c.positions = {p};
    });
  };
  const std::vector<double> sums(6);
  CHECK(position({1, 0, sums}) == "");
  CHECK(position({1, 0, {}}) == unsound);
  CHECK(position({1, 0, sums, 2}) == unsound);
  CHECK(position({1, 0, sums, 1, std::numeric_limits<double>::quiet_NaN()}) == unsound);
  CHECK(position({1, 0, sums, 1, 0, "x"}) == unsound);
  CHECK(position({1, 0, sums, 1, 0, sound.states[0]}) == "");
}

TEST_CASE("a step that an epoch does not have is not resumed") {
  const Folder folder;
  const auto data = small::shared(9);
  const training::FitOptions<float> options{.epochs = 2, .batch_size = 4};
  const training::Checkpointing files{.directory = folder.path(), .resume = true};
  make<Surgery>().fit(data, options, files);
  const std::string file = folder.path() + "/last.mtlx";
  Checkpoint last = parse_checkpoint(read_file(file), file);
  last.positions[0].epoch = 1;
  last.positions[0].step = 3;
  write_file(file, checkpoint_bytes(last));
  CHECK_THROWS_AS(make<Surgery>().fit(data, options, files), Error);
}

TEST_CASE("thousands of hostile files, with the checksum set right") {
  const std::string small = checkpoint_bytes(small_one());
  Surgery model = make<Surgery>();
  const std::string bytes = bytes_of(model);
  const Folder folder;
  Random random(2, Purpose::user);
  std::size_t sound = 0;
  for (int i = 0; i < 20000; ++i) {
    try {
      parse_checkpoint(sealed(mutated(small, random)), "f");
      ++sound;
    } catch (const Error&) {
    }
    if (i % 10 != 0) continue;
    try {
      const Checkpoint c = parse_checkpoint(sealed(mutated(bytes, random)), "f");
      write_file("/dev/null", checkpoint_bytes(c));
    } catch (const Error&) {
    }
  }
  CHECK(sound > 100);
  CHECK(sound < 19000);
}
