// SPDX-License-Identifier: MIT
// Annotated text, and what a tagging model needs of it: word numbers for the inputs, class numbers for the targets.
// data/conllu.hpp reads it from files.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/detail/text_index.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// Several words that the text writes as one, such as `don't`: tokens `first` to `last` of the corpus, and what the
/// columns say of the whole.
struct MultiwordToken {
  std::size_t first = 0, last = 0;
  std::vector<std::string> cells;
};

/// A word that the text leaves out. It stands before token `before` of the corpus, in the given sentence.
struct EmptyNode {
  std::size_t sentence = 0, before = 0;
  std::vector<std::string> cells;
};

/// The tokens of one sentence: `first` to `first + size - 1` of the corpus. At least one.
struct Sentence {
  std::size_t first = 0, size = 0;
};

/// What is looked up at each token: a column, or one key in a column of `key=value|key=value`. `Corpus::field` makes it.
struct Field {
  std::size_t column = 0;
  std::string key;
};

namespace detail {

// A piece of a text. (A view would point into another string after the text is moved.)
struct Extent {
  std::size_t begin = 0, size = 0;
};

struct CorpusParts {
  std::string name, text;
  std::vector<std::string> columns;
  std::vector<Extent> cells;               // (tokens, columns)
  std::vector<std::size_t> rows;           // of each token in the file
  std::vector<std::size_t> sentences;      // where each starts, in tokens
  std::vector<Extent> comments;            // lines, without the sign
  std::vector<std::size_t> first_comment;  // of each sentence
  std::vector<MultiwordToken> multiword_tokens;
  std::vector<EmptyNode> empty_nodes;
};

[[gnu::cold]] inline std::string listed(std::span<const std::string> names) {
  std::string list;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i) list.append(i == 0 ? "" : ", ").append(names[i]);
  return names.size() > 12 ? list.append(", ...") : list;
}

// Those of some texts that occur at least `minimum_count` times, at most `most` of them: the most frequent first, equally
// frequent ones in the order of their bytes.
[[gnu::cold]] inline std::vector<std::string> most_frequent(std::vector<std::string_view> texts,
                                                            std::size_t minimum_count, std::size_t most) {
  std::sort(texts.begin(), texts.end());
  struct Counted {
    std::string_view text;
    std::size_t count;
  };
  std::vector<Counted> counted;
  for (std::size_t i = 0, next = 0; i < texts.size(); i = next) {
    while (next < texts.size() && texts[next] == texts[i]) ++next;
    if (next - i >= minimum_count) counted.push_back({texts[i], next - i});
  }
  std::sort(counted.begin(), counted.end(), [](const Counted& a, const Counted& b) {
    return a.count != b.count ? a.count > b.count : a.text < b.text;
  });
  std::vector<std::string> found;
  for (std::size_t i = 0; i < std::min(most, counted.size()); ++i) found.emplace_back(counted[i].text);
  return found;
}

// Different texts, each with its number in the list, found again in logarithmic time.
class TextList {
 public:
  TextList() = default;
  TextList(const char* what, std::vector<std::string> texts) : texts_(std::move(texts)) {
    constexpr std::size_t most = std::size_t{1} << 24;  // the largest whole number up to which a float holds each
    if (texts_.size() >= most) fail(what, ": ", texts_.size(), " different texts, expected less than ", most);
    const auto text = [&](std::size_t i) { return std::string_view(texts_[i]); };
    index_ = TextIndex(texts_.size(), text);
    for (std::size_t i = 0; i < texts_.size(); ++i)
      if (texts_[i].empty()) fail(what, ": number ", i, " is empty");
    if (const std::size_t twice = index_.twice(text); twice != TextIndex::none)
      fail(what, ": ", shown(texts_[twice]), " is there twice");
  }

  const std::vector<std::string>& texts() const { return texts_; }
  // The text's number, or size() if it isn't there.
  std::size_t find(std::string_view text) const {
    const std::size_t at = index_.find(text, [&](std::size_t i) { return std::string_view(texts_[i]); });
    return at != TextIndex::none ? at : texts_.size();
  }

 private:
  std::vector<std::string> texts_;
  TextIndex index_;
};

}  // namespace detail

/// Sentences of tokens, each with a text in every column. A cell without a value is "_". Everything else that the file
/// said is kept too: comments, multiword tokens and empty nodes (CoNLL-U), and each token's row.
class Corpus {
 public:
  /// For readers: see data/conllu.hpp.
  explicit Corpus(detail::CorpusParts parts) : parts_(std::move(parts)) {}

  /// What the corpus is called in errors: the file's path.
  const std::string& name() const { return parts_.name; }
  /// Tokens (words), over all sentences.
  std::size_t size() const { return parts_.rows.size(); }
  /// Sentences.
  std::size_t sentences() const { return parts_.sentences.size(); }
  /// The tokens of a sentence below `sentences()`.
  Sentence sentence(std::size_t i) const {
    assert(i < sentences());
    const std::size_t first = parts_.sentences[i];
    return {first, (i + 1 < sentences() ? parts_.sentences[i + 1] : size()) - first};
  }
  /// The columns' names.
  const std::vector<std::string>& columns() const { return parts_.columns; }

  /// A column by its name, or a key of a column by `column.key`: `field("misc.NER")` is what stands behind `NER=` in
  /// the column misc. Throws `Error` if there is no such column.
  [[gnu::cold]] Field field(std::string_view name) const {
    for (std::size_t c = 0; c < columns().size(); ++c)
      if (columns()[c] == name) return {c, {}};
    const std::size_t dot = name.find('.');
    for (std::size_t c = 0; c < columns().size(); ++c)
      if (dot != std::string_view::npos && dot + 1 < name.size() && columns()[c] == name.substr(0, dot))
        return {c, std::string(name.substr(dot + 1))};
    fail(this->name(), " has no column ", detail::shown(name), ", it has ", detail::listed(columns()));
  }
  /// What a token, below `size()`, has there; "_" if the key is not in the cell.
  std::string_view value(std::size_t token, const Field& field) const {
    assert(token < size() && field.column < columns().size());
    const std::string_view cell = piece(parts_.cells[token * columns().size() + field.column]);
    return field.key.empty() ? cell : value_of(cell, field.key);
  }
  /// The same by name: slower, since the name is looked up.
  std::string_view value(std::size_t token, std::string_view name) const { return value(token, field(name)); }
  /// A token's row in its file, from 1.
  std::size_t row(std::size_t token) const {
    assert(token < size());
    return parts_.rows[token];
  }

  /// What a sentence's comment `# key = value` says, such as sent_id or text; "" if there is no such comment.
  std::string_view comment(std::size_t sentence, std::string_view key) const {
    for (std::size_t i = 0; i < comments(sentence); ++i) {
      const std::string_view line = comment(sentence, i);
      const std::size_t equals = line.find('=');
      if (equals != std::string_view::npos && detail::trimmed(line.substr(0, equals)) == key)
        return detail::trimmed(line.substr(equals + 1));
    }
    return {};
  }
  /// How many comments a sentence has.
  std::size_t comments(std::size_t sentence) const {
    assert(sentence < sentences());
    return (sentence + 1 < sentences() ? parts_.first_comment[sentence + 1] : parts_.comments.size()) -
           parts_.first_comment[sentence];
  }
  /// One of them, as it stands behind the sign.
  std::string_view comment(std::size_t sentence, std::size_t i) const {
    assert(i < comments(sentence));
    return piece(parts_.comments[parts_.first_comment[sentence] + i]);
  }
  /// In the file's order.
  const std::vector<MultiwordToken>& multiword_tokens() const { return parts_.multiword_tokens; }
  /// In the file's order.
  const std::vector<EmptyNode>& empty_nodes() const { return parts_.empty_nodes; }

 private:
  std::string_view piece(const detail::Extent& extent) const {
    return std::string_view(parts_.text).substr(extent.begin, extent.size);
  }

  static std::string_view value_of(std::string_view pairs, std::string_view key) {
    for (;;) {
      const std::size_t bar = pairs.find('|');
      const std::string_view pair = pairs.substr(0, bar);
      if (pair.size() > key.size() && pair.starts_with(key) && pair[key.size()] == '=')
        return pair.size() == key.size() + 1 ? std::string_view("_") : pair.substr(key.size() + 1);
      if (bar == std::string_view::npos) return "_";
      pairs.remove_prefix(bar + 1);
    }
  }

  detail::CorpusParts parts_;
};

/// Which words get a number of their own.
struct VocabularyOptions {
  std::size_t minimum_count = 1;  ///< what occurs less often is unknown
  std::size_t most = 0;           ///< so many numbers at most, for the most frequent words; 0: as many as there are
  std::string column = "form";    ///< see `Corpus::field`
};

/// Numbers for words. 0 is for words that it doesn't know and 1 is padding; the others follow in order of their
/// frequency (equally frequent ones in the order of their bytes), so that the same corpus gives the same numbers.
class Vocabulary {
 public:
  static constexpr int unknown = 0;
  static constexpr int padding = 1;

  /// The words of a corpus; take the one that the model is trained on. Throws `Error` if it has no such column, or
  /// `most` leaves no room for unknown and padding.
  explicit Vocabulary(const Corpus& training, const VocabularyOptions& options = {})
      : Vocabulary({&training}, options) {}

  /// The words of several corpora, counted together.
  [[gnu::cold]] Vocabulary(std::initializer_list<const Corpus*> training, const VocabularyOptions& options = {}) {
    if (options.most == 1) fail("vocabulary: at most 1 number, expected at least 2 (unknown and padding), or 0");
    std::vector<std::string_view> words;
    for (const Corpus* corpus : training) {
      const Field field = corpus->field(options.column);
      for (std::size_t token = 0; token < corpus->size(); ++token) words.push_back(corpus->value(token, field));
    }
    std::vector<std::string> texts = detail::most_frequent(
        std::move(words), options.minimum_count, options.most != 0 ? options.most - 2 : static_cast<std::size_t>(-1));
    words_ = detail::TextList("vocabulary", std::move(texts));
  }

  /// A vocabulary from its words, number 2 first: from `words()` of another. Throws `Error` if one is empty or there
  /// twice.
  explicit Vocabulary(std::vector<std::string> words) : words_("vocabulary", std::move(words)) {}

  /// Numbers in use, unknown and padding included: what an embedding must have rows for.
  std::size_t size() const { return words_.texts().size() + 2; }
  /// The number of a word; `unknown` if it has none.
  int number(std::string_view word) const {
    const std::size_t at = words_.find(word);
    return at == words_.texts().size() ? unknown : static_cast<int>(at) + 2;
  }
  /// The words, number 2 first.
  const std::vector<std::string>& words() const { return words_.texts(); }

 private:
  detail::TextList words_;
};

/// The classes of a tagging task.
class Tagset {
 public:
  /// All tags of a field of a corpus, in the order of their bytes, but "_", which stands for none; take the corpus that
  /// the model is trained on. Throws `Error` if there is no such column, or no tag.
  [[gnu::cold]] Tagset(const Corpus& training, std::string_view name) {
    const Field field = training.field(name);
    std::vector<std::string_view> found;
    for (std::size_t token = 0; token < training.size(); ++token)
      if (const std::string_view tag = training.value(token, field); tag != "_") found.push_back(tag);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.empty()) fail(training.name(), " has no tag in ", detail::shown(name), ": every token has _ there");
    tags_ = detail::TextList("tagset", {found.begin(), found.end()});
  }

  /// The tags of spans (chunks, entities) in a field of a corpus, numbered as nn::SpanF1 reads them: O is 0, and for each
  /// type, in the order of their bytes, B-TYPE, which begins a span, is 2 k + 1 and I-TYPE, which goes on with it,
  /// 2 k + 2. Throws `Error` naming the row for any other tag but "_", and as above.
  [[gnu::cold]] static Tagset spans(const Corpus& training, std::string_view name) {
    const Field field = training.field(name);
    std::vector<std::string_view> types;
    bool any = false;
    for (std::size_t token = 0; token < training.size(); ++token) {
      const std::string_view tag = training.value(token, field);
      any = any || tag != "_";
      if (tag == "_" || tag == "O") continue;
      if (tag.size() < 3 || (tag[0] != 'B' && tag[0] != 'I') || tag[1] != '-')
        fail(training.name(), ", row ", training.row(token), ": tag ", detail::shown(tag), " in ", detail::shown(name),
             ", expected O, B-TYPE or I-TYPE");
      types.push_back(tag.substr(2));
    }
    if (!any) fail(training.name(), " has no tag in ", detail::shown(name), ": every token has _ there");
    std::sort(types.begin(), types.end());
    types.erase(std::unique(types.begin(), types.end()), types.end());
    std::vector<std::string> tags{"O"};
    for (const std::string_view type : types)
      for (const char* prefix : {"B-", "I-"}) tags.push_back(std::string(prefix).append(type));
    return Tagset(std::move(tags));
  }

  /// The tags named, in that order. Throws `Error` if one is empty or there twice.
  explicit Tagset(std::vector<std::string> tags) : tags_("tagset", std::move(tags)) {}

  /// Classes.
  std::size_t size() const { return tags_.texts().size(); }
  /// The class of a tag; `missing_label` if it is none of these.
  int number(std::string_view tag) const {
    const std::size_t at = tags_.find(tag);
    return at == size() ? missing_label : static_cast<int>(at);
  }
  /// The tags, class 0 first.
  const std::vector<std::string>& names() const { return tags_.texts(); }

 private:
  detail::TextList tags_;
};

/// What `tags` makes of a tag that the tagset doesn't have, as validation data may.
enum class UnknownTag { error, missing };

/// A window of word numbers for every token of a corpus, `(tokens, 2 radius + 1)`: the token in the middle, its
/// neighbours in the sentence around it, and `Vocabulary::padding` beyond the sentence's ends. Throws `Error` if the
/// radius is not between 0 and 2^15, or there is no such column.
[[gnu::cold]] inline Inputs windows(const Corpus& corpus, const Vocabulary& vocabulary, int radius,
                                    std::string_view name = "form") {
  if (radius < 0 || radius > 1 << 15)
    fail("windows: the radius is ", radius, ", expected a number of neighbours from 0 to ", 1 << 15);
  const Field field = corpus.field(name);
  const auto reach = static_cast<std::size_t>(radius), width = 2 * reach + 1;
  std::vector<float> values;
  detail::resize(values, corpus.size() * width, corpus.name());
  std::fill(values.begin(), values.end(), static_cast<float>(Vocabulary::padding));
  for (std::size_t s = 0; s < corpus.sentences(); ++s) {
    const Sentence sentence = corpus.sentence(s);
    for (std::size_t i = 0; i < sentence.size; ++i) {
      const auto number = static_cast<float>(vocabulary.number(corpus.value(sentence.first + i, field)));
      // The token stands in the windows of its neighbours j, in each one place further to the left.
      const std::size_t last = std::min(sentence.size - 1, i + reach);
      for (std::size_t j = i - std::min(i, reach); j <= last; ++j)
        values[(sentence.first + j) * width + i + reach - j] = number;
    }
  }
  return Inputs(Shape{static_cast<int>(width), 1, 1}, std::move(values));
}

/// The class of every token of a corpus in a field ("upos", "misc.NER"); missing where it has "_". The sentences are the
/// sequences (`Targets::in_sequences`). Throws `Error` naming the row if a tag is not in the tagset, unless it shall count
/// as missing; and if there is no such column.
[[gnu::cold]] inline Targets tags(const Corpus& corpus, std::string_view name, const Tagset& tagset,
                                  UnknownTag unknown = UnknownTag::error) {
  const Field field = corpus.field(name);
  std::vector<int> labels(corpus.size(), missing_label);
  for (std::size_t token = 0; token < corpus.size(); ++token) {
    const std::string_view tag = corpus.value(token, field);
    if (tag == "_") continue;
    labels[token] = tagset.number(tag);
    if (labels[token] == missing_label && unknown == UnknownTag::error)
      fail(corpus.name(), ", row ", corpus.row(token), ": tag ", detail::shown(tag), " in ", detail::shown(name),
           " is not one of the tagset's ", tagset.size(), " tags (", detail::listed(tagset.names()),
           "); UnknownTag::missing would leave it out");
  }
  std::vector<std::size_t> lengths;
  for (std::size_t s = 0; s < corpus.sentences(); ++s) lengths.push_back(corpus.sentence(s).size);
  return Targets::classes(labels).in_sequences(lengths);
}

}  // namespace mtlx::data
