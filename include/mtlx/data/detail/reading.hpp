// SPDX-License-Identifier: MIT
// What the readers of files share. Nothing in a file is believed: what it promises is held against its size before
// memory is asked for, and every error names the file, and in a text the row (from 1, as editors count).
#pragma once

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#if defined(MTLX_USE_ZLIB) && __has_include(<zlib.h>)
#include <zlib.h>
#define MTLX_DATA_ZLIB 1
#else
#define MTLX_DATA_ZLIB 0
#endif

#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/scalar.hpp>

namespace mtlx::data::detail {

// Closes what it opened. (std::unique_ptr would do, but <memory> is the dearest header of all here to compile.)
class OpenFile {
 public:
  explicit OpenFile(const char* path) : file_(std::fopen(path, "rb")) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (file_) std::fclose(file_);
  }
  std::FILE* get() const { return file_; }

 private:
  std::FILE* file_;
};

// Bytes in order, from wherever they come, and the name that errors give them.
class Source {
 public:
  explicit Source(std::string_view name) : name_(name) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Up to `count` bytes; fewer only at the end.
  virtual std::size_t read(std::uint8_t* to, std::size_t count) = 0;
  /// The most bytes that there can be.
  virtual std::size_t capacity() const = 0;
  /// What it is called in errors.
  const std::string& name() const { return name_; }

 protected:
  ~Source() = default;

 private:
  std::string name_;
};

// Bytes in memory, which must outlive it.
class Memory final : public Source {
 public:
  Memory(std::string_view bytes, std::string_view name) : Source(name), left_(bytes), size_(bytes.size()) {}

  [[gnu::cold]] std::size_t read(std::uint8_t* to, std::size_t count) override {
    const std::size_t got = count < left_.size() ? count : left_.size();
    if (got != 0) std::memcpy(to, left_.data(), got);
    left_.remove_prefix(got);
    return got;
  }
  std::size_t capacity() const override { return size_; }

 private:
  std::string_view left_;
  std::size_t size_;
};

// A regular file as it lies on disk.
class PlainFile final : public Source {
 public:
  [[gnu::cold]] explicit PlainFile(const std::string& path) : Source(path), file_(path.c_str()) {
    if (!file_.get()) fail(path, " can't be opened: ", std::strerror(errno));
    std::uint8_t first[2] = {};
    const std::size_t got = std::fread(first, 1, sizeof first, file_.get());  // fails here for a directory
    check_stream();
    gzip_ = got == 2 && first[0] == 0x1F && first[1] == 0x8B;
    const long end = std::fseek(file_.get(), 0, SEEK_END) == 0 ? std::ftell(file_.get()) : -1;
    if (end < 0 || std::fseek(file_.get(), 0, SEEK_SET) != 0) fail(path, " can't be read: it is not a regular file");
    size_ = static_cast<std::size_t>(end);
  }

  [[gnu::cold]] std::size_t read(std::uint8_t* to, std::size_t count) override {
    const std::size_t got = std::fread(to, 1, count, file_.get());
    check_stream();
    return got;
  }
  std::size_t capacity() const override { return size_; }
  /// Whether it starts like a gzip file.
  bool gzip() const { return gzip_; }

 private:
  void check_stream() const {
    if (std::ferror(file_.get())) fail(name(), " can't be read: ", std::strerror(errno));
  }

  OpenFile file_;
  std::size_t size_ = 0;
  bool gzip_ = false;
};

#if MTLX_DATA_ZLIB
// What gzip data of one member unpacks to, never more of it than is asked for.
class GzipFile final : public Source {
 public:
  [[gnu::cold]] explicit GzipFile(Source& packed)
      : Source(packed.name()), packed_(packed), buffer_(std::size_t{1} << 16) {
    // 15 is the largest window, 16 more asks for gzip's head and checksum instead of zlib's.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) fail(name(), " can't be unpacked: zlib does not start");
  }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;
  [[gnu::cold]] ~GzipFile() { inflateEnd(&stream_); }

  // At the end, checksum and file end have been checked.
  [[gnu::cold]] std::size_t read(std::uint8_t* to, std::size_t count) override {
    std::size_t got = 0;
    while (got < count && !ended_) {
      if (stream_.avail_in == 0) refill();
      constexpr std::size_t most = std::numeric_limits<uInt>::max();
      const std::size_t room = count - got < most ? count - got : most;
      stream_.next_out = to + got;
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      got += room - stream_.avail_out;
      if (status == Z_STREAM_END)
        end();
      else if (status != Z_OK && !(status == Z_BUF_ERROR && stream_.avail_in == 0))
        fail(name(), " is a broken gzip file", stream_.msg ? ": " : "", stream_.msg ? stream_.msg : "");
    }
    return got;
  }

  // Deflate packs at most 1032 to 1 (258 bytes in two bits), rounded up.
  std::size_t capacity() const override {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return packed_.capacity() > most / 1040 ? most : packed_.capacity() * 1040;
  }

 private:
  [[gnu::cold]] void refill() {
    const std::size_t got = packed_.read(buffer_.data(), buffer_.size());
    if (got == 0) fail(name(), " is cut: the gzip file ends in the middle");
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(got);
  }

  [[gnu::cold]] void end() {
    ended_ = true;
    std::uint8_t byte = 0;
    if (stream_.avail_in != 0 || packed_.read(&byte, 1) != 0)
      fail(name(), " goes on after the end of its gzip data, expected one gzip member and nothing behind it");
  }

  Source& packed_;
  std::vector<std::uint8_t> buffer_;
  z_stream stream_{};
  bool ended_ = false;
};
#endif

// Room for `count` more numbers or bytes that a file holds; a sentence instead of std::bad_alloc.
template <class Container>
void resize(Container& container, std::size_t count, const std::string& name) {
  try {
    container.resize(count);
  } catch (const std::exception&) {
    fail(name, " needs memory for ", count, " numbers of ", sizeof(container[0]), " bytes, which can't be had");
  }
}

// Named by what they can read, since programs mix translation units built with zlib and without.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

// Calls read(Source&) with what a gzip file of one member unpacks to.
template <class Read>
auto unpacked_with(Source& packed, Read&& read) -> decltype(read(packed)) {
#if MTLX_DATA_ZLIB
  GzipFile unpacked(packed);
  return read(unpacked);
#else
  fail(packed.name(), " is packed with gzip, which this program was built without: link mtlx::zlib (it defines ",
       "MTLX_USE_ZLIB), or unpack the file");
#endif
}

// Calls read(Source&) with a file's bytes, unpacked if it is packed with gzip.
template <class Read>
auto with_file(const std::string& path, Read&& read) -> decltype(read(std::declval<Source&>())) {
  PlainFile file(path);
  if (!file.gzip()) return read(file);
  return unpacked_with(file, read);
}

// A whole file's bytes, unpacked if it is packed with gzip. Memory grows with what is really there.
[[gnu::cold]] inline std::string read_file(const std::string& path) {
  std::string bytes = mtlx::read_file(path);
  if (!bytes.starts_with("\x1F\x8B")) return bytes;
  Memory packed(bytes, path);
  return unpacked_with(packed, [](Source& source) {
    std::string text;
    std::size_t size = 0;
    do {
      resize(text, size < 65536 ? 65536 : 2 * size, source.name());
      size += source.read(reinterpret_cast<std::uint8_t*>(text.data()) + size, text.size() - size);
    } while (size == text.size());
    text.resize(size);
    return text;
  });
}

}  // inline namespace

// A piece of a file as errors show it: in quotes, cut to 40 bytes, control signs as '?'.
[[gnu::cold]] inline std::string shown(std::string_view text) {
  std::size_t size = text.size();
  if (size > 40) {
    size = 40;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;  // no half letters of UTF-8
  }
  std::string result = "\"";
  for (const char sign : text.substr(0, size))
    result += static_cast<unsigned char>(sign) < 32 || sign == 127 ? '?' : sign;
  return result + (size < text.size() ? "...\"" : "\"");
}

// The text without the mark that some editors put in front of UTF-8.
inline std::string_view without_byte_order_mark(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

// The text without blanks and tabs at its ends.
inline std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The lines of a text, with their row numbers from 1. A line ends with LF or CRLF, the last one also with the text; a
// byte order mark is passed over. Throws `Error` for a zero byte and for a CR that ends no line.
class Lines {
 public:
  /// The text must outlive it.
  Lines(std::string_view text, std::string_view name) : left_(without_byte_order_mark(text)), name_(name) {}

  /// Goes to the next line; false if there is none.
  bool next() {
    if (left_.empty()) return false;
    ++row_;
    const std::size_t end = left_.find('\n');
    line_ = left_.substr(0, end);
    left_.remove_prefix(end == std::string_view::npos ? left_.size() : end + 1);
    if (end != std::string_view::npos && line_.ends_with('\r')) line_.remove_suffix(1);
    if (line_.find('\0') != std::string_view::npos)
      fail(name_, ", row ", row_, ": a zero byte, expected text (in UTF-8)");
    if (line_.find('\r') != std::string_view::npos)
      fail(name_, ", row ", row_, ": a carriage return that ends no line, expected lines that end with LF or CRLF");
    return true;
  }
  /// The line, without its end.
  std::string_view line() const { return line_; }
  /// The line's number, from 1; 0 before the first.
  std::size_t row() const { return row_; }
  /// What the text is called in errors.
  const std::string& name() const { return name_; }

 private:
  std::string_view left_, line_;
  std::string name_;
  std::size_t row_ = 0;
};

// What a piece of text turned out to be.
enum class Parsed { number, text, not_finite };

// Whether a number in decimal digits is below 1 in size: what is out of a double's range is then 0, rounded.
[[gnu::cold]] inline bool below_one(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, e);
  std::size_t point = digits.find('.');
  if (point == std::string_view::npos) point = digits.size();
  const std::size_t first = digits.find_first_of("123456789");
  long long exponent = 0;
  if (e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (error == std::errc::result_out_of_range) return power.starts_with('-');
  }
  if (first == std::string_view::npos) return true;
  // No text is long enough for a larger exponent to matter, and the sum must not overflow.
  constexpr long long most = 1'000'000'000'000'000'000;
  exponent = exponent < -most ? -most : exponent > most ? most : exponent;
  return static_cast<long long>(point) - static_cast<long long>(first) + exponent <= 0;
}

// Reads a whole piece of text as a number in C's decimal notation, whatever the locale; blanks around it and one plus
// sign are allowed. Too small for a double is 0; too large, infinity and NaN are `not_finite`.
inline Parsed parse_number(std::string_view text, double& value) {
  text = trimmed(text);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  double found = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), found);
  if (error == std::errc::invalid_argument || end != text.data() + text.size()) return Parsed::text;
  if (error == std::errc::result_out_of_range) {
    if (!below_one(text)) return Parsed::not_finite;
    found = 0;
  }
  if (!is_finite(found)) return Parsed::not_finite;
  value = found;
  return Parsed::number;
}

// Reads a whole piece of text as a whole number from 0 on, digits and nothing else.
inline bool parse_index(std::string_view text, std::size_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && !text.empty() && end == text.data() + text.size();
}

}  // namespace mtlx::data::detail
