// SPDX-License-Identifier: MIT
// Comma-separated values: rows of cells, a header row with the columns' names first. A cell with a delimiter, a quote or
// a line end in it stands in quotes, a quote in it twice.
// Reference: RFC 4180.
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

/// How a CSV file is written.
struct CsvOptions {
  /// What stands between two cells.
  char delimiter = ',';
  /// The cells that mean "missing", in quotes or not, with blanks around them or not.
  std::vector<std::string> missing = {"", "NA", "?", "nan", "NaN"};
  /// Columns that are text even if every cell is a number: class labels such as 1 to 5, or names.
  std::vector<std::string> text_columns = {};
};

namespace detail {

// Cuts a CSV text into rows of cells.
class CsvRows {
 public:
  CsvRows(std::string_view text, std::string_view name, char delimiter)
      : left_(without_byte_order_mark(text)), name_(name), delimiter_(delimiter) {
    // Empty lines at the end are no rows.
    while (left_.ends_with('\n')) left_.remove_suffix(left_.ends_with("\r\n") ? 2 : 1);
  }

  /// Goes to the next row; false if there is none.
  bool next() {
    if (left_.empty()) return false;
    content_.clear();
    ends_.clear();
    row_ = line_;
    at_ = 0;
    while (cell()) {
    }
    left_.remove_prefix(at_);
    return true;
  }
  /// Cells in the row; at least one.
  std::size_t size() const { return ends_.size(); }
  /// A cell without its quotes, until the next `next`.
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(content_).substr(begin, ends_[i] - begin);
  }
  /// The file's row in which this row begins, from 1.
  std::size_t row() const { return row_; }

 private:
  // Reads a cell and what ends it; false if that ends the row.
  bool cell() {
    const bool quoted = at_ < left_.size() && left_[at_] == '"';
    if (quoted) quoted_part();
    while (at_ < left_.size()) {
      const char sign = left_[at_++];
      if (sign == delimiter_) {
        ends_.push_back(content_.size());
        return true;
      }
      const bool crlf = sign == '\r' && at_ < left_.size() && left_[at_] == '\n';
      if (sign == '\n' || crlf) {
        at_ += crlf;
        ++line_;
        break;
      }
      if (quoted) stop("text behind the closing quote of a cell; a quote inside a cell is written twice");
      if (sign == '"') stop("a quote inside a cell that does not begin with one");
      if (sign == '\r') stop("a carriage return that ends no line, expected lines that end with LF or CRLF");
      if (sign == '\0') stop("a zero byte, expected text (in UTF-8)");
      content_ += sign;
    }
    ends_.push_back(content_.size());
    return false;
  }

  // The part between quotes, up to and with the closing one.
  void quoted_part() {
    const std::size_t begun = line_;
    for (++at_; at_ < left_.size(); ++at_) {
      const char sign = left_[at_];
      if (sign == '"') {
        if (at_ + 1 == left_.size() || left_[at_ + 1] != '"') {
          ++at_;
          return;
        }
        ++at_;
      }
      if (sign == '\n') ++line_;
      if (sign == '\0') stop("a zero byte, expected text (in UTF-8)");
      content_ += sign;
    }
    fail(name_, ", row ", begun, ", cell ", ends_.size() + 1, ": a quote that is never closed");
  }

  [[noreturn, gnu::cold]] void stop(const char* what) const {
    fail(name_, ", row ", line_, ", cell ", ends_.size() + 1, ": ", what);
  }

  std::string_view left_;
  std::string name_;
  char delimiter_;
  std::string content_;            // of the row's cells, one behind the other
  std::vector<std::size_t> ends_;  // where each ends
  std::size_t at_ = 0, line_ = 1, row_ = 0;
};

// Numbers different texts in the order in which they come.
class Numbering {
 public:
  /// The code of a text, a new one if it comes for the first time. Its text is added to `texts`.
  int operator()(std::string_view text, std::vector<std::string>& texts) {
    const auto found = codes_.find(text);
    if (found != codes_.end()) return found->second;
    const auto code = static_cast<int>(texts.size());
    texts.emplace_back(text);
    codes_.emplace(text, code);
    return code;
  }

 private:
  std::map<std::string, int, std::less<>> codes_;
};

// What the first reading of a CSV text finds out about a column beside its numbers.
struct CsvColumn {
  bool forced = false;         // to be text
  std::size_t not_finite = 0;  // the first row with a number that is none for a double
  std::string not_finite_cell;
};

class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view name, const CsvOptions& options)
      : text_(text), name_(name), options_(options) {
    for (const char bad : {'"', '\r', '\n', '\0'})
      if (options.delimiter == bad) fail(name_, ": a CSV delimiter can't be a quote, a line end or a zero byte");
  }

  [[gnu::cold]] Table read() {
    read_numbers();
    bool text = false;
    for (TableColumn& column : columns_) text = text || !column.numeric;
    if (text) read_texts();
    return Table(name_, std::move(columns_), std::move(file_rows_));
  }

 private:
  CsvRows rows() const { return CsvRows(text_, name_, options_.delimiter); }

  bool is_missing(std::string_view cell) const {
    cell = trimmed(cell);
    for (const std::string& each : options_.missing)
      if (cell == trimmed(each)) return true;
    return false;
  }

  // The next row with cells, checked; false at the end.
  bool next(CsvRows& rows) const {
    if (!rows.next()) return false;
    const std::size_t row = rows.row(), cells = rows.size();
    if (cells != columns_.size())
      fail(name_, ", row ", row, ": ", cells, cells == 1 ? " cell" : " cells", ", expected ", columns_.size(),
           " as in the header");
    return true;
  }

  void header(CsvRows& rows) {
    if (!rows.next()) fail(name_, " is empty, expected a CSV file with a header row");
    columns_.resize(rows.size());
    about_.resize(rows.size());
    std::map<std::string, std::size_t, std::less<>> place;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      columns_[c].name = rows[c];
      if (!place.emplace(rows[c], c).second)
        fail(name_, ", row ", rows.row(), ": two columns of the name ", shown(rows[c]));
    }
    for (const std::string& each : options_.text_columns) {
      const auto found = place.find(each);
      if (found == place.end()) fail(name_, " has no column ", shown(each), ", which CsvOptions::text_columns names");
      about_[found->second].forced = true;
      columns_[found->second].numeric = false;
    }
  }

  // Reads all columns as numbers, until one turns out to be text.
  void read_numbers() {
    CsvRows rows = this->rows();
    header(rows);
    while (next(rows)) {
      file_rows_.push_back(rows.row());
      for (std::size_t c = 0; c < columns_.size(); ++c)
        if (columns_[c].numeric) number(columns_[c], about_[c], rows[c], rows.row());
    }
    if (file_rows_.empty()) fail(name_, " has a header but no rows");
    for (std::size_t c = 0; c < columns_.size(); ++c)
      if (columns_[c].numeric && about_[c].not_finite != 0)
        fail(name_, ", row ", about_[c].not_finite, ", column ", shown(columns_[c].name), ": ",
             shown(about_[c].not_finite_cell), " is too large for a number, or none");
  }

  void number(TableColumn& column, CsvColumn& about, std::string_view cell, std::size_t row) const {
    double value = std::numeric_limits<double>::quiet_NaN();
    if (!is_missing(cell)) {
      const Parsed parsed = parse_number(cell, value);
      if (parsed == Parsed::text) {
        column.numeric = false;
        column.text_since = row;
        column.numbers = {};
        return;
      }
      if (parsed == Parsed::not_finite && about.not_finite == 0) {
        about.not_finite = row;
        about.not_finite_cell = cell;
      }
    }
    column.numbers.push_back(value);
  }

  // Reads the columns that are text.
  void read_texts() {
    CsvRows rows = this->rows();
    rows.next();
    std::vector<Numbering> numbering(columns_.size());
    while (next(rows))
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        TableColumn& column = columns_[c];
        if (!column.numeric) column.codes.push_back(is_missing(rows[c]) ? -1 : numbering[c](rows[c], column.texts));
      }
  }

  std::string_view text_;
  std::string name_;
  const CsvOptions& options_;
  std::vector<TableColumn> columns_;
  std::vector<CsvColumn> about_;
  std::vector<std::size_t> file_rows_;
};

}  // namespace detail

/// Reads a CSV text; errors call it `name`. Throws `Error` as `read_csv` does.
inline Table parse_csv(std::string_view text, std::string_view name, const CsvOptions& options = {}) {
  return detail::CsvReader(text, name, options).read();
}

// Named by what they can read, as in detail/reading.hpp.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Reads a CSV file, plain or packed with gzip (needs zlib, see `read_idx`). The first row names the columns. A column
/// whose known cells are all numbers (C's notation, whatever the locale) is one of numbers, any other is text, exactly
/// as it stands. Rows end with LF or CRLF; empty lines at the end are no rows (one in between is
/// a missing cell of a table of one column). Throws `Error` naming the file, and where
/// there is one the row (as an editor counts), for no header or no rows, a row of another length than the header, two
/// columns of one name, quotes that RFC 4180 does not allow, zero bytes, a number too large for a double in a column of
/// numbers, options that don't fit, and what `read_idx` says of files.
inline Table read_csv(const std::string& path, const CsvOptions& options = {}) {
  return parse_csv(detail::read_file(path), path, options);
}

}  // inline namespace

}  // namespace mtlx::data
