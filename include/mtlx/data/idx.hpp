// SPDX-License-Identifier: MIT
// The IDX format of MNIST and its kin: two zero bytes, the type of the numbers (8 for bytes), how many dimensions, each
// dimension as four bytes with the highest first, then the numbers, row-major. Often packed with gzip.
// Nothing in a file is believed: what it promises is held against its size before memory is asked for.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if defined(MTLX_USE_ZLIB) && __has_include(<zlib.h>)
#include <zlib.h>
#define MTLX_DATA_ZLIB 1
#else
#define MTLX_DATA_ZLIB 0
#endif

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/inputs.hpp>

namespace mtlx::data {

/// An array of bytes as read from an IDX file: row-major, as many bytes as the product of the dimensions (each at least
/// 1; at least one of them).
struct Idx {
  std::vector<std::size_t> dimensions;
  std::vector<std::uint8_t> bytes;
};

namespace detail {

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

// A file's bytes in order, with the errors that name it.
class PlainFile {
 public:
  explicit PlainFile(const std::string& path) : path_(path), file_(path.c_str()) {
    if (!file_.get()) fail(path, " can't be opened: ", std::strerror(errno));
    std::uint8_t first[2] = {};
    const std::size_t got = std::fread(first, 1, sizeof first, file_.get());  // fails here for a directory
    check_stream();
    if (got == 0) fail(path, " is empty, expected an IDX file");
    gzip_ = got == 2 && first[0] == 0x1F && first[1] == 0x8B;
    const long end = std::fseek(file_.get(), 0, SEEK_END) == 0 ? std::ftell(file_.get()) : -1;
    if (end < 0 || std::fseek(file_.get(), 0, SEEK_SET) != 0) fail(path, " can't be read: it is not a regular file");
    size_ = static_cast<std::size_t>(end);
  }

  /// Up to `count` bytes; fewer only at the end.
  std::size_t read(std::uint8_t* to, std::size_t count) {
    const std::size_t got = std::fread(to, 1, count, file_.get());
    check_stream();
    return got;
  }

  const std::string& path() const { return path_; }
  /// Bytes in the file.
  std::size_t size() const { return size_; }
  /// The most bytes of content that the file can hold.
  std::size_t capacity() const { return size_; }
  /// Whether it starts like a gzip file.
  bool gzip() const { return gzip_; }

 private:
  void check_stream() const {
    if (std::ferror(file_.get())) fail(path_, " can't be read: ", std::strerror(errno));
  }

  std::string path_;
  OpenFile file_;
  std::size_t size_ = 0;
  bool gzip_ = false;
};

#if MTLX_DATA_ZLIB
// What a gzip file of one member unpacks to, never more of it than is asked for.
class GzipFile {
 public:
  explicit GzipFile(PlainFile& packed) : packed_(packed), buffer_(std::size_t{1} << 16) {
    // 15 is the largest window, 16 more asks for gzip's head and checksum instead of zlib's.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) fail(path(), " can't be unpacked: zlib does not start");
  }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;
  ~GzipFile() { inflateEnd(&stream_); }

  /// Up to `count` unpacked bytes; fewer only at the end, where checksum and file end have been checked.
  std::size_t read(std::uint8_t* to, std::size_t count) {
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
        fail(path(), " is a broken gzip file", stream_.msg ? ": " : "", stream_.msg ? stream_.msg : "");
    }
    return got;
  }

  const std::string& path() const { return packed_.path(); }
  /// The most bytes that the file can unpack to: deflate packs at most 1032 to 1 (258 bytes in two bits), rounded up.
  std::size_t capacity() const {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return packed_.size() > most / 1040 ? most : packed_.size() * 1040;
  }

 private:
  void refill() {
    const std::size_t got = packed_.read(buffer_.data(), buffer_.size());
    if (got == 0) fail(path(), " is cut: the gzip file ends in the middle");
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(got);
  }

  void end() {
    ended_ = true;
    std::uint8_t byte = 0;
    if (stream_.avail_in != 0 || packed_.read(&byte, 1) != 0)
      fail(path(), " goes on after the end of its gzip data, expected one gzip member and nothing behind it");
  }

  PlainFile& packed_;
  std::vector<std::uint8_t> buffer_;
  z_stream stream_{};
  bool ended_ = false;
};
#endif

template <class Source>
Idx parse_idx(Source& source) {
  const std::string& path = source.path();
  const auto header = [&](std::uint8_t* to) {
    if (source.read(to, 4) != 4) fail(path, " is cut: it ends inside the IDX header");
  };
  std::uint8_t word[4];
  header(word);
  if (word[0] != 0 || word[1] != 0)
    fail(path, " is no IDX file: it starts with bytes ", word[0], " ", word[1], ", expected 0 0");
  if (word[2] != 8)
    fail(path, " holds IDX numbers of type ", word[2], ", expected type 8 (unsigned bytes), the only one read");
  const std::size_t rank = word[3];
  if (rank == 0) fail(path, " is no IDX array: it has no dimensions");

  Idx array;
  std::size_t promised = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    header(word);
    std::size_t side = 0;
    for (const std::uint8_t byte : word) side = side << 8 | byte;
    if (side == 0) fail(path, " has dimension ", d, " of size 0");
    if (promised > std::numeric_limits<std::size_t>::max() / side)
      fail(path, " promises more bytes than can be counted, in ", rank, " dimensions");
    promised *= side;
    array.dimensions.push_back(side);
  }
  if (promised > source.capacity())
    fail(path, " promises ", promised, " bytes, but the file can hold at most ", source.capacity());
  try {
    array.bytes.resize(promised);
  } catch (const std::exception&) {
    fail(path, " needs ", promised, " bytes of memory, which can't be had");
  }
  const std::size_t got = source.read(array.bytes.data(), promised);
  if (got != promised) fail(path, " is cut: it holds ", got, " bytes of data, expected ", promised);
  std::uint8_t more = 0;
  if (source.read(&more, 1) != 0) fail(path, " goes on after its data, expected to end after ", promised, " bytes");
  return array;
}

}  // namespace detail

// Named by what they can read, since programs mix translation units built with zlib and without.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Reads an IDX file of bytes, plain or packed with gzip (one member; needs zlib and `MTLX_USE_ZLIB`, which linking
/// `mtlx::zlib` gives). Throws `Error` naming the file if it is missing, unreadable, cut, of another type, holds more
/// or less than it promises, or is broken in any other way.
inline Idx read_idx(const std::string& path) {
  detail::PlainFile file(path);
  if (!file.gzip()) return detail::parse_idx(file);
#if MTLX_DATA_ZLIB
  detail::GzipFile unpacked(file);
  return detail::parse_idx(unpacked);
#else
  fail(path, " is packed with gzip, which this program was built without: link mtlx::zlib (it defines MTLX_USE_ZLIB), ",
       "or unpack the file");
#endif
}

/// Reads images: dimensions `(n, height, width)`, or `(n, channels, height, width)`. Throws `Error` as `read_idx` does,
/// for other dimensions, and for more than 65536 channels.
inline Inputs read_idx_images(const std::string& path) {
  Idx array = read_idx(path);
  const std::size_t rank = array.dimensions.size();
  if (rank != 3 && rank != 4)
    fail(path, " has ", rank, " dimensions, expected images: 3 (n, height, width) or 4 (n, channels, height, width)");
  const auto side = [&](std::size_t d) {
    if (array.dimensions[d] > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      fail(path, " has dimension ", d, " of size ", array.dimensions[d], ", too large for an image");
    return static_cast<int>(array.dimensions[d]);
  };
  // Inputs keep a few numbers per channel, which a file of very many, very small channels could turn into gigabytes.
  if (rank == 4 && array.dimensions[1] > 65536)
    fail(path, " has images of ", array.dimensions[1], " channels, expected at most 65536");
  const Shape shape{rank == 4 ? side(1) : 1, side(rank - 2), side(rank - 1)};
  return Inputs(shape, std::move(array.bytes));
}

/// Reads labels: one dimension, each a number from 0 to 255. Throws `Error` as `read_idx` does, and for other
/// dimensions.
inline std::vector<int> read_idx_labels(const std::string& path) {
  const Idx array = read_idx(path);
  if (array.dimensions.size() != 1) fail(path, " has ", array.dimensions.size(), " dimensions, expected 1 (labels)");
  return {array.bytes.begin(), array.bytes.end()};
}

}  // inline namespace

}  // namespace mtlx::data
