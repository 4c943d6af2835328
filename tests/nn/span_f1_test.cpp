// SPDX-License-Identifier: MIT
#include <mtlx/nn/span_f1.hpp>

#include <mtlx/backend/reference.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/nn/dense.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <mtlx/sharing/hard.hpp>
#include <mtlx/testing/metric_laws.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

using namespace mtlx;
using nn::SpanF1;

namespace {

#include "span_oracle.inc"

constexpr std::size_t classes = 7;

/// Outputs whose largest is a class.
std::array<float, classes> output(std::size_t answer) {
  std::array<float, classes> z{};
  z[answer] = 1;
  return z;
}

/// A letter a class (a: O, b: B-0, c: I-0, ...), ? for a missing target, a blank between sentences.
void add(SpanF1& metric, std::string_view target, std::string_view answer) {
  metric.begin_sequence();
  for (std::size_t i = 0; i < target.size(); ++i) {
    const std::array<float, 1> is{static_cast<float>(target[i] - 'a')};
    const std::array<unsigned char, 1> present{static_cast<unsigned char>(target[i] != '?')};
    if (target[i] == ' ')
      metric.begin_sequence();
    else
      metric.add(output(static_cast<std::size_t>(answer[i] - 'a')), is, present);
  }
}

double f1(std::string_view target, std::string_view answer) {
  SpanF1 metric;
  add(metric, target, answer);
  return metric.value();
}

}  // namespace

TEST_CASE("the laws of SpanF1") {
  for (const auto& report : {testing::check_metric<SpanF1, 7>({.target = testing::class_target}),
                             testing::check_metric<SpanF1, 2>({.target = testing::class_target})}) {
    CHECK_MESSAGE(report.ok(), report.text());
    CHECK(report.checks() > 20);
  }
}

TEST_CASE("spans are counted as seqeval and conlleval count them") {
  for (const SpanCase& one : span_cases) {
    CAPTURE(one.target);
    CAPTURE(one.answer);
    REQUIRE(one.target.size() == one.answer.size());
    CHECK(f1(one.target, one.answer) == doctest::Approx(one.f1).epsilon(1e-14));
  }
}

TEST_CASE("F1 of spans by hand") {
  CHECK(f1("abca", "abca") == 1);
  CHECK(f1("abca", "abaa") == 0);    // too short
  CHECK(f1("abca", "abcc") == 0);    // too long
  CHECK(f1("abca", "adea") == 0);    // another type
  CHECK(f1("abca", "acca") == 1);    // I after O begins a span
  CHECK(f1("bcde", "bcbc") == 0.5);  // of two each, one
  CHECK(f1("bb", "bc") == 0);        // two spans, said to be one
  CHECK(f1("bc", "ba") == 0);
  CHECK(f1("abc", "abc") == 1);      // up to the end
  CHECK(f1("bc bc", "bc cc") == 1);  // a sentence ends what the last one began
  CHECK(f1("b c", "b a") == doctest::Approx(2.0 / 3));
  CHECK(f1("b?c", "bcc") == 1);  // so does a missing target; what is said there doesn't count
  CHECK(f1("a?a", "aba") == 0);  // no span at all
  CHECK(mtlx::is_nan(f1("???", "abc")));

  // A NaN is a span that nobody meant, whatever the target: one right of two, and one.
  SpanF1 metric;
  add(metric, "bc", "bc");
  std::array<float, classes> z = output(0);
  z[3] = std::numeric_limits<float>::quiet_NaN();
  metric.add(z, std::array{0.0F}, std::array<unsigned char, 1>{1});
  CHECK(metric.value() == doctest::Approx(2.0 / 3));
}

TEST_CASE("a model is judged by spans of its sentences") {
  // A token's input is its class among the first three; the head passes it on.
  using Model = MultiTask<Input<1>, Tasks<SpanTags<"name", 1>>, sharing::Hard<nn::Dense<3>>>;
  Model model;
  const std::vector<float> weights{1, 2, 3, 0, -0.5F, -2, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
  REQUIRE(model.parameter_count() == 18);
  std::copy(weights.begin(), weights.end(), model.parameters().begin());

  // What it says: O below 0.5, B from there to 1.5, I above. The targets are O B I | B I | I.
  const data::Inputs inputs({1}, std::vector<float>{0, 1, 2, 1, 2, 2});
  const std::vector<int> tags{0, 1, 2, 1, 2, 2};
  const auto score = [&](const data::Targets& targets) {
    return model.evaluate(data::DataSet(inputs, {{"name", targets}})).get<"name">();
  };
  const data::Targets alone = data::Targets::classes(tags);
  CHECK(score(alone.in_sequences(std::vector<std::size_t>{3, 2, 1})).span_f1 == 1);
  CHECK(score(alone.in_sequences(std::vector<std::size_t>{3, 2, 1})).accuracy == 1);
  // With a target of B for the last token, only its sentence's start makes the answer I right.
  const data::Targets last = data::Targets::classes(std::vector<int>{0, 1, 2, 1, 2, 1});
  CHECK(score(last.in_sequences(std::vector<std::size_t>{3, 2, 1})).span_f1 == 1);
  CHECK(score(last.in_sequences(std::vector<std::size_t>{6})).span_f1 == doctest::Approx(2.0 / 5));
  CHECK(score(last).span_f1 == 1);  // each token a sentence
}
