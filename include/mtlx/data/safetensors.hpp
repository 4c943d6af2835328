// SPDX-License-Identifier: MIT
// The safetensors format: the header's length (u64, little-endian), the header as a JSON object
//   {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "text"}}
// and the tensors' bytes, row-major and little-endian, which cover the rest of the file without holes or overlaps.
// Reference: https://github.com/huggingface/safetensors, README.md, "Format".
// Nothing in a file is believed: memory is asked for only as far as the file's own bytes go.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::data {

/// Numbers in an array of a shape.
inline std::size_t numbers_in(std::span<const std::size_t> shape) {
  std::size_t numbers = 1;
  for (const std::size_t side : shape) numbers *= side;
  return numbers;
}

/// A named array of float, double or bytes.
struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;  ///< row-major; empty for a single number
  std::size_t width = 4;           ///< bytes a number: 4 (F32), 8 (F64) or 1 (U8)
  std::string bytes;               ///< the numbers, as they lie in memory

  static Tensor of(std::string name, std::vector<std::size_t> shape, std::span<const float> values) {
    return {std::move(name), std::move(shape), 4, {reinterpret_cast<const char*>(values.data()), values.size_bytes()}};
  }
  static Tensor of(std::string name, std::vector<std::size_t> shape, std::span<const double> values) {
    return {std::move(name), std::move(shape), 8, {reinterpret_cast<const char*>(values.data()), values.size_bytes()}};
  }

  /// "F32", "F64" or "U8".
  const char* type() const { return width == 4 ? "F32" : width == 8 ? "F64" : "U8"; }
  /// Numbers, by the shape.
  std::size_t size() const { return numbers_in(shape); }
  /// Writes the numbers, `size()` of them. Throws `Error` if T is not their type.
  template <std::floating_point T>
  void copy_to(T* to) const {
    if (sizeof(T) != width)
      fail("the tensor \"", name, "\" is ", type(), ", and is read as numbers of ", sizeof(T), " bytes");
    std::memcpy(to, bytes.data(), bytes.size());
  }
};

/// A safetensors file's content; tensors in the order of their bytes.
struct Safetensors {
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;

  /// The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const {
    for (const Tensor& tensor : tensors)
      if (tensor.name == name) return &tensor;
    return nullptr;
  }
};

namespace detail {

// The JSON of a header, as far as headers use it.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  [[noreturn, gnu::cold, gnu::noinline]] void refuse(std::string_view why) const {
    fail(file_, " is no sound safetensors file: byte ", at_, " of its header: ", why);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  /// Passes over the sign if it is next.
  bool take(char sign) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != sign) return false;
    ++at_;
    return true;
  }
  void expect(char sign) {
    if (!take(sign)) refuse(std::string("expected '") + sign + "'");
  }
  /// In a list that ends in `close`: whether there is a next item.
  bool next(char close, bool first) {
    if (take(close)) return false;
    if (!first) expect(',');
    return true;
  }
  bool ended() {
    skip_space();
    return at_ == text_.size();
  }

  std::string string() {
    expect('"');
    std::string out;
    for (;;) {
      const unsigned char c = byte();
      if (c == '"') return out;
      if (c < 0x20) refuse("a control character in a string");
      if (c == '\\')
        escape(out);
      else
        out += static_cast<char>(c);
    }
  }

  std::uint64_t number() {
    skip_space();
    const std::size_t first = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) refuse("a number that is too large");
      value = 10 * value + digit;
    }
    if (at_ == first) refuse("expected a whole number");
    return value;
  }

 private:
  unsigned char byte() {
    if (at_ == text_.size()) refuse("a string without an end");
    return static_cast<unsigned char>(text_[at_++]);
  }
  std::uint32_t hex() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(static_cast<char>(byte()));
      if (digit == std::string_view::npos) refuse("\\u needs four hexadecimal digits");
      value = value << 4 | static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
    }
    return value;
  }
  void escape(std::string& out) {
    static constexpr std::string_view signs = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const unsigned char c = byte();
    if (c != 'u') {
      const std::size_t sign = signs.find(static_cast<char>(c));
      if (sign == std::string_view::npos) refuse("an unknown escape in a string");
      out += meanings[sign];
      return;
    }
    std::uint32_t code = hex();
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      const bool second = byte() == '\\' && byte() == 'u';
      const std::uint32_t low = second ? hex() : 0;
      if (low < 0xDC00 || low > 0xDFFF) refuse("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      refuse("half of a surrogate pair");
    }
    const auto put = [&out](std::uint32_t bits) { out += static_cast<char>(bits); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
    } else {
      put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F));
      put(0x80 | (code & 0x3F));
    }
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

struct TensorEntry {
  Tensor tensor;
  std::uint64_t begin, end;
};

inline TensorEntry read_tensor_entry(HeaderReader& header, std::string name) {
  TensorEntry entry{{std::move(name), {}, 0, {}}, 0, 0};
  bool shape = false, offsets = false;
  header.expect('{');
  for (bool first = true; header.next('}', first); first = false) {
    const std::string key = header.string();
    header.expect(':');
    if (key == "dtype" && entry.tensor.width == 0) {
      const std::string type = header.string();
      entry.tensor.width = type == "F32" ? 4 : type == "F64" ? 8 : type == "U8" ? 1 : 0;
      if (entry.tensor.width == 0)
        header.refuse(join("the tensor \"", entry.tensor.name, "\" has numbers of type \"", type,
                           "\", and only F32, F64 and U8 are read"));
    } else if (key == "shape" && !shape) {
      shape = true;
      header.expect('[');
      for (bool side = true; header.next(']', side); side = false) entry.tensor.shape.push_back(header.number());
    } else if (key == "data_offsets" && !offsets) {
      offsets = true;
      header.expect('[');
      entry.begin = header.number();
      header.expect(',');
      entry.end = header.number();
      header.expect(']');
    } else {
      header.refuse(join("the tensor \"", entry.tensor.name, "\" has \"", key, "\", which is unknown or there twice"));
    }
  }
  if (entry.tensor.width == 0 || !shape || !offsets)
    header.refuse(join("the tensor \"", entry.tensor.name, "\" needs dtype, shape and data_offsets"));
  return entry;
}

}  // namespace detail

/// Reads a safetensors file that lies in memory; `file` names it in errors. Throws `Error` if it is cut, its header is
/// broken, a name appears twice, numbers are not F32, F64 or U8, or offsets don't fit shapes or leave holes.
[[gnu::cold, gnu::noinline]] inline Safetensors parse_safetensors(std::string_view bytes, const std::string& file) {
  constexpr std::uint64_t longest = 100000000;  // the reference implementation's limit
  if (bytes.size() < 8) fail(file, " is cut: it holds ", bytes.size(), " bytes, and a safetensors file at least 10");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (length > longest)
    fail(file, " is no safetensors file: a header of ", length, " bytes, at most ", longest, " expected");
  if (length > bytes.size() - 8)
    fail(file, " is cut: its header has ", length, " bytes, and only ", bytes.size() - 8, " follow");
  const std::string_view data = bytes.substr(8 + length);

  detail::HeaderReader header(bytes.substr(8, length), file);
  Safetensors content;
  std::vector<detail::TensorEntry> entries;
  bool metadata = false;
  header.expect('{');
  for (bool first = true; header.next('}', first); first = false) {
    std::string name = header.string();
    header.expect(':');
    if (name != "__metadata__") {
      entries.push_back(detail::read_tensor_entry(header, std::move(name)));
      continue;
    }
    if (std::exchange(metadata, true)) header.refuse("\"__metadata__\" twice");
    header.expect('{');
    for (bool pair = true; header.next('}', pair); pair = false) {
      std::string key = header.string();
      header.expect(':');
      content.metadata.emplace_back(std::move(key), header.string());
    }
  }
  if (!header.ended()) header.refuse("text after its end");

  std::vector<std::string_view> names;
  for (const auto& entry : entries) names.push_back(entry.tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail(file, " is no sound safetensors file: it has the tensor \"", *twice, "\" twice");

  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  std::uint64_t at = 0;
  for (auto& [tensor, begin, end] : entries) {
    if (begin != at || end < begin || end > data.size())
      fail(file, " is no sound safetensors file: the tensor \"", tensor.name, "\" has the bytes from ", begin, " to ",
           end, " of ", data.size(), ", expected to begin at ", at, ", where the one before ends");
    // In steps that can't overflow: a side that is too large shows before it is multiplied.
    std::uint64_t room = (end - begin) / tensor.width, numbers = 1;
    const bool empty = std::find(tensor.shape.begin(), tensor.shape.end(), 0U) != tensor.shape.end();
    for (const std::uint64_t side : tensor.shape) {
      if (empty) break;
      numbers = side > room / numbers ? room + 1 : numbers * side;
      if (numbers > room) break;
    }
    if (empty) numbers = 0;
    if (numbers != room || (end - begin) % tensor.width != 0)
      fail(file, " is no sound safetensors file: the tensor \"", tensor.name, "\" has ", end - begin,
           " bytes, which its shape does not explain");
    tensor.bytes = data.substr(begin, end - begin);
    at = end;
    content.tensors.push_back(std::move(tensor));
  }
  if (at != data.size())
    fail(file, " is no sound safetensors file: ", data.size() - at, " bytes at its end belong to no tensor");
  if (!content.tensors.empty() && std::endian::native != std::endian::little)
    fail(file, ": safetensors are read and written on little-endian machines only");
  return content;
}

/// Reads a safetensors file. Throws `Error` as `parse_safetensors` does, and if the file can't be read.
[[gnu::cold]] inline Safetensors read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path), path);
}

/// The bytes of a safetensors file. Throws `Error` if a name appears twice or is kept for the format, or a tensor's
/// bytes are not what its shape says.
[[gnu::cold, gnu::noinline]] inline std::string safetensors_bytes(const Safetensors& content) {
  if (std::endian::native != std::endian::little)
    fail("safetensors are read and written on little-endian machines only");
  std::string header = "{";
  std::size_t at = 0;
  if (!content.metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, text] : content.metadata) header += join(json_text(key), ":", json_text(text), ",");
    header.back() = '}';
    header += ',';
  }
  std::vector<std::string_view> names{"__metadata__"};
  for (const Tensor& tensor : content.tensors) {
    names.push_back(tensor.name);
    if ((tensor.width != 4 && tensor.width != 8 && tensor.width != 1) ||
        tensor.size() * tensor.width != tensor.bytes.size())
      fail("the tensor \"", tensor.name, "\" has ", tensor.bytes.size(), " bytes, and its shape ", tensor.size(),
           " numbers of ", tensor.width);
    header += join(json_text(tensor.name), ":{\"dtype\":\"", tensor.type(), "\",\"shape\":[");
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) header += join(i == 0 ? "" : ",", tensor.shape[i]);
    header += join("],\"data_offsets\":[", at, ",", at + tensor.bytes.size(), "]},");
    at += tensor.bytes.size();
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail("two tensors of a safetensors file are named \"", *twice, "\"");
  if (header.size() > 1) header.pop_back();
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the numbers begin at a multiple of 8
  std::string bytes;
  bytes.reserve(8 + header.size() + at);
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  bytes += header;
  for (const Tensor& tensor : content.tensors) bytes += tensor.bytes;
  return bytes;
}

/// Writes a safetensors file, whole or not at all. Throws `Error` as `safetensors_bytes` and `write_file` do.
[[gnu::cold]] inline void write_safetensors(const std::string& path, const Safetensors& content) {
  write_file(path, safetensors_bytes(content));
}

}  // namespace mtlx::data
