// SPDX-License-Identifier: MIT
// Annotated text from files: CoNLL-U (universaldependencies.org/format.html), and older formats of one token a line in
// columns, such as those of CoNLL-2000 and CoNLL-2003. Bytes are kept as they are: nothing is decoded or lower-cased.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/data/corpus.hpp>
#include <mtlx/data/detail/reading.hpp>

namespace mtlx::data {

/// How `read_columns` reads.
struct ColumnOptions {
  /// Sentences that are just one token, with this text in the first column, are left out: "-DOCSTART-" in CoNLL-2003.
  std::string leave_out;
};

namespace detail {

// What both formats share: lines become cells, and blank lines end sentences.
class CorpusReader {
 public:
  CorpusReader(std::string text, std::string_view name, std::vector<std::string> columns) {
    parts_.name = name;
    parts_.text = std::move(text);
    parts_.columns = std::move(columns);
  }

 protected:
  Extent extent(std::string_view piece) const {
    return {static_cast<std::size_t>(piece.data() - parts_.text.data()), piece.size()};
  }
  std::size_t tokens() const { return parts_.rows.size(); }
  void add_token(const std::vector<std::string_view>& cells, std::size_t row) {
    for (const std::string_view cell : cells) parts_.cells.push_back(extent(cell));
    parts_.rows.push_back(row);
  }
  Corpus finished() {
    if (parts_.sentences.empty()) fail(parts_.name, " has no sentences");
    return Corpus(std::move(parts_));
  }

  CorpusParts parts_;
};

class ConlluReader : CorpusReader {
 public:
  ConlluReader(std::string text, std::string_view name)
      : CorpusReader(std::move(text), name,
                     {"id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"}) {}

  [[gnu::cold]] Corpus read() {
    Lines lines(parts_.text, parts_.name);
    while (lines.next()) {
      row_ = lines.row();
      if (lines.line().empty())
        end_sentence();
      else if (lines.line().front() == '#')
        add_comment(lines.line().substr(1));
      else
        add_line(lines.line());
    }
    ++row_;
    if (tokens() > first_ || in_head_) end_sentence();
    return finished();
  }

 private:
  template <class... Parts>
  [[noreturn, gnu::cold]] void refuse(std::size_t row, const Parts&... parts) const {
    fail(parts_.name, ", row ", row, ": ", parts...);
  }

  std::size_t words() const { return tokens() - first_; }

  // Before a sentence's first line, whatever it is.
  void begin_sentence() {
    if (in_head_ || in_body_) return;
    in_head_ = true;
    parts_.first_comment.push_back(parts_.comments.size());
  }

  void add_comment(std::string_view comment) {
    if (in_body_) refuse(row_, "a comment inside a sentence, expected comments before its first word only");
    begin_sentence();
    parts_.comments.push_back(extent(comment));
  }

  void add_line(std::string_view line) {
    split(line);
    begin_sentence();
    in_body_ = true;
    const std::string_view id = cells_[0];
    const std::size_t sign = id.find_first_of("-.");
    std::size_t first = 0, second = 0;
    const bool whole = parse_index(id.substr(0, sign), first);
    if (!whole || (sign != std::string_view::npos && !parse_index(id.substr(sign + 1), second)))
      refuse(row_, "id ", shown(id), ", expected a number (3), a range (3-4) or the number of an empty node (3.1)");
    if (sign == std::string_view::npos)
      add_word(first);
    else if (id[sign] == '-')
      add_range(first, second);
    else
      add_empty(first, second);
  }

  void split(std::string_view line) {
    cells_.clear();
    for (std::size_t tab = 0; tab != std::string_view::npos;) {
      tab = line.find('\t');
      cells_.push_back(line.substr(0, tab));
      line.remove_prefix(tab == std::string_view::npos ? line.size() : tab + 1);
    }
    if (cells_.size() != parts_.columns.size())
      refuse(row_, cells_.size(), " columns, expected ", parts_.columns.size(), ", separated by tabs");
    for (std::size_t c = 0; c < cells_.size(); ++c)
      if (cells_[c].empty())
        refuse(row_, "column ", c + 1, " (", parts_.columns[c], ") is empty, expected _ where there is nothing");
  }

  void add_word(std::size_t id) {
    if (id != words() + 1) refuse(row_, "word ", id, ", expected word ", words() + 1, ": ids count up from 1");
    add_token(cells_, row_);
    empty_ = 0;
  }

  void add_range(std::size_t from, std::size_t to) {
    if (from != words() + 1 || to <= from)
      refuse(row_, "range ", from, "-", to, ", expected one of at least two words that starts with word ", words() + 1,
             ", the next");
    if (from <= covered_) refuse(row_, "range ", from, "-", to, " overlaps the range of row ", range_row_);
    range_from_ = from;
    covered_ = to;
    range_row_ = row_;
    parts_.multiword_tokens.push_back({first_ + from - 1, first_ + to - 1, {cells_.begin(), cells_.end()}});
  }

  void add_empty(std::size_t word, std::size_t number) {
    if (word != words() || number != empty_ + 1)
      refuse(row_, "empty node ", word, ".", number, ", expected ", words(), ".", empty_ + 1, " here");
    if (range_from_ == word + 1)
      refuse(row_, "an empty node between range and first word, expected it before the range");
    empty_ = number;
    parts_.empty_nodes.push_back({parts_.sentences.size(), tokens(), {cells_.begin(), cells_.end()}});
  }

  void end_sentence() {
    if (words() == 0) refuse(row_, "the sentence ends before its first word; a sentence has at least one");
    if (covered_ > words())
      refuse(range_row_, "the range ends with word ", covered_, ", but the sentence has only ", words(), " words");
    parts_.sentences.push_back(first_);
    first_ = tokens();
    covered_ = range_from_ = empty_ = 0;
    in_head_ = in_body_ = false;
  }

  std::vector<std::string_view> cells_;
  std::size_t row_ = 0;
  std::size_t first_ = 0;                     // the sentence's first token
  std::size_t range_from_ = 0, covered_ = 0;  // the first and last word of the sentence's last range
  std::size_t range_row_ = 0;
  std::size_t empty_ = 0;                   // empty nodes since the last word
  bool in_head_ = false, in_body_ = false;  // a comment, a line with columns has been seen
};

class ColumnReader : CorpusReader {
 public:
  ColumnReader(std::string text, std::string_view name, const std::vector<std::string>& columns,
               const ColumnOptions& options)
      : CorpusReader(std::move(text), name, columns), options_(options) {
    if (columns.empty()) fail("read_columns: no columns are named, expected at least one");
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (columns[c].empty()) fail("read_columns: column ", c, " has no name");
      for (std::size_t earlier = 0; earlier < c; ++earlier)
        if (columns[earlier] == columns[c]) fail("read_columns: two columns are named ", shown(columns[c]));
    }
  }

  [[gnu::cold]] Corpus read() {
    Lines lines(parts_.text, parts_.name);
    while (lines.next()) {
      split(lines.line());
      if (cells_.empty()) {
        end_sentence();
        continue;
      }
      if (cells_.size() != parts_.columns.size())
        fail(parts_.name, ", row ", lines.row(), ": ", cells_.size(), " columns, expected ", parts_.columns.size(),
             " (", listed(parts_.columns), "), separated by blanks");
      add_token(cells_, lines.row());
    }
    end_sentence();
    return finished();
  }

 private:
  void split(std::string_view line) {
    cells_.clear();
    for (;;) {
      line = trimmed(line);
      if (line.empty()) return;
      const std::size_t end = line.find_first_of(" \t");
      cells_.push_back(line.substr(0, end));
      line.remove_prefix(end == std::string_view::npos ? line.size() : end);
    }
  }

  void end_sentence() {
    if (tokens() == first_) return;
    const Extent& start = parts_.cells[first_ * parts_.columns.size()];
    if (!options_.leave_out.empty() && tokens() - first_ == 1 &&
        std::string_view(parts_.text).substr(start.begin, start.size) == options_.leave_out) {
      parts_.cells.resize(first_ * parts_.columns.size());
      parts_.rows.resize(first_);
      return;
    }
    parts_.sentences.push_back(first_);
    parts_.first_comment.push_back(0);
    first_ = tokens();
  }

  const ColumnOptions& options_;
  std::vector<std::string_view> cells_;
  std::size_t first_ = 0;  // the sentence's first token
};

}  // namespace detail

/// Reads CoNLL-U from memory; `name` is what errors call it. Columns: id, form, lemma, upos, xpos, feats, head, deprel,
/// deps, misc. The words are the tokens; multiword tokens, empty nodes and comments are kept beside them. Throws
/// `Error` naming the row for: not 10 columns, an empty cell, ids that don't count up from 1, a range that is no range,
/// overlaps or leaves the sentence, a sentence without words (or two blank lines), a comment inside a sentence, a text
/// without sentences. The blank line after the last sentence may be missing. What the cells say (heads, features) is
/// not looked at.
inline Corpus parse_conllu(std::string_view text, std::string_view name) {
  return detail::ConlluReader(std::string(text), name).read();
}

/// Reads columns separated by blanks or tabs from memory, one token a line, with blank lines between sentences. No line
/// is a comment: in such files # can be a word. Throws `Error` for columns without a name or named twice, for a line
/// (naming the row) with more or fewer columns, and for a text without sentences.
inline Corpus parse_columns(std::string_view text, std::string_view name, const std::vector<std::string>& columns,
                            const ColumnOptions& options = {}) {
  return detail::ColumnReader(std::string(text), name, columns, options).read();
}

// Named by what they can read, as in idx.hpp.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Reads a CoNLL-U file, plain or packed with gzip (needs zlib, see idx.hpp). Throws `Error` as `parse_conllu` does, and
/// if the file can't be read.
inline Corpus read_conllu(const std::string& path) {
  return detail::ConlluReader(detail::read_file(path), path).read();
}

/// Reads a file of columns: `read_columns("train.txt", {"form", "pos", "chunk"})`. Throws `Error` as `parse_columns`
/// does, and if the file can't be read.
inline Corpus read_columns(const std::string& path, const std::vector<std::string>& columns,
                           const ColumnOptions& options = {}) {
  return detail::ColumnReader(detail::read_file(path), path, columns, options).read();
}

}  // inline namespace

}  // namespace mtlx::data
