// SPDX-License-Identifier: MIT
// The IDX format of MNIST and its kin: two zero bytes, the type of the numbers (8 for bytes), how many dimensions, each
// dimension as four bytes with the highest first, then the numbers, row-major. Often packed with gzip.
// Nothing in a file is believed: what it promises is held against its size before memory is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/dimensions.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/inputs.hpp>

namespace mtlx::data {

/// An array of bytes as read from an IDX file: row-major, as many bytes as the product of the dimensions (each at least
/// 1; at least one of them).
struct Idx {
  std::vector<std::size_t> dimensions;
  std::vector<std::uint8_t> bytes;
};

namespace detail {

// Reads the header and leaves the source at the numbers, of which it can hold as many as are promised.
[[gnu::cold]] inline std::vector<std::size_t> idx_dimensions(Source& source) {
  const std::string& path = source.name();
  if (source.capacity() == 0) fail(path, " is empty, expected an IDX file");
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

  std::vector<std::size_t> dimensions;
  std::size_t promised = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    header(word);
    std::size_t side = 0;
    for (const std::uint8_t byte : word) side = side << 8 | byte;
    if (side == 0) fail(path, " has dimension ", d, " of size 0");
    if (promised > std::numeric_limits<std::size_t>::max() / side)
      fail(path, " promises more bytes than can be counted, in ", rank, " dimensions");
    promised *= side;
    dimensions.push_back(side);
  }
  if (promised > source.capacity())
    fail(path, " promises ", promised, " bytes, but the file can hold at most ", source.capacity());
  return dimensions;
}

[[gnu::cold]] inline Idx parse_idx(Source& source) {
  const std::string& path = source.name();
  Idx array;
  array.dimensions = idx_dimensions(source);
  std::size_t promised = 1;
  for (const std::size_t side : array.dimensions) promised *= side;
  resize(array.bytes, promised, path);
  const std::size_t got = source.read(array.bytes.data(), promised);
  if (got != promised) fail(path, " is cut: it holds ", got, " bytes of data, expected ", promised);
  std::uint8_t more = 0;
  if (source.read(&more, 1) != 0) fail(path, " goes on after its data, expected to end after ", promised, " bytes");
  return array;
}

// The shape of one image.
[[gnu::cold]] inline Shape idx_image_shape(const std::string& path, const std::vector<std::size_t>& dimensions) {
  const std::size_t rank = dimensions.size();
  if (rank != 3 && rank != 4)
    fail(path, " has ", rank, " dimensions, expected images: 3 (n, height, width) or 4 (n, channels, height, width)");
  const auto side_at = [&](std::size_t d) { return side(path, dimensions, d); };
  // Inputs keep a few numbers per channel, which a file of very many, very small channels could turn into gigabytes.
  if (rank == 4 && dimensions[1] > 65536)
    fail(path, " has images of ", dimensions[1], " channels, expected at most 65536");
  return {rank == 4 ? side_at(1) : 1, side_at(rank - 2), side_at(rank - 1)};
}

}  // namespace detail

/// Reads an IDX file of bytes that lies in memory, unpacked; errors call it `name`. Throws `Error` as `read_idx` does.
inline Idx parse_idx(std::string_view bytes, std::string_view name) {
  detail::Memory source(bytes, name);
  return detail::parse_idx(source);
}

// Named by what they can read, since programs mix translation units built with zlib and without.
#if MTLX_DATA_ZLIB
inline namespace with_zlib {
#else
inline namespace without_zlib {
#endif

/// Reads an IDX file of bytes, plain or packed with gzip (one member; needs zlib and `MTLX_USE_ZLIB`, which linking
/// `mtlx::zlib` gives). Throws `Error` naming the file if it is missing, unreadable, cut, of another type, holds more
/// or less than it promises, or is broken in any other way.
[[gnu::cold]] inline Idx read_idx(const std::string& path) {
  return detail::with_file(path, [](detail::Source& source) { return detail::parse_idx(source); });
}

/// Reads images: dimensions `(n, height, width)`, or `(n, channels, height, width)`. Throws `Error` as `read_idx` does,
/// for other dimensions, and for more than 65536 channels.
[[gnu::cold]] inline Inputs read_idx_images(const std::string& path) {
  Idx array = read_idx(path);
  const Shape shape = detail::idx_image_shape(path, array.dimensions);
  return Inputs(shape, std::move(array.bytes));
}

/// Reads labels: one dimension, each a number from 0 to 255. Throws `Error` as `read_idx` does, and for other
/// dimensions.
[[gnu::cold]] inline std::vector<int> read_idx_labels(const std::string& path) {
  const Idx array = read_idx(path);
  if (array.dimensions.size() != 1) fail(path, " has ", array.dimensions.size(), " dimensions, expected 1 (labels)");
  return {array.bytes.begin(), array.bytes.end()};
}

}  // inline namespace

}  // namespace mtlx::data
