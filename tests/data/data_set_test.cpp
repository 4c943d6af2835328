// SPDX-License-Identifier: MIT
#include <mtlx/data/data_set.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;

namespace {

Inputs numbers(std::size_t count, std::size_t first = 0) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(first + i);
  return Inputs({1}, values);
}

Targets labels(std::size_t count, std::size_t first = 0) {
  std::vector<int> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<int>(first + i);
  return Targets::classes(values);
}

// One number and the class of the same value, so that samples that part from their labels show.
DataSet counting(std::size_t count) {
  return DataSet(numbers(count), {{"same", labels(count)}, {"more", labels(count, 5)}});
}

std::vector<float> raw(const DataSet& data, std::size_t stream = 0) {
  const Inputs inputs = data.streams().at(stream).inputs.compact();
  return {inputs.floats().begin(), inputs.floats().end()};
}

void check_labels_follow(const DataSet& data) {
  for (const Stream& stream : data.streams())
    for (std::size_t i = 0; i < stream.inputs.size(); ++i) {
      CHECK(stream.find("same")->value(i) == stream.inputs.floats(i)[0]);
      if (const Targets* more = stream.find("more")) CHECK(more->value(i) == stream.inputs.floats(i)[0] + 5);
    }
}

}  // namespace

TEST_CASE("a data set of one stream is one line") {
  const DataSet data(numbers(3), {{"left", labels(3)}, {"right", labels(3, 4)}});
  CHECK(data.size() == 3);
  CHECK(data.shape() == Shape{1, 1, 1});
  REQUIRE(data.streams().size() == 1);
  REQUIRE(data.streams()[0].columns.size() == 2);
  CHECK(data.streams()[0].columns[1].task == "right");
  REQUIRE(data.streams()[0].find("right") != nullptr);
  CHECK(data.streams()[0].find("right")->value(2) == 6);
  CHECK(data.streams()[0].find("none") == nullptr);
}

TEST_CASE("tasks may have inputs of their own") {
  DataSet data;
  CHECK(data.size() == 0);
  CHECK(error_of([&] { (void)data.shape(); }) == doctest::Contains("no stream"));
  data.add(numbers(3), {{"a", labels(3)}}).add(numbers(5), {{"b", labels(5)}, {"a", labels(5)}});
  CHECK(data.size() == 8);
  CHECK(data.streams().size() == 2);
  CHECK(data.streams()[0].find("b") == nullptr);
}

TEST_CASE("a data set refuses streams that don't fit, and stays as it was") {
  DataSet data(numbers(3), {{"a", labels(3)}});
  const auto adding = [&](Inputs inputs, std::vector<Column> columns) {
    const doctest::String message = error_of([&] { data.add(std::move(inputs), std::move(columns)); });
    CHECK(data.streams().size() == 1);
    return message;
  };
  CHECK(adding(numbers(4), {{"a", labels(4)}, {"b", labels(3)}}) ==
        "mtlx: data set: stream 1 has 3 targets for task \"b\", expected 4, one for each input");
  CHECK(adding(numbers(4), {{"b", labels(4)}, {"c", labels(4)}, {"b", labels(4)}}) ==
        doctest::Contains("names task \"b\" twice"));
  CHECK(adding(Inputs({2}, std::vector<float>(8)), {{"b", labels(4)}}) ==
        doctest::Contains("inputs of 2, expected 1 as"));
  CHECK(adding(numbers(4), {}) == doctest::Contains("stream 1 has no columns"));
  CHECK(adding(numbers(0), {{"b", labels(0)}}) == doctest::Contains("stream 1 has no samples"));
  CHECK(adding(numbers(4), {{"", labels(4)}}) == doctest::Contains("no name"));
  CHECK(adding(numbers(4), {{"a", Targets::values(2, std::vector<float>(8))}}) ==
        doctest::Contains("2 values per sample for task \"a\", expected 1"));
  CHECK(error_of([] { DataSet(numbers(2), {{"a", labels(1)}}); }) == doctest::Contains("stream 0 has 1 targets"));
}

TEST_CASE("split parts every stream at random, and loses nothing") {
  DataSet data = counting(100);
  data.add(numbers(10, 500), {{"same", labels(10, 500)}});
  const auto [first, second] = split(data, 0.7, 3);
  CHECK(raw(first).size() == 70);
  CHECK(raw(second).size() == 30);
  CHECK(raw(first, 1).size() == 7);
  CHECK(raw(second, 1).size() == 3);
  check_labels_follow(first);
  check_labels_follow(second);
  for (std::size_t s = 0; s < 2; ++s) {
    std::vector<float> all = raw(first, s);
    CHECK(std::is_sorted(all.begin(), all.end()));
    const std::vector<float> rest = raw(second, s);
    all.insert(all.end(), rest.begin(), rest.end());
    std::sort(all.begin(), all.end());
    CHECK(all == raw(data, s));
  }
  CHECK(raw(first).back() > 80);  // not simply the first 70
  CHECK(raw(split(data, 0.7, 3).first) == raw(first));
  CHECK(raw(split(data, 0.7, 4).first) != raw(first));

  // Streams of the same size are parted differently.
  DataSet twice = counting(100);
  twice.add(numbers(100), {{"same", labels(100)}});
  const DataSet part = split(twice, 0.5, 3).first;
  CHECK(raw(part, 0) != raw(part, 1));
}

TEST_CASE("split puts each sample into the first part equally often") {
  const DataSet data = counting(8);
  std::vector<int> hits(8);
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    for (const float value : raw(split(data, 0.25, seed).first)) ++hits[static_cast<std::size_t>(value)];
  for (const int hit : hits) CHECK(std::abs(hit - 500) < 100);  // five standard deviations of 19
}

TEST_CASE("split refuses fractions and sizes that leave a part empty") {
  const DataSet data = counting(10);
  const double nan = std::bit_cast<double>(std::uint64_t{0x7FF8000000000000});
  for (const double fraction : {0.0, -0.0, 1.0, -0.5, 1.5, nan})
    CHECK(error_of([&] { split(data, fraction, 1); }) == doctest::Contains("expected a number between 0 and 1"));
  CHECK(error_of([&] { split(data, 0.01, 1); }) == doctest::Contains("stream 0 of 10 samples"));
  CHECK(error_of([&] { split(data, 0.99, 1); }) == doctest::Contains("a part would be empty"));
  CHECK(split(data, 0.05, 1).first.size() == 1);
  CHECK(split(data, 0.94, 1).second.size() == 1);
}

TEST_CASE("shuffled keeps samples and labels together") {
  DataSet data = counting(50);
  data.add(numbers(50), {{"same", labels(50)}});
  const DataSet mixed = shuffled(data, 9);
  check_labels_follow(mixed);
  CHECK(raw(mixed) != raw(data));
  CHECK(raw(mixed, 0) != raw(mixed, 1));
  CHECK(raw(shuffled(data, 9)) == raw(mixed));
  CHECK(raw(shuffled(data, 10)) != raw(mixed));
  std::vector<float> sorted = raw(mixed);
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == raw(data));
}

TEST_CASE("take has the first samples of every stream") {
  DataSet data = counting(10);
  data.add(numbers(2), {{"same", labels(2)}});
  const DataSet part = take(data, 3);
  CHECK(raw(part, 0) == std::vector<float>{0, 1, 2});
  CHECK(raw(part, 1) == std::vector<float>{0, 1});
  check_labels_follow(part);
  CHECK(error_of([&] { take(data, 0); }) == doctest::Contains("no samples"));
}

TEST_CASE("parts of a data set share its inputs") {
  const DataSet data = counting(100);
  const float* all = data.streams()[0].inputs.floats().data();
  const DataSet copy = data;
  CHECK(copy.streams()[0].inputs.floats().data() == all);
  CHECK(take(data, 7).streams()[0].inputs.floats().data() == all);
  const auto [first, second] = split(shuffled(data, 3), 0.3, 4);
  for (const DataSet* part : {&first, &second}) {
    check_labels_follow(*part);
    const Inputs& inputs = part->streams()[0].inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      CHECK(inputs.floats(i).data() == all + static_cast<std::size_t>(inputs.floats(i)[0]));
  }
}

TEST_CASE("a part is normalised by itself") {
  DataSet data = counting(4);
  DataSet part = take(data, 2);
  part.normalise({{1}, {2}});
  float read = 0;
  part.streams()[0].inputs.copy(1, &read);
  CHECK(read == 0);
  data.streams()[0].inputs.copy(1, &read);
  CHECK(read == 1);
}

TEST_CASE("normalise measures training inputs of all streams and applies to the others") {
  const std::vector<float> values{1, 5, 2, 5, 10, 5, 20, 5, 30, 5};  // two channels, the second constant
  DataSet whole(Inputs({2}, values), {{"a", labels(5)}});
  DataSet train(Inputs({2}, std::vector<float>(values.begin(), values.begin() + 4)), {{"a", labels(2)}});
  train.add(Inputs({2}, std::vector<float>(values.begin() + 4, values.begin() + 6)), {{"b", labels(1)}});
  train.add(Inputs({2}, std::vector<float>(values.begin() + 6, values.end())), {{"a", labels(2)}});
  DataSet test(Inputs({2}, std::vector<float>{12.6F, 7}), {{"a", labels(1)}}), empty;

  const Normalisation found = normalise(train, {&test, &empty});
  const Normalisation expected = normalise(whole);
  CHECK(expected.mean[0] == doctest::Approx(12.6).epsilon(1e-14));
  CHECK(found.mean[0] == doctest::Approx(expected.mean[0]).epsilon(1e-14));
  CHECK(found.deviation[0] == doctest::Approx(expected.deviation[0]).epsilon(1e-14));
  CHECK(found.mean[1] == 5);
  CHECK(found.deviation[1] == 1);
  float row[2] = {};
  test.streams()[0].inputs.copy(0, row);
  CHECK(std::fabs(row[0]) < 1e-6F);
  CHECK(row[1] == 2);
  for (const Stream& stream : train.streams()) CHECK(stream.inputs.normalisation().mean == found.mean);

  DataSet other(Inputs({1, 1, 2}, std::vector<float>(2)), {{"a", labels(1)}});
  DataSet fresh(Inputs({2}, values), {{"a", labels(5)}});
  CHECK(error_of([&] { normalise(fresh, {&test, &other}); }) == doctest::Contains("1 channels, expected 2"));
  CHECK(fresh.streams()[0].inputs.normalisation().mean[0] == 0);
  CHECK(error_of([&] { normalise(empty); }) == doctest::Contains("no stream"));
}
