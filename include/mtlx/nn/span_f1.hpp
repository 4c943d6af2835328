// SPDX-License-Identifier: MIT
// F1 of spans, such as chunks and the names of persons and places: F1 = 2 TP / (2 TP + FP + FN), where a predicted span is
// right (TP) if the target has one of the same type with the same first and last token.
//
// Classes: 0 is O, outside of all spans; 2 k + 1 is B-k, which begins a span of type k; 2 k + 2 is I-k, which goes on with
// it. data::Tagset::spans numbers so. I-k that does not follow B-k or I-k begins a span, as in the CoNLL shared tasks'
// scorer conlleval; so targets may be IOB1 or IOB2. No span goes beyond its sentence.
// Reference: Tjong Kim Sang and Buchholz, "Introduction to the CoNLL-2000 Shared Task: Chunking", 2000.
//
// A sample is a token; `begin_sequence` comes before the first of each sentence. A token whose target is missing ends the
// spans before it, and what is predicted there doesn't count. Outputs with a NaN are a wrong span of one token.
#pragma once

#include <cstddef>
#include <limits>
#include <mtlx/nn/f1.hpp>
#include <mtlx/nn/metric.hpp>
#include <span>
#include <string_view>

namespace mtlx::nn {

/// F1 of spans over all types together (micro-averaged), for classes that are numbered as above; 0 where neither targets
/// nor predictions have a span.
class SpanF1 {
 public:
  static constexpr std::string_view name = "span_f1";
  static constexpr bool higher_is_better = true;
  static constexpr auto meaning = Meaning::classes;
  static constexpr int targets(int) { return 1; }
  struct Value {
    double span_f1 = 0;
  };

  void begin_sequence() { end_both(); }

  void add(std::span<const float> z, std::span<const float> target, std::span<const unsigned char> present) {
    if (present[0] == 0) return end_both();
    tokens_ = true;
    const std::size_t answer = predicted_class(z);
    const Tag is(static_cast<std::size_t>(target[0])), said = answer < z.size() ? Tag(answer) : Tag(wrong);
    const bool is_new = is.begins(open_), said_new = said.begins(said_open_);
    const bool is_over = open_ != 0 && (is_new || is.type == 0);
    const bool said_over = said_open_ != 0 && (said_new || said.type == 0);
    // A predicted span is right if it began with a target's of its type and ends with it.
    if (is_over && said_over && together_) ++right_;
    if (is_over || said_over) together_ = false;
    if (is_new && said_new) together_ = is.type == said.type;
    if (is_new) ++spans_;
    if (said_new) ++said_spans_;
    open_ = is.type;
    said_open_ = said.type;
  }

  double value() const {
    if (!tokens_) return std::numeric_limits<double>::quiet_NaN();
    const double right = right_ + (together_ ? 1 : 0);
    return detail::AnswerCounts{right, said_spans_ - right, spans_ - right, true}.f1();
  }

 private:
  static constexpr std::size_t wrong = static_cast<std::size_t>(-3);  // B of a type that no target has

  struct Tag {
    std::size_t type;  // from 1; 0: none
    bool first;        // B
    explicit Tag(std::size_t number) : type((number + 1) / 2), first(number % 2 == 1) {}
    bool begins(std::size_t open) const { return type != 0 && (first || type != open); }
  };

  void end_both() {
    if (together_) ++right_;
    together_ = false;
    open_ = said_open_ = 0;
  }

  double spans_ = 0, said_spans_ = 0, right_ = 0;
  std::size_t open_ = 0, said_open_ = 0;  // types of the spans that the last token is in
  bool together_ = false;                 // those began at the same token and have the same type
  bool tokens_ = false;
};

}  // namespace mtlx::nn
