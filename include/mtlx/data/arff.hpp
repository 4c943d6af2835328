// SPDX-License-Identifier: MIT
// ARFF, the format of Weka and Mulan:
//   % a comment, a line of its own
//   @relation flowers
//   @attribute width numeric
//   @attribute 'the colour' {red, 'light blue'}
//   @data
//   1.5, red
//   ?, 'light blue'
//   {0 2.5}                     a sparse row: the place of a value from 0, the value; the rest is 0 or the first text
// Reference: Weka, "Attribute-Relation File Format (ARFF)".
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/table.hpp>

namespace mtlx::data {

namespace detail {

// Cuts one line of an ARFF text into words.
class ArffLine {
 public:
  ArffLine(std::string_view line, const std::string& name, std::size_t row) : left_(line), name_(name), row_(row) {}

  /// Whether the whole line is a comment.
  bool comment() const { return trimmed(left_).starts_with('%'); }
  /// Whether nothing more comes but blanks.
  bool ends() {
    blanks();
    return left_.empty();
  }
  /// Takes the sign, if it is the next.
  bool take(char sign) {
    blanks();
    if (!left_.starts_with(sign)) return false;
    left_.remove_prefix(1);
    return true;
  }
  void expect(char sign) {
    if (!take(sign))
      stop(join(left_.empty() ? "the line ends" : shown(left_), ", expected '", std::string_view(&sign, 1), "'"));
  }
  /// The next word: in quotes, or up to a blank, comma or brace. Keeps whether it was in quotes.
  std::string_view word() {
    blanks();
    quoted_ = left_.starts_with('\'') || left_.starts_with('"');
    if (quoted_) return quoted_word();
    std::size_t end = left_.find_first_of(" \t,{}%'\"");
    if (end == std::string_view::npos) end = left_.size();
    if (end == 0)
      stop(left_.empty() ? join("the line ends, expected a word") : join(shown(left_), ", expected a word"));
    const std::string_view found = left_.substr(0, end);
    left_.remove_prefix(end);
    blanks();
    return found;
  }
  /// Whether the last word was in quotes.
  bool quoted() const { return quoted_; }

  [[noreturn, gnu::cold]] void stop(std::string_view what) const { fail(name_, ", row ", row_, ": ", what); }

 private:
  void blanks() {
    const std::size_t first = left_.find_first_not_of(" \t");
    left_.remove_prefix(first == std::string_view::npos ? left_.size() : first);
    // A comment for Weka, which would read "50% off" as 50.
    if (left_.starts_with('%'))
      stop(join(shown(left_), ", but a comment is a line of its own, and a value with % stands in quotes"));
  }

  std::string_view quoted_word() {
    const char quote = left_.front();
    content_.clear();
    for (std::size_t i = 1; i < left_.size(); ++i) {
      if (left_[i] == quote) {
        left_.remove_prefix(i + 1);
        return content_;
      }
      if (left_[i] != '\\') {
        content_ += left_[i];
        continue;
      }
      ++i;
      const std::string_view escapes = "\\'\"%tnr", meant = "\\'\"%\t\n\r";
      const std::size_t which = i < left_.size() ? escapes.find(left_[i]) : std::string_view::npos;
      if (which == std::string_view::npos) stop("a backslash in quotes that none of \\ ' \" % t n r follows");
      content_ += meant[which];
    }
    stop("a quote that is never closed");
  }

  std::string_view left_;
  const std::string& name_;
  std::size_t row_;
  std::string content_;
  bool quoted_ = false;
};

inline bool same_but_for_case(std::string_view text, std::string_view small) {
  if (text.size() != small.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (letter != small[i]) return false;
  }
  return true;
}

class ArffReader {
 public:
  ArffReader(std::string_view text, std::string_view name) : lines_(text, name), size_(text.size()) {}

  [[gnu::cold]] Table read() {
    bool data = false;
    while (lines_.next()) {
      ArffLine line(lines_.line(), lines_.name(), lines_.row());
      if (line.comment() || line.ends()) continue;
      if (data)
        row(line);
      else
        data = declaration(line);
    }
    if (!data) fail(lines_.name(), " has no @data, expected an ARFF file");
    if (file_rows_.empty()) fail(lines_.name(), " has no rows behind @data");
    return Table(lines_.name(), std::move(columns_), std::move(file_rows_));
  }

 private:
  using Place = std::map<std::string, int, std::less<>>;

  // One line of the header; true if the rows come next.
  bool declaration(ArffLine& line) {
    const std::string keyword(line.word());
    if (same_but_for_case(keyword, "@relation")) {
      line.word();
    } else if (same_but_for_case(keyword, "@attribute")) {
      attribute(line);
    } else if (same_but_for_case(keyword, "@data")) {
      if (columns_.empty()) line.stop("@data, but no @attribute came before it");
    } else {
      line.stop(join(shown(keyword), ", expected @relation, @attribute or @data"));
    }
    if (!line.ends()) line.stop("something goes on behind the end of the declaration");
    return same_but_for_case(keyword, "@data");
  }

  void attribute(ArffLine& line) {
    TableColumn column;
    column.name = line.word();
    if (!names_.emplace(column.name, 0).second) line.stop("two attributes of the name " + shown(column.name));
    Place codes;
    bool open = false;
    if (line.take('{')) {
      column.numeric = false;
      while (!line.take('}')) {
        const std::string_view text = line.word();
        if (!codes.emplace(text, static_cast<int>(column.texts.size())).second)
          line.stop("the value " + shown(text) + " twice");
        column.texts.emplace_back(text);
        if (!line.take(',')) {
          line.expect('}');
          break;
        }
      }
      if (column.texts.empty()) line.stop("a nominal attribute without values");
    } else {
      const std::string type(line.word());
      open = same_but_for_case(type, "string");
      column.numeric = !open;
      const bool number =
          same_but_for_case(type, "numeric") || same_but_for_case(type, "real") || same_but_for_case(type, "integer");
      if (same_but_for_case(type, "date"))
        line.stop("an attribute of type date, which is not read; make it a number or a string");
      if (!open && !number)
        line.stop(join("an attribute of type ", shown(type), ", expected numeric, real, integer, string or {values}"));
    }
    columns_.push_back(std::move(column));
    codes_.push_back(std::move(codes));
    open_.push_back(open);
  }

  void row(ArffLine& line) {
    // A few bytes of sparse rows can promise a huge table: what the file's size doesn't justify is refused.
    constexpr std::size_t always = std::size_t{1} << 24, per_byte = 100;
    const std::size_t most = size_ * per_byte > always ? size_ * per_byte : always;
    if ((file_rows_.size() + 1) > most / columns_.size())
      fail(lines_.name(), ", row ", lines_.row(), ": the table would have more than ", most,
           " cells, too many for a file of ", size_, " bytes");
    if (line.take('{'))
      sparse(line);
    else
      dense(line);
    if (!line.ends())
      line.stop("more than " + join(columns_.size()) +
                " values (values are separated by commas, and one with blanks stands in quotes; weights are not read)");
    file_rows_.push_back(lines_.row());
  }

  void dense(ArffLine& line) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (c > 0 && !line.take(','))
        line.stop(join(c, c == 1 ? " value, expected " : " values, expected ", columns_.size(),
                       ", separated by commas (one with blanks stands in quotes)"));
      value(c, line);
    }
  }

  void sparse(ArffLine& line) {
    std::size_t next = 0;
    while (!line.take('}')) {
      const std::string_view place = line.word();
      std::size_t c = 0;
      if (!parse_index(place, c) || c >= columns_.size())
        line.stop(join(shown(place), " as the place of a value, expected 0 to ", columns_.size() - 1));
      if (c < next) line.stop(join("place ", c, " comes again or too late, expected places that count up"));
      for (; next < c; ++next) left_out(next, line);
      value(next++, line);
      if (!line.take(',')) {
        line.expect('}');
        break;
      }
    }
    for (; next < columns_.size(); ++next) left_out(next, line);
  }

  void left_out(std::size_t c, const ArffLine& line) {
    TableColumn& column = columns_[c];
    if (open_[c]) line.stop("a sparse row without a value for the string attribute " + shown(column.name));
    if (column.numeric)
      column.numbers.push_back(0);
    else
      column.codes.push_back(0);
  }

  void value(std::size_t c, ArffLine& line) {
    TableColumn& column = columns_[c];
    const std::string_view word = line.word();
    const bool missing = word == "?" && !line.quoted();
    const auto stop = [&](std::string_view what) {
      line.stop(join("column ", shown(column.name), ": ", shown(word), what));
    };
    if (column.numeric) {
      double number = std::numeric_limits<double>::quiet_NaN();
      if (!missing) {
        const Parsed parsed = parse_number(word, number);
        if (parsed == Parsed::text) stop(" is no number");
        if (parsed == Parsed::not_finite) stop(" is too large for a number, or none; a missing value is ?");
      }
      column.numbers.push_back(number);
      return;
    }
    int code = -1;
    if (!missing) {
      const auto found = codes_[c].find(word);
      if (found != codes_[c].end()) {
        code = found->second;
      } else if (open_[c]) {
        code = static_cast<int>(column.texts.size());
        column.texts.emplace_back(word);
        codes_[c].emplace(word, code);
      } else {
        stop(join(" is none of its ", column.texts.size(), " values"));
      }
    }
    column.codes.push_back(code);
  }

  Lines lines_;
  std::size_t size_;
  std::vector<TableColumn> columns_;
  std::vector<Place> codes_;  // of each column's texts
  std::vector<bool> open_;    // whether new texts may come
  Place names_;
  std::vector<std::size_t> file_rows_;
};

}  // namespace detail

/// Reads an ARFF text; errors call it `name`. Throws `Error` as `read_arff` does.
inline Table parse_arff(std::string_view text, std::string_view name) { return detail::ArffReader(text, name).read(); }

// Named by what they can read, as in detail/reading.hpp.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Reads an ARFF file, plain or packed with gzip (needs zlib, see `read_idx`): numeric, real and integer attributes as
/// numbers, nominal ones ({a, b}) and strings as text, dense and sparse rows, ? as missing. A comment is a line whose first
/// sign is %; elsewhere % stands in quotes. Throws `Error` naming the
/// file, and where there is one the row (as an editor counts), for types that aren't read (date, relational), weights
/// of rows, values that weren't declared, too few or too many values, two attributes of one name, a table that is out of
/// proportion to its file (more than 2^24 cells and 100 for each byte), no attributes or rows, and what `read_idx` says
/// of files.
inline Table read_arff(const std::string& path) { return parse_arff(detail::read_file(path), path); }

}  // inline namespace

}  // namespace mtlx::data
