// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <vector>

#include "interrupted.hpp"

using namespace interrupted;
using Options = Surgery::FitOptions;

namespace {

Options with(const auto& augmentation, std::size_t epochs = 2) {
  Options options{.epochs = epochs, .batch_size = 8};
  options.augment = &augmentation;
  return options;
}

data::DataSet negated(const data::DataSet& data) {
  const auto& inputs = data.streams()[0].inputs;
  std::vector<float> numbers;
  for (std::size_t s = 0; s < inputs.size(); ++s) {
    std::array<float, 4> row;
    inputs.copy(s, row.data());
    for (const float x : row) numbers.push_back(-x);
  }
  return {data::Inputs(inputs.shape(), numbers), data.streams()[0].columns};
}

}  // namespace

TEST_CASE("training sees what the augmentation makes of a sample") {
  constexpr auto turn = [](std::span<float> sample, const Shape&, Random&) {
    for (float& x : sample) x = -x;
  };
  const auto data = small::shared(21, 0.3);
  Surgery a = make<Surgery>(), b = make<Surgery>(), c = make<Surgery>();
  a.fit(data, with(turn));
  b.fit(negated(data), {.epochs = 2, .batch_size = 8});
  c.fit(data, {.epochs = 2, .batch_size = 8});
  CHECK(bytes_of(a) == bytes_of(b));
  CHECK(bytes_of(a) != bytes_of(c));
}

TEST_CASE("it is called for training samples alone, after normalisation, with their shape") {
  std::atomic<std::size_t> calls{0}, wrong{0};
  const auto count = [&](std::span<float> sample, const Shape& shape, Random&) {
    ++calls;
    if (sample.size() != 4 || !(shape == Shape{4})) ++wrong;
  };
  const auto data = small::shared(21, 0.3), validation = small::shared(9);
  Surgery model = make<Surgery>(false, 2);
  Options options = with(count, 3);
  options.validation = &validation;
  model.fit(data, options);
  CHECK(calls == 63);
  CHECK(wrong == 0);
  model.evaluate(data);
  model.predict(data.streams()[0].inputs);
  model.fit(data);
  CHECK(calls == 63);

  // Inputs of bytes read as b / 255, less their mean.
  std::vector<std::uint8_t> bytes(4 * 9);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(7 * i);
  data::DataSet pictures(data::Inputs({4}, bytes), data::DataSet(validation).streams()[0].columns);
  data::normalise(pictures, {});
  double sum = 0;
  const auto add = [&](std::span<float> sample, const Shape&, Random&) {
    for (const float x : sample) sum += static_cast<double>(x);
  };
  Surgery one = make<Surgery>();
  one.fit(pictures, with(add, 1));
  CHECK(sum == doctest::Approx(0).epsilon(1e-4));
}

TEST_CASE("the random numbers depend on seed, step and place in the batch") {
  // The first draws of each call, by the sample.
  std::vector<std::uint32_t> draws;
  const auto draw = [&](std::span<float>, const Shape&, Random& random) { draws.push_back(random.bits()); };
  const auto data = small::own(11, 5);
  Surgery model = make<Surgery>();
  model.fit(data, with(draw, 2));
  std::vector<std::uint32_t> expected;
  // Two steps an epoch: both streams' batches of 8 and 5, then what is left of the first and the second anew.
  std::uint64_t step = 0;
  for (const std::uint64_t size : std::initializer_list<std::uint64_t>{13, 8, 13, 8}) {
    for (std::uint64_t place = 0; place < size; ++place)
      expected.push_back(Random(3, Purpose::augment, step << 32 | place).bits());
    ++step;
  }
  CHECK(draws == expected);
}

TEST_CASE("the same bits for any number of threads") {
  const auto data = small::own(70, 30, 0.3);
  Surgery one = make<Surgery>(false, 1);
  Options options = with(noise);
  options.batch_size = 50;
  one.fit(data, options);
  for (const int threads : {2, 3}) {
    Surgery many = make<Surgery>(false, threads);
    many.fit(data, options);
    CHECK(bytes_of(one) == bytes_of(many));
  }
  Surgery other = make<Surgery>(false, 1, 4), plain = make<Surgery>();
  std::copy(plain.parameters().begin(), plain.parameters().end(), other.parameters().begin());
  other.fit(data, options);
  CHECK_FALSE(small::same_bits(one.parameters(), other.parameters()));
}

TEST_CASE("a probe sees the same samples on the step's batch, and plain ones elsewhere") {
  struct Ask : training::Probe<float> {
    const data::DataSet* held_out = nullptr;
    Surgery* model = nullptr;
    int looks = 0;
    bool wants(const training::Step&) override { return true; }
    void look(training::ProbeSession<float>& session) override {
      ++looks;
      const auto nothing = [](std::span<float>) {};
      const std::vector<double> losses = small::copy(session.step().losses);
      CHECK(small::same_bits(losses, session.losses_at(training::Edit<float>(nothing))));
      const auto elsewhere = small::copy(session.losses_at(training::Edit<float>(nothing), *held_out));
      const auto scores = Surgery(*model).evaluate(*held_out).losses();
      CHECK(small::distance(elsewhere, scores) < 1e-5);
      CHECK(small::same_bits(losses, session.losses_at(training::Edit<float>(nothing))));
    }
  } ask;
  const auto data = small::shared(21, 0.3), held_out = small::shared(9, 0, 5);
  Surgery model = make<Surgery>();
  ask.held_out = &held_out;
  ask.model = &model;
  Options options = with(noise);
  options.probes = {&ask};
  model.fit(data, options);
  CHECK(ask.looks == 6);
}
