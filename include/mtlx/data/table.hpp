// SPDX-License-Identifier: MIT
// A table of named columns, as CSV and ARFF files hold it, and what a model learns from it: inputs and targets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/detail/text_index.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// One column of a table: numbers, or text as numbers of the different texts. A cell of either may be missing.
struct TableColumn {
  std::string name = {};
  /// Whether the cells are numbers; if not, they are text.
  bool numeric = true;
  /// The cells of a column of numbers, NaN where one is missing.
  std::vector<double> numbers = {};
  /// The cells of a column of text, each an index into `texts`, -1 where one is missing.
  std::vector<int> codes = {};
  /// The different texts of the column, in the order in which they first appear or (ARFF) are declared.
  std::vector<std::string> texts = {};
  /// The row of the file whose cell made this a column of text rather than numbers; 0 if it was declared as text.
  std::size_t text_since = 0;

  /// How many cells there are.
  std::size_t size() const { return numeric ? numbers.size() : codes.size(); }
  /// Whether the cell of a row (below `size()`) is missing.
  bool missing(std::size_t row) const { return numeric ? is_nan(numbers[row]) : codes[row] < 0; }
  /// Whether every cell is missing: then `numeric` says nothing of what the cells would be.
  bool unknown() const {
    for (std::size_t row = 0; row < size(); ++row)
      if (!missing(row)) return false;
    return true;
  }
};

/// Columns of equal length with different names.
class Table {
 public:
  /// A table of these columns; errors call it `name`. `file_rows` are the rows of the file that the table's rows come
  /// from, for errors; without them the table's own rows are counted from 1. Throws `Error` if there is no column, two
  /// have one name, their lengths differ, a number is infinite, or a code has no text.
  Table(std::string name, std::vector<TableColumn> columns, std::vector<std::size_t> file_rows = {})
      : name_(std::move(name)), columns_(std::move(columns)), file_rows_(std::move(file_rows)) {
    check();
  }

  /// What errors call the table: the path of its file.
  const std::string& name() const { return name_; }
  /// How many rows there are.
  std::size_t rows() const { return columns_.front().size(); }
  /// The columns, in their order.
  const std::vector<TableColumn>& columns() const { return columns_; }
  /// The row of the file (or, without one, the row from 1) that a row, below `rows()`, comes from.
  std::size_t file_row(std::size_t row) const { return file_rows_.empty() ? row + 1 : file_rows_[row]; }

  /// The column of that name, or nullptr if there is none.
  const TableColumn* find(std::string_view name) const {
    const std::size_t at = by_name_.find(name, [&](std::size_t c) { return column_name(c); });
    return at != detail::TextIndex::none ? &columns_[at] : nullptr;
  }
  /// The column of that name. Throws `Error`, with the first of the names that there are, if there is none.
  [[gnu::cold]] const TableColumn& column(std::string_view name) const {
    if (const TableColumn* found = find(name)) return *found;
    constexpr std::size_t most = 8;
    std::string there;
    for (std::size_t c = 0; c < columns_.size() && c < most; ++c)
      there += (c == 0 ? "" : ", ") + detail::shown(columns_[c].name);
    if (columns_.size() > most) there += join(" and ", columns_.size() - most, " more");
    fail(name_, " has no column ", detail::shown(name), ", only ", there);
  }

  /// All columns' names, in their order, but those of `except`: `names({"label", "id"})` are the inputs' names. Throws
  /// `Error` if there is no column of a name in `except`.
  std::vector<std::string> names(const std::vector<std::string>& except = {}) const {
    std::vector<bool> left_out(columns_.size());
    for (const std::string& name : except) left_out[static_cast<std::size_t>(&column(name) - columns_.data())] = true;
    std::vector<std::string> names;
    for (std::size_t c = 0; c < columns_.size(); ++c)
      if (!left_out[c]) names.push_back(columns_[c].name);
    return names;
  }

 private:
  std::string_view column_name(std::size_t c) const { return columns_[c].name; }

  [[gnu::cold]] void check() {
    if (columns_.empty()) fail(name_, " has no columns");
    if (!file_rows_.empty() && file_rows_.size() != rows())
      fail(name_, " has ", rows(), " rows, but ", file_rows_.size(), " rows of a file");
    for (const TableColumn& column : columns_) {
      if (column.size() != rows())
        fail(name_, " has ", column.size(), " cells in column ", detail::shown(column.name), ", expected ", rows(),
             " as in the first");
      for (std::size_t row = 0; row < rows(); ++row) {
        if (column.missing(row)) continue;
        if (column.numeric ? !is_finite(column.numbers[row])
                           : static_cast<std::size_t>(column.codes[row]) >= column.texts.size())
          fail(name_, ", row ", file_row(row), ", column ", detail::shown(column.name), ": ",
               column.numeric ? "an infinite number" : "a code without a text");
      }
    }
    const auto name = [&](std::size_t c) { return column_name(c); };
    by_name_ = detail::TextIndex(columns_.size(), name);
    if (const std::size_t twice = by_name_.twice(name); twice != detail::TextIndex::none)
      fail(name_, " has two columns of the name ", detail::shown(columns_[twice].name));
  }

  std::string name_;
  std::vector<TableColumn> columns_;
  std::vector<std::size_t> file_rows_;
  detail::TextIndex by_name_;
};

namespace detail {

// Where a cell is, to begin a sentence with.
[[gnu::cold]] inline std::string place(const Table& table, const TableColumn& column, std::size_t row) {
  return join(table.name(), ", row ", table.file_row(row), ", column ", shown(column.name), ": ");
}

[[noreturn, gnu::cold]] inline void fail_as_text(const Table& table, const TableColumn& column, const char* instead) {
  std::string why;
  for (std::size_t row = 0; column.text_since != 0 && row < table.rows(); ++row)
    if (table.file_row(row) == column.text_since)
      why = join(" since row ", column.text_since, ", ",
                 shown(column.texts[static_cast<std::size_t>(column.codes[row])]));
  fail(table.name(), ": column ", shown(column.name), " is text", why, ", expected ", instead);
}

// A cell of a column of numbers as float; it isn't missing.
inline float as_float(const Table& table, const TableColumn& column, std::size_t row) {
  const auto number = static_cast<float>(column.numbers[row]);
  if (!is_finite(number)) fail(place(table, column, row), column.numbers[row], " is too large for a float");
  return number;
}

// A column's codes as codes of other texts, which must differ; -1 where there is no such text.
[[gnu::cold]] inline std::vector<int> recoded(const Table& table, const TableColumn& column,
                                              const std::vector<std::string>& texts) {
  const auto text = [&](std::size_t i) { return std::string_view(texts[i]); };
  const TextIndex known(texts.size(), text);
  if (const std::size_t twice = known.twice(text); twice != TextIndex::none)
    fail(table.name(), ": column ", shown(column.name), ": the text ", shown(texts[twice]),
         " is named twice, expected different ones");
  if (column.numeric) return std::vector<int>(column.size(), -1);  // of an unknown column
  std::vector<int> code_of(column.texts.size()), codes(column.codes.size());
  for (std::size_t t = 0; t < code_of.size(); ++t) {
    const std::size_t code = known.find(column.texts[t], text);
    code_of[t] = code == TextIndex::none ? -1 : static_cast<int>(code);
  }
  for (std::size_t row = 0; row < codes.size(); ++row)
    codes[row] = column.codes[row] < 0 ? -1 : code_of[static_cast<std::size_t>(column.codes[row])];
  return codes;
}

}  // namespace detail

/// What stands in for an input that is missing.
enum class Fill {
  none,  ///< nothing: it is an `Error`
  zero,  ///< 0
  mean,  ///< the mean of the known ones (for a text: the share of the rows that have it)
};

/// How columns become inputs.
struct FeatureOptions {
  /// What stands in for missing cells. A text that the training table doesn't have counts as missing.
  Fill fill = Fill::none;
  /// The most different texts for which a column of text becomes inputs, one for each, 1 where the cell has it and
  /// else 0. With 0, a column of text is an `Error`.
  std::size_t one_hot = 0;
};

/// How the inputs are made of a table's columns, learned from the training table, so that other tables are read in the
/// same way: `const Features features(train, {"age", "colour"}, {.one_hot = 10}); features.inputs(test)`.
class Features {
 public:
  /// Throws `Error` if there are no columns, the table has none of a name, a column is text and may not be (see
  /// `FeatureOptions`), or a mean is wanted of a column without a known cell or is too large for a float.
  [[gnu::cold]] Features(const Table& train, const std::vector<std::string>& columns, FeatureOptions options = {})
      : options_(options) {
    if (columns.empty()) fail(train.name(), ": no columns were named, expected at least one as an input");
    for (const std::string& name : columns) {
      const TableColumn& column = train.column(name);
      if (!column.numeric) {
        if (options.one_hot == 0) detail::fail_as_text(train, column, "numbers; FeatureOptions::one_hot allows text");
        if (column.texts.size() > options.one_hot)
          fail(train.name(), ": column ", detail::shown(name), " has ", column.texts.size(),
               " different texts, expected at most ", options.one_hot, " (FeatureOptions::one_hot)");
        if (column.texts.empty()) fail(train.name(), ": column ", detail::shown(name), " has no text at all");
      }
      if (size_ > static_cast<std::size_t>(std::numeric_limits<int>::max()) - column.texts.size() - 1)
        fail(train.name(), ": these columns are too many inputs for one sample");
      parts_.push_back({name, column.numeric, column.texts, fills(train, column)});
      size_ += column.numeric ? 1 : column.texts.size();
    }
  }

  /// How many numbers a sample has.
  std::size_t size() const { return size_; }
  /// The name of each: the column's, or `column=text`.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Part& part : parts_) {
      if (part.numeric) names.push_back(part.column);
      for (const std::string& text : part.texts) names.push_back(part.column + "=" + text);
    }
    return names;
  }

  /// The inputs of a table's rows, `(rows, size())`. Throws `Error` naming row and column for a missing cell without a
  /// fill, a number too large for a float, and a column that is absent or (unlike in training) text or numbers. A column
  /// whose cells are all missing is either.
  [[gnu::cold]] Inputs inputs(const Table& table) const {
    std::vector<float> values;
    detail::resize(values, table.rows() * size_, table.name());
    float* to = values.data();
    for (const Part& part : parts_) {
      const TableColumn& column = table.column(part.column);
      if (column.numeric != part.numeric && !column.unknown()) {
        if (part.numeric) detail::fail_as_text(table, column, "numbers as in training");
        fail(table.name(), ": column ", detail::shown(column.name), " has numbers, expected text as in training");
      }
      std::vector<int> codes;
      if (!part.numeric) codes = detail::recoded(table, column, part.texts);
      for (std::size_t row = 0; row < table.rows(); ++row) {
        float* at = to + row * size_;
        if (part.numeric ? column.missing(row) : codes[row] < 0) {
          if (options_.fill == Fill::none)
            fail(detail::place(table, column, row),
                 column.missing(row) ? "a missing input" : "a text that training does not have",
                 "; FeatureOptions::fill says what stands in for it");
          std::copy(part.fill.begin(), part.fill.end(), at);
        } else if (part.numeric) {
          *at = detail::as_float(table, column, row);
        } else {
          at[codes[row]] = 1;
        }
      }
      to += part.numeric ? 1 : part.texts.size();
    }
    return Inputs(Shape{static_cast<int>(size_), 1, 1}, std::move(values));
  }

 private:
  struct Part {
    std::string column;
    bool numeric;
    std::vector<std::string> texts;
    std::vector<float> fill;  // what a missing cell becomes
  };

  std::vector<float> fills(const Table& train, const TableColumn& column) const {
    const std::size_t width = column.numeric ? 1 : column.texts.size();
    std::vector<double> sums(width);
    double known = 0;
    for (std::size_t row = 0; row < column.size() && options_.fill == Fill::mean; ++row) {
      if (column.missing(row)) continue;
      known += 1;
      if (column.numeric)
        sums[0] += (column.numbers[row] / 4 - sums[0]) / known;  // the running mean's quarter: no difference overflows
      else
        sums[static_cast<std::size_t>(column.codes[row])] += 1;
    }
    if (options_.fill == Fill::mean && known == 0)
      fail(train.name(), ": column ", detail::shown(column.name), " has no known cell to take a mean of");
    if (!column.numeric && known > 0)
      for (double& sum : sums) sum /= known;
    if (column.numeric) sums[0] *= 4;
    if (!is_finite(static_cast<float>(sums[0])))
      fail(train.name(), ": column ", detail::shown(column.name), ": the mean ", sums[0], " is too large for a float");
    return {sums.begin(), sums.end()};
  }

  FeatureOptions options_;
  std::vector<Part> parts_;
  std::size_t size_ = 0;
};

/// The inputs of one table by itself, `(rows, features)`: `inputs_from(table, {"a", "b"})`. With a second table to
/// test on, use `Features`. Throws `Error` as `Features` does.
inline Inputs inputs_from(const Table& table, const std::vector<std::string>& columns, FeatureOptions options = {}) {
  return Features(table, columns, options).inputs(table);
}

/// Class labels with their texts: class i is `names[i]`.
struct Classes {
  Targets targets;
  std::vector<std::string> names;
};

/// The classes of a column of text by the given names, class i being `names[i]`, missing where the cell is: what a test
/// table needs, with the names of training. Throws `Error` if the column is absent or has numbers, a text is not among
/// the names (naming the row), or a name comes twice.
[[gnu::cold]] inline Targets classes_from(const Table& table, std::string_view column,
                                          const std::vector<std::string>& names) {
  const TableColumn& from = table.column(column);
  if (from.numeric && !from.unknown())
    fail(table.name(), ": column ", detail::shown(column),
         " has numbers, expected text (CsvOptions::text_columns reads it as such)");
  std::vector<int> labels = detail::recoded(table, from, names);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] >= 0) continue;
    if (!from.missing(row))
      fail(detail::place(table, from, row), detail::shown(from.texts[static_cast<std::size_t>(from.codes[row])]),
           " is none of the ", names.size(), " classes");
    labels[row] = missing_label;
  }
  return Targets::classes(labels);
}

/// The classes of a column, missing where the cell is. Of text: in the order of the column's `texts`, that is of first
/// appearance or declaration. Of numbers: the number is the class, and there are no names. Throws `Error` if the column
/// is absent, or a number is not a class (a whole number from 0 to 2^24; naming the row).
[[gnu::cold]] inline Classes classes_from(const Table& table, std::string_view column) {
  const TableColumn& from = table.column(column);
  if (!from.numeric) return {classes_from(table, column, from.texts), from.texts};
  std::vector<int> labels(table.rows(), missing_label);
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (from.missing(row)) continue;
    const double number = from.numbers[row];
    if (number < 0 || number > 1 << 24 || static_cast<double>(static_cast<int>(number)) != number)
      fail(detail::place(table, from, row), number,
           " is no class, expected a whole number from 0 on (or text; CsvOptions::text_columns reads numbers as such)");
    labels[row] = static_cast<int>(number);
  }
  return {Targets::classes(labels), {}};
}

/// Targets from columns of numbers, `(rows, columns)`, missing where a cell is. Throws `Error` if no column is named,
/// one is absent or text, or a number is too large for a float.
[[gnu::cold]] inline Targets values_from(const Table& table, const std::vector<std::string>& columns) {
  std::vector<float> values;
  detail::resize(values, table.rows() * columns.size(), table.name());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const TableColumn& column = table.column(columns[c]);
    if (!column.numeric && !column.unknown()) detail::fail_as_text(table, column, "numbers");
    for (std::size_t row = 0; row < table.rows(); ++row)
      values[row * columns.size() + c] =
          column.missing(row) ? std::numeric_limits<float>::quiet_NaN() : detail::as_float(table, column, row);
  }
  return Targets::values(columns.size(), std::move(values));
}

/// Targets of yes or no, `(rows, columns)`, 1 or 0, missing where a cell is: numbers 1 and 0, or text 1, true, t, yes, y
/// and 0, false, f, no, n in small or capital letters. Throws `Error` if no column is named, one is absent, or a cell is
/// something else (naming row and column).
[[gnu::cold]] inline Targets binary_from(const Table& table, const std::vector<std::string>& columns) {
  std::vector<float> values;
  detail::resize(values, table.rows() * columns.size(), table.name());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const TableColumn& column = table.column(columns[c]);
    std::vector<double> meaning;  // of each text
    for (std::string text : column.texts) {
      for (char& letter : text)
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
      double means = 2;
      for (const char* yes : {"1", "true", "t", "yes", "y"})
        if (text == yes) means = 1;
      for (const char* no : {"0", "false", "f", "no", "n"})
        if (text == no) means = 0;
      meaning.push_back(means);
    }
    for (std::size_t row = 0; row < table.rows(); ++row) {
      float& to = values[row * columns.size() + c];
      if (column.missing(row)) {
        to = std::numeric_limits<float>::quiet_NaN();
        continue;
      }
      const auto code = column.numeric ? std::size_t{0} : static_cast<std::size_t>(column.codes[row]);
      const double number = column.numeric ? column.numbers[row] : meaning[code];
      if (number != 0 && number != 1)
        fail(detail::place(table, column, row), column.numeric ? join(number) : detail::shown(column.texts[code]),
             " is neither 1 nor 0 (true or false, yes or no)");
      to = static_cast<float>(number);
    }
  }
  return Targets::values(columns.size(), std::move(values));
}

}  // namespace mtlx::data
