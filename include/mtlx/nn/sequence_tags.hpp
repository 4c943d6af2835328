// SPDX-License-Identifier: MIT
// Tasks that give every token of a text a tag. A token is a sample; data/corpus.hpp makes their targets.
#pragma once

#include <mtlx/core/name.hpp>
#include <mtlx/nn/span_f1.hpp>
#include <mtlx/nn/task.hpp>

namespace mtlx {

/// A tag out of `Count` for each token, such as its part of speech. Targets: data::tags with a data::Tagset of at most so
/// many tags. Metric: accuracy.
template <Name TaskName, int Count, class L = nn::SoftmaxCrossEntropy, class M = nn::Accuracy>
using SequenceTags = Classification<TaskName, Count, L, M>;

/// Spans of tokens, such as chunks and named entities, each of one of `Types` types. Targets: data::tags with
/// data::Tagset::spans of at most so many types. Metrics: F1 of spans, and the tags' accuracy.
template <Name TaskName, int Types, class L = nn::SoftmaxCrossEntropy, class M = nn::Metrics<nn::SpanF1, nn::Accuracy>>
using SpanTags = Classification<TaskName, 2 * Types + 1, L, M>;

}  // namespace mtlx
