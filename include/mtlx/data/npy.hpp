// SPDX-License-Identifier: MIT
// NumPy's .npy files, versions 1.0 to 3.0: "\x93NUMPY", two bytes of version, the header's length (two bytes in version
// 1, then four, the lowest first), the header, a Python dictionary such as
//   {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }
// and then the numbers as they lie in memory.
// Reference: NumPy, numpy.lib.format, "Format Specification".
// Nothing in a file is believed: what it promises is held against its size before memory is asked for.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/checks.hpp>
#include <mtlx/data/detail/dimensions.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// What a .npy file says of its array before the numbers come.
struct NpyHeader {
  /// 'f' for floating point, 'i' for whole numbers, 'u' for natural ones, 'b' for booleans.
  char kind = 'f';
  /// Bytes of one number.
  std::size_t width = 0;
  /// Whether the highest byte of a number comes first.
  bool big_endian = false;
  /// Whether the first index runs fastest.
  bool fortran_order = false;
  /// The array's dimensions; none for a single number.
  std::vector<std::size_t> shape;
  /// How many numbers there are: the product of the dimensions.
  std::size_t count = 0;
  /// Where in the file the numbers begin.
  std::size_t offset = 0;
};

/// An array as read from a .npy file, row-major whatever the file's order. Its numbers are in one of the four vectors,
/// as many as the product of the dimensions; the others are empty.
struct NpyArray {
  enum class Type { floats, doubles, bytes, integers };

  std::vector<std::size_t> shape;      ///< none for a single number
  Type type = Type::floats;            ///< which of the vectors it is
  std::vector<float> floats;           ///< from float32
  std::vector<double> doubles;         ///< from float64
  std::vector<std::uint8_t> bytes;     ///< from uint8
  std::vector<std::int64_t> integers;  ///< from all other whole numbers, and from booleans as 0 and 1
  std::string name = "the array";      ///< what errors call it
};

namespace detail {

// As many as NumPy allows.
inline constexpr std::size_t most_dimensions = 64;

// Reads the header's dictionary, which NumPy writes in one way and other programs in others.
class NpyDictionary {
 public:
  NpyDictionary(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  [[gnu::cold]] void read(NpyHeader& header) {
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        type(header);
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = true;
        dimensions(header);
      } else {
        fail(name_, " has ", shown(key), " in its header (twice, or unknown), expected descr, fortran_order and shape");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    blanks();
    if (!text_.empty()) fail(name_, " has a header that goes on after its dictionary");
    if (!descr || !order || !shape)
      fail(name_, " has no ", !descr ? "descr" : !order ? "fortran_order" : "shape", " in its header");
  }

 private:
  void blanks() {
    const std::size_t first = text_.find_first_not_of(" \t\n\r");
    text_.remove_prefix(first == std::string_view::npos ? text_.size() : first);
  }

  bool take(char sign) {
    blanks();
    if (!text_.starts_with(sign)) return false;
    text_.remove_prefix(1);
    return true;
  }

  void expect(char sign) {
    if (!take(sign))
      fail(name_, " has a broken header: ", text_.empty() ? "it ends" : "it goes on with ",
           text_.empty() ? "" : shown(text_), ", expected '", std::string_view(&sign, 1), "'");
  }

  std::string_view string() {
    blanks();
    const char quote = text_.starts_with('"') ? '"' : '\'';
    expect(quote);
    const std::size_t end = text_.find(quote);
    if (end == std::string_view::npos) fail(name_, " has a broken header: a string without an end");
    const std::string_view found = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return found;
  }

  bool word(std::string_view what) {
    blanks();
    if (!text_.starts_with(what)) return false;
    text_.remove_prefix(what.size());
    return true;
  }

  bool boolean() {
    if (word("True")) return true;
    if (word("False")) return false;
    fail(name_, " has a broken header: fortran_order is neither True nor False");
  }

  void type(NpyHeader& header) {
    blanks();
    if (text_.starts_with('[')) fail(name_, " holds records (a structured dtype), expected plain numbers");
    const std::string_view descr = string();
    const std::string_view known[] = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
    const char order = descr.empty() ? ' ' : descr[0];
    for (const std::string_view each : known) {
      if (descr.substr(descr.empty() ? 0 : 1) != each) continue;
      header.kind = each[0];
      header.width = static_cast<std::size_t>(each[1] - '0');
      header.big_endian = order == '>';
      if (order == '<' || order == '>' || (order == '|' && header.width == 1)) return;
    }
    fail(name_, " holds numbers of dtype ", shown(descr),
         ", expected float32, float64, a whole number of 8 to 64 bits or bool, with a byte order: <f4, >i2, |u1");
  }

  void dimensions(NpyHeader& header) {
    expect('(');
    while (!take(')')) {
      blanks();
      std::size_t digits = 0, side = 0;
      while (digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9') ++digits;
      if (!parse_index(text_.substr(0, digits), side))
        fail(name_, " has a broken header: ", shown(text_), " in the shape, expected a dimension from 0 on");
      text_.remove_prefix(digits);
      word("L");  // as Python 2 wrote it
      header.shape.push_back(side);
      if (header.shape.size() > most_dimensions) fail(name_, " has more than ", most_dimensions, " dimensions");
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const std::string& name_;
};

// Reads the header and leaves the source at the numbers.
[[gnu::cold]] inline NpyHeader npy_header(Source& source) {
  const std::string& name = source.name();
  std::uint8_t head[12];
  const std::size_t got = source.read(head, 8);
  if (got < 6 || std::memcmp(head, "\x93NUMPY", 6) != 0)
    fail(name, " is no .npy file: it does not start with \\x93NUMPY");
  if (got < 8) fail(name, " is cut: it ends inside the .npy header");
  if (head[6] < 1 || head[6] > 3 || head[7] != 0)
    fail(name, " is of .npy version ", head[6], ".", head[7], ", expected 1.0, 2.0 or 3.0");
  const std::size_t length_size = head[6] == 1 ? 2 : 4;
  if (source.read(head + 8, length_size) != length_size) fail(name, " is cut: it ends inside the .npy header");
  std::size_t length = 0;
  for (std::size_t i = length_size; i > 0; --i) length = length << 8 | head[7 + i];

  NpyHeader header;
  header.offset = 8 + length_size + length;
  if (header.offset > source.capacity())
    fail(name, " is cut: its header is said to have ", length, " bytes, but the whole file has ", source.capacity());
  std::string text;
  resize(text, length, name);
  if (source.read(reinterpret_cast<std::uint8_t*>(text.data()), length) != length)
    fail(name, " is cut: it ends inside the .npy header");
  NpyDictionary(text, name).read(header);

  header.count = 1;
  bool none = false;
  for (const std::size_t side : header.shape) none = none || side == 0;
  if (none) header.count = 0;
  for (const std::size_t side : header.shape) {
    if (none) break;
    if (header.count > std::numeric_limits<std::size_t>::max() / side / header.width)
      fail(name, " promises more bytes than can be counted, in ", header.shape.size(), " dimensions");
    header.count *= side;
  }
  const std::size_t promised = header.count * header.width, left = source.capacity() - header.offset;
  if (promised > left)
    fail(name, " is cut: it promises ", header.count, " numbers of ", header.width, " bytes, but holds ", left,
         " bytes of data");
  if (promised < left)
    fail(name, " goes on after its data, expected to end after ", header.offset + promised, " bytes");
  return header;
}

// A number from its bytes.
template <class Number>
Number from_bytes(const std::uint8_t* bytes, bool big_endian) {
  std::uint8_t copy[sizeof(Number)];
  const bool turned = big_endian != (std::endian::native == std::endian::big);
  for (std::size_t i = 0; i < sizeof copy; ++i) copy[i] = bytes[turned ? sizeof copy - 1 - i : i];
  Number number;
  std::memcpy(&number, copy, sizeof number);
  return number;
}

// The file's numbers to `to`, row-major: `decode` makes one of its bytes.
template <class Number, class Decode>
[[gnu::noinline]] void read_numbers(Source& source, const NpyHeader& header, std::vector<Number>& to, Decode&& decode) {
  resize(to, header.count, source.name());
  const std::size_t rank = header.shape.size();
  // Where the next number goes: with the first index running fastest, index d moves it by stride[d].
  std::array<std::size_t, most_dimensions> stride{}, index{};
  for (std::size_t d = rank, step = 1; d > 0; --d) {
    stride[d - 1] = step;
    step *= header.shape[d - 1];
  }
  std::size_t place = 0;
  std::uint8_t buffer[4096];
  for (std::size_t done = 0; done < header.count;) {
    const std::size_t room = sizeof buffer / header.width, rest = header.count - done;
    const std::size_t count = rest < room ? rest : room;
    if (source.read(buffer, count * header.width) != count * header.width)
      fail(source.name(), " is cut: it shrank while it was read");
    for (std::size_t i = 0; i < count; ++i, ++done) {
      const Number number = decode(buffer + i * header.width);
      if (!header.fortran_order) {
        to[done] = number;
        continue;
      }
      to[place] = number;
      for (std::size_t d = 0; d < rank; ++d) {
        place += stride[d];
        if (++index[d] < header.shape[d]) break;
        place -= stride[d] * header.shape[d];
        index[d] = 0;
      }
    }
  }
}

[[gnu::cold]] inline NpyArray read_npy(Source& source) {
  const NpyHeader header = npy_header(source);
  const bool big = header.big_endian;
  NpyArray array;
  array.shape = header.shape;
  array.name = source.name();
  if (header.kind == 'f' && header.width == 4) {
    read_numbers(source, header, array.floats, [&](const std::uint8_t* at) { return from_bytes<float>(at, big); });
  } else if (header.kind == 'f') {
    array.type = NpyArray::Type::doubles;
    read_numbers(source, header, array.doubles, [&](const std::uint8_t* at) { return from_bytes<double>(at, big); });
  } else if (header.kind == 'u' && header.width == 1) {
    array.type = NpyArray::Type::bytes;
    read_numbers(source, header, array.bytes, [](const std::uint8_t* at) { return *at; });
  } else {
    array.type = NpyArray::Type::integers;
    const bool is_signed = header.kind == 'i';
    read_numbers(source, header, array.integers, [&](const std::uint8_t* at) -> std::int64_t {
      switch (header.width) {
        case 1:
          if (header.kind == 'b' && *at > 1) fail(source.name(), " has a boolean of ", *at, ", expected 0 or 1");
          return is_signed ? std::int64_t{static_cast<std::int8_t>(*at)} : std::int64_t{*at};
        case 2:
          return is_signed ? std::int64_t{from_bytes<std::int16_t>(at, big)}
                           : std::int64_t{from_bytes<std::uint16_t>(at, big)};
        case 4:
          return is_signed ? std::int64_t{from_bytes<std::int32_t>(at, big)}
                           : std::int64_t{from_bytes<std::uint32_t>(at, big)};
        default:
          const auto number = from_bytes<std::int64_t>(at, big);
          if (!is_signed && number < 0)
            fail(source.name(), " has the number ", static_cast<std::uint64_t>(number),
                 ", above 2^63 - 1, the most that is read");
          return number;
      }
    });
  }
  return array;
}

template <class Number>
inline constexpr std::string_view npy_type = std::same_as<Number, float>          ? "f4"
                                             : std::same_as<Number, double>       ? "f8"
                                             : std::same_as<Number, std::uint8_t> ? "u1"
                                             : sizeof(Number) == 4                ? "i4"
                                                                                  : "i8";

[[gnu::cold]] inline std::string npy_text(std::string_view type, const std::vector<std::size_t>& shape,
                                          std::size_t count, std::size_t width, const void* numbers) {
  if (shape.size() > most_dimensions)
    fail("npy: a shape of ", shape.size(), " dimensions, expected at most ", most_dimensions);
  std::size_t product = 1;
  for (const std::size_t side : shape) {
    if (side != 0 && product > std::numeric_limits<std::size_t>::max() / side) fail("npy: the shape is too large");
    product *= side;
  }
  if (count != product) fail("npy: ", count, " numbers for a shape of ", product);
  const char order = width == 1 ? '|' : std::endian::native == std::endian::little ? '<' : '>';
  std::string header = join("{'descr': '", std::string_view(&order, 1), type, "', 'fortran_order': False, 'shape': (");
  for (const std::size_t side : shape) header += join(side, shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) header.resize(header.size() - 2);
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // so that the numbers begin at a multiple of 64
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xFF);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(static_cast<const char*>(numbers), count * width);
  return bytes;
}

}  // namespace detail

/// Reads the header of a .npy file that lies in memory or is mapped there, and is held against the whole of it: `bytes`.
/// Errors call it `name`. Throws `Error` as `read_npy` does.
inline NpyHeader parse_npy_header(std::string_view bytes, std::string_view name) {
  detail::Memory source(bytes, name);
  return detail::npy_header(source);
}

/// Reads a .npy file that lies in memory; errors call it `name`. Throws `Error` as `read_npy` does.
inline NpyArray parse_npy(std::string_view bytes, std::string_view name) {
  detail::Memory source(bytes, name);
  return detail::read_npy(source);
}

/// Reads a .npy file of float32, float64, whole numbers of 8 to 64 bits or booleans, in either byte order, in C's or
/// Fortran's order. Throws `Error` naming the file if it is missing, unreadable, cut, of another type (half precision,
/// complex numbers, text, records, objects), holds more or less than it promises, or is broken in any other way.
inline NpyArray read_npy(const std::string& path) {
  detail::PlainFile file(path);
  return detail::read_npy(file);
}

namespace detail {

// An array's numbers as floats.
[[gnu::cold]] inline std::vector<float> floats_of(NpyArray&& array) {
  switch (array.type) {
    case NpyArray::Type::bytes: return {array.bytes.begin(), array.bytes.end()};
    case NpyArray::Type::doubles: return {array.doubles.begin(), array.doubles.end()};
    case NpyArray::Type::integers: return {array.integers.begin(), array.integers.end()};
    default: return std::move(array.floats);
  }
}

}  // namespace detail

/// Inputs from an array of `(n, features)` or `(n, channels, height, width)`: bytes stay bytes (b reads as b / 255), all
/// other numbers become floats. Throws `Error` naming the array for other dimensions, no samples, and numbers that aren't
/// finite.
inline Inputs inputs_from(NpyArray array) {
  const Shape shape = detail::sample_shape(array.name, array.shape);
  if (array.shape[0] == 0) fail(array.name, " has no samples");
  detail::check_shape(array.name, shape);
  if (array.type == NpyArray::Type::bytes) return Inputs(shape, std::move(array.bytes));
  const std::string name = array.name;
  std::vector<float> values = detail::floats_of(std::move(array));
  detail::check_finite(name, values, 0, shape.size());
  return Inputs(shape, std::move(values));
}

/// Targets from class indices, `(n)` whole numbers, `missing_label` where one isn't known. Throws `Error` naming the
/// array for other dimensions and types, and for what `Targets::classes` refuses.
inline Targets classes_from(const NpyArray& array) {
  if (array.shape.size() != 1)
    fail(array.name, " has ", array.shape.size(), " dimensions, expected 1 (one class per sample)");
  if (array.type == NpyArray::Type::bytes)
    return Targets::classes(std::vector<int>(array.bytes.begin(), array.bytes.end()));
  if (array.type != NpyArray::Type::integers)
    fail(array.name, " holds floating-point numbers, expected whole ones (one class per sample)");
  std::vector<int> labels(array.integers.size());
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const std::int64_t label = array.integers[row];
    if ((label < 0 && label != missing_label) || label > 1 << 24)
      fail(array.name, " has label ", label, " in row ", row, ", expected a class from 0 to 2^24, or ", missing_label,
           " where the label is missing");
    labels[row] = static_cast<int>(label);
  }
  return Targets::classes(labels);
}

/// Targets from numbers, `(n)` or `(n, width)`, NaN where one is missing. Throws `Error` naming the array for other
/// dimensions, and for what `Targets::values` refuses.
inline Targets values_from(NpyArray array) {
  if (array.shape.size() != 1 && array.shape.size() != 2)
    fail(array.name, " has ", array.shape.size(), " dimensions, expected 1 (n) or 2 (n, width)");
  const std::size_t width = array.shape.size() == 2 ? array.shape[1] : 1;
  if (width == 0) fail(array.name, " has width 0, expected at least one value per sample");
  const std::string name = array.name;
  std::vector<float> values = detail::floats_of(std::move(array));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!is_finite(values[i]) && !is_nan(values[i]))
      fail(name, " has an infinite value ", i % width, " in row ", i / width, " (as float); NaN is a missing value");
  return Targets::values(width, std::move(values));
}

/// The bytes of a .npy file (version 1.0) of numbers, row-major: float, double, std::uint8_t, int or std::int64_t.
/// Throws `Error` if there aren't as many as the product of the dimensions.
template <class Number>
std::string npy_bytes(const std::vector<std::size_t>& shape, std::span<const Number> numbers) {
  constexpr bool known = std::same_as<Number, float> || std::same_as<Number, double> ||
                         std::same_as<Number, std::uint8_t> || std::same_as<Number, int> ||
                         std::same_as<Number, std::int64_t>;
  static_assert(known, "mtlx: a .npy file is written from float, double, std::uint8_t, int or std::int64_t");
  if constexpr (known)
    return detail::npy_text(detail::npy_type<Number>, shape, numbers.size(), sizeof(Number), numbers.data());
  else
    return {};
}

/// Writes numbers as a .npy file: a model's answers are `write_npy(path, {answers.size(), outputs}, answers.values())`.
/// Throws `Error` as `npy_bytes` does, and if the file can't be written.
template <class Numbers>
void write_npy(const std::string& path, const std::vector<std::size_t>& shape, const Numbers& numbers) {
  using Number = typename Numbers::value_type;
  write_file(path, npy_bytes(shape, std::span<const Number>(numbers)));
}

/// Writes the raw numbers of inputs (an earlier `normalise` doesn't show), bytes as uint8, floats as float32:
/// `(n, features)` where the shape is a plain vector, else `(n, channels, height, width)`. Throws `Error` as above.
inline void write_npy(const std::string& path, const Inputs& inputs) {
  const Shape& shape = inputs.shape();
  std::vector<std::size_t> sides{inputs.size()};
  for (const int side : {shape.channels, shape.height, shape.width}) sides.push_back(static_cast<std::size_t>(side));
  if (shape.height == 1 && shape.width == 1) sides.resize(2);
  const Inputs in_a_row = inputs.compact();
  if (inputs.holds_bytes())
    write_npy(path, sides, in_a_row.bytes());
  else
    write_npy(path, sides, in_a_row.floats());
}

/// Writes targets as float32, `(n, width)`, NaN where one is missing. Throws `Error` as above.
inline void write_npy(const std::string& path, const Targets& targets) {
  std::vector<float> values;
  for (std::size_t sample = 0; sample < targets.size(); ++sample)
    for (std::size_t i = 0; i < targets.width(); ++i)
      values.push_back(targets.present(sample, i) ? targets.value(sample, i) : std::numeric_limits<float>::quiet_NaN());
  write_npy(path, {targets.size(), targets.width()}, values);
}

}  // namespace mtlx::data
