// SPDX-License-Identifier: MIT
#pragma once

#include <mtlx/data/corpus.hpp>

#include "fuzz.hpp"

namespace fuzz {

/// A corpus that was read is sound, and becomes inputs and targets.
inline void use(const mtlx::data::Corpus& corpus) {
  using namespace mtlx::data;
  std::size_t tokens = 0;
  for (std::size_t s = 0; s < corpus.sentences(); ++s) {
    const Sentence sentence = corpus.sentence(s);
    require(sentence.first == tokens && sentence.size > 0);
    tokens += sentence.size;
    for (std::size_t i = 0; i < corpus.comments(s); ++i) corpus.comment(s, i);
    corpus.comment(s, "text");
  }
  require(tokens == corpus.size() && tokens > 0);
  for (std::size_t token = 1; token < tokens; ++token) require(corpus.row(token) > corpus.row(token - 1));
  attempt([&] {
    const Vocabulary vocabulary(corpus, {.minimum_count = 2});
    require(windows(corpus, vocabulary, 2).size() == tokens);
  });
  attempt([&] { require(tags(corpus, "upos", Tagset(corpus, "upos")).size() == tokens); });
}

}  // namespace fuzz
