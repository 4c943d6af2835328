// SPDX-License-Identifier: MIT
#include <mtlx/training/sampler.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace mtlx;
using training::Sampler;
using training::Sampling;

namespace {

struct Dealt {
  std::size_t stream;
  std::vector<std::uint32_t> samples;
  friend bool operator==(const Dealt&, const Dealt&) = default;
};
using Epoch = std::vector<std::vector<Dealt>>;  // parts of each step

Epoch epoch(Sampler& sampler, std::uint64_t number) {
  sampler.begin(number);
  Epoch steps(sampler.steps());
  for (auto& step : steps)
    for (const auto& part : sampler.next()) step.push_back({part.stream, {part.samples.begin(), part.samples.end()}});
  return steps;
}

Epoch epoch(const std::vector<std::size_t>& sizes, Sampler::Options options, std::uint64_t number = 0) {
  Sampler sampler(sizes, options);
  return epoch(sampler, number);
}

// All samples of a stream in the order in which they were dealt.
std::vector<std::uint32_t> of_stream(const Epoch& steps, std::size_t stream) {
  std::vector<std::uint32_t> all;
  for (const auto& step : steps)
    for (const Dealt& part : step)
      if (part.stream == stream) all.insert(all.end(), part.samples.begin(), part.samples.end());
  return all;
}

bool each_once(std::vector<std::uint32_t> dealt, std::size_t size) {
  std::sort(dealt.begin(), dealt.end());
  for (std::size_t i = 0; i < dealt.size(); ++i)
    if (dealt[i] != i) return false;
  return dealt.size() == size;
}

}  // namespace

TEST_CASE("one stream: every sample once an epoch, the last batch short") {
  for (const auto sampling : {Sampling::together, Sampling::round_robin, Sampling::proportional})
    for (const std::size_t batch : std::initializer_list<std::size_t>{1, 7, 16, 17, 23, 50}) {
      CAPTURE(batch);
      Sampler sampler(std::vector<std::size_t>{23}, {.batch_size = batch, .sampling = sampling, .seed = 4});
      CHECK(sampler.steps() == (23 + batch - 1) / batch);
      for (const std::uint64_t number : std::initializer_list<std::uint64_t>{0, 1, 2}) {
        const Epoch steps = epoch(sampler, number);
        CHECK(each_once(of_stream(steps, 0), 23));
        for (std::size_t s = 0; s < steps.size(); ++s) {
          REQUIRE(steps[s].size() == 1);
          CHECK(steps[s][0].samples.size() == (s + 1 < steps.size() ? batch : 23 - batch * s));
        }
      }
    }
}

TEST_CASE("together: every step has every stream; short streams begin anew in another order") {
  const std::vector<std::size_t> sizes{31, 4, 10};
  const Epoch steps = epoch(sizes, {.batch_size = 3, .seed = 1});
  REQUIRE(steps.size() == 11);
  for (const auto& step : steps) {
    REQUIRE(step.size() == 3);
    for (std::size_t s = 0; s < 3; ++s) CHECK(step[s].stream == s);
  }
  CHECK(each_once(of_stream(steps, 0), 31));
  // 4 samples in batches of 3 and 1, over 11 steps: five whole passes and a batch.
  const auto few = of_stream(steps, 1);
  REQUIRE(few.size() == 5 * 4 + 3);
  std::set<std::vector<std::uint32_t>> orders;
  for (std::size_t pass = 0; pass < 5; ++pass) {
    const std::vector<std::uint32_t> one(few.begin() + static_cast<std::ptrdiff_t>(4 * pass),
                                         few.begin() + static_cast<std::ptrdiff_t>(4 * pass + 4));
    CHECK(each_once(one, 4));
    orders.insert(one);
  }
  CHECK(orders.size() > 1);
  CHECK(steps[1][1].samples.size() == 1);
}

TEST_CASE("round robin: streams take turns until each is used up") {
  const Epoch steps = epoch({31, 4, 10}, {.batch_size = 3, .sampling = Sampling::round_robin, .seed = 1});
  REQUIRE(steps.size() == 11 + 2 + 4);
  for (std::size_t s = 0; s < 3; ++s) CHECK(each_once(of_stream(steps, s), std::vector<std::size_t>{31, 4, 10}[s]));
  for (const auto& step : steps) CHECK(step.size() == 1);
  // Two rounds of three, two of two, then the long one alone; each round in the same order.
  for (const std::size_t first : std::initializer_list<std::size_t>{0, 3})
    CHECK(std::set{steps[first][0].stream, steps[first + 1][0].stream, steps[first + 2][0].stream}.size() == 3);
  CHECK(steps[0][0].stream == steps[3][0].stream);
  for (std::size_t s = 10; s < steps.size(); ++s) CHECK(steps[s][0].stream == 0);
}

TEST_CASE("proportional: every sample once, streams mixed") {
  const std::vector<std::size_t> sizes{300, 100};
  const Epoch steps = epoch(sizes, {.batch_size = 10, .sampling = Sampling::proportional, .seed = 1});
  REQUIRE(steps.size() == 40);
  std::size_t late = 0;
  for (std::size_t s = 0; s < 40; ++s) {
    REQUIRE(steps[s].size() == 1);
    late += s >= 20 && steps[s][0].stream == 1 ? 1 : 0;
  }
  CHECK(each_once(of_stream(steps, 0), 300));
  CHECK(each_once(of_stream(steps, 1), 100));
  CHECK(late > 0);
  CHECK(late < 10);
}

TEST_CASE("the order depends on seed, epoch and stream alone") {
  for (const auto sampling : {Sampling::together, Sampling::round_robin, Sampling::proportional}) {
    const Sampler::Options options{.batch_size = 4, .sampling = sampling, .seed = 8};
    Sampler sampler(std::vector<std::size_t>{20, 12}, options);
    const Epoch first = epoch(sampler, 0), second = epoch(sampler, 1);
    CHECK(first != second);
    CHECK(epoch(sampler, 0) == first);
    CHECK(epoch({20, 12}, options, 1) == second);
    auto other = options;
    other.seed = 9;
    CHECK(of_stream(epoch({20, 12}, other), 0) != of_stream(first, 0));
    // Another batch size, another neighbour: the same order of the stream.
    other = options;
    other.batch_size = 5;
    CHECK(of_stream(epoch({20, 3}, other), 0) == of_stream(first, 0));
    CHECK(of_stream(first, 0) != of_stream(epoch({20, 20}, options), 1));
  }
}

TEST_CASE("without shuffling, samples come in order, in every epoch") {
  const Epoch steps = epoch({5, 2}, {.batch_size = 2, .shuffle = false}, 7);
  CHECK(of_stream(steps, 0) == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  CHECK(of_stream(steps, 1) == std::vector<std::uint32_t>{0, 1, 0, 1, 0, 1});
}

TEST_CASE("a batch of nothing is refused") {
  CHECK_THROWS_WITH_AS(Sampler(std::vector<std::size_t>{5}, {.batch_size = 0}),
                       "mtlx: the batch size must be at least 1, and is 0", Error);
}
