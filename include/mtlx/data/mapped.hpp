// SPDX-License-Identifier: MIT
// Inputs that stay in their file: it is mapped into memory, and the system loads the pages that are read and lets them
// go again when memory is short. So data may be larger than memory; subsets, splits and shuffles cost nothing more.
//
// As long as inputs of a mapped file are in use, the file must stay as it is. If it is written to, what is read changes
// under the model's feet; if it is cut, or a disk fails, the system ends the program with SIGBUS, which can't be turned
// into an error in a portable way. (Renaming or deleting is harmless; write a new file and rename it over the old one.)
//
// Needs POSIX; elsewhere all of this throws `Error`.
#pragma once

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <mtlx/core/error.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/detail/checks.hpp>
#include <mtlx/data/detail/dimensions.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/idx.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/npy.hpp>

namespace mtlx::data {

/// What the numbers of a file without a header are: bytes, or floats (32 bits) in this machine's byte order.
enum class Raw { bytes, floats };

/// Inputs must be finite. `checked`: a file of floats is read once from end to end when it is mapped, with little memory
/// but all the time that reading takes. `promised`: it is not, and a number that isn't finite is read as it is; training
/// stops where a loss comes out of it that isn't finite. Bytes are always finite, and never read beforehand.
enum class Finite { checked, promised };

namespace detail {

#if __has_include(<sys/mman.h>)

// A whole file as memory that can be read.
class MappedFile {
 public:
  [[gnu::cold]] explicit MappedFile(const std::string& path) {
    // Without waiting: a pipe is opened, and refused below, even if nobody writes to it.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) fail(path, " can't be opened: ", std::strerror(errno));
    struct stat about{};
    const bool known = ::fstat(file, &about) == 0;
    if (known && S_ISREG(about.st_mode) && about.st_size > 0) {
      size_ = static_cast<std::size_t>(about.st_size);
      memory_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    }
    const int reason = errno;
    ::close(file);  // the mapping holds the file by itself
    if (known && S_ISDIR(about.st_mode)) fail(path, " can't be mapped: it is a directory");
    if (known && !S_ISREG(about.st_mode)) fail(path, " can't be mapped: it is not a regular file");
    if (known && about.st_size == 0) fail(path, " is empty");
    if (memory_ == MAP_FAILED) fail(path, " can't be mapped: ", std::strerror(reason));
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, size_);
  }

  std::string_view bytes() const { return {static_cast<const char*>(memory_), size_}; }

  // Says that the file will be read from end to end, or not any more.
  void read_ahead(bool sequential) const { ::madvise(memory_, size_, sequential ? MADV_SEQUENTIAL : MADV_NORMAL); }
  // Lets bytes [begin, end) go, in whole pages, until they are read again.
  void forget(std::size_t begin, std::size_t end) const {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    begin -= begin % page;
    ::madvise(static_cast<char*>(memory_) + begin, (end - begin) / page * page, MADV_DONTNEED);
  }

 private:
  void* memory_ = MAP_FAILED;
  std::size_t size_ = 0;
};

#else

class MappedFile {
 public:
  [[gnu::cold]] explicit MappedFile(const std::string& path) {
    fail(path, " can't be mapped: this system is not supported; read the file instead");
  }
  std::string_view bytes() const { return {}; }
  void read_ahead(bool) const {}
  void forget(std::size_t, std::size_t) const {}
};

#endif

// A window of some megabytes goes over the file, so that no more than that is in memory at once.
[[gnu::cold]] inline void check_finite(const std::string& path, const MappedFile& file, std::span<const float> numbers,
                                       std::size_t offset, std::size_t width) {
  constexpr std::size_t window = std::size_t{1} << 22;
  file.read_ahead(true);
  for (std::size_t first = 0; first < numbers.size(); first += window) {
    const std::size_t count = std::min(window, numbers.size() - first);
    check_finite(path, numbers.subspan(first, count), first, width);
    file.forget(offset + first * sizeof(float), offset + (first + count) * sizeof(float));
  }
  file.read_ahead(false);
}

[[gnu::cold]] inline Inputs mapped_inputs(const std::string& path, std::shared_ptr<const MappedFile> file,
                                          const Shape& shape, Raw raw, std::size_t offset, Finite finite) {
  check_shape(path, shape);
  const std::string_view bytes = file->bytes();
  const std::size_t number = raw == Raw::floats ? sizeof(float) : 1;
  if (offset >= bytes.size())
    fail(path, " has ", bytes.size(), " bytes, and the numbers are said to start at byte ", offset);
  if (offset % number != 0)
    fail(path, " can't be mapped: its floats start at byte ", offset, ", expected a multiple of ", number);
  const std::size_t count = (bytes.size() - offset) / number;
  if ((bytes.size() - offset) % number != 0 || count % shape.size() != 0)
    fail(path, " has ", bytes.size() - offset, " bytes from byte ", offset, " on, expected a multiple of ",
         shape.size(), raw == Raw::floats ? " floats" : " bytes", " (shape ", shape, ")");
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data()) + offset;
  if (raw == Raw::bytes) return Inputs(shape, std::span(first, count), std::move(file));
  const std::span<const float> numbers(reinterpret_cast<const float*>(first), count);
  if (finite == Finite::checked) check_finite(path, *file, numbers, offset, shape.size());
  return Inputs(shape, numbers, std::move(file));
}

}  // namespace detail

/// Inputs from a file of numbers, `(n, channels, height, width)`, row-major, from byte `offset` to the file's end. Throws
/// `Error` naming the file if it is missing, empty or no regular file, can't be mapped, is no multiple of the shape's
/// size, has floats that start at no multiple of 4, or a number that isn't finite (see `Finite`); and for a shape with a
/// side below 1.
inline Inputs map_inputs(const std::string& path, const Shape& shape, Raw raw, std::size_t offset = 0,
                         Finite finite = Finite::checked) {
  return detail::mapped_inputs(path, std::make_shared<const detail::MappedFile>(path), shape, raw, offset, finite);
}

/// Inputs from a .npy file of `(n, features)` or `(n, channels, height, width)`, uint8 or float32. Throws `Error` as
/// above and as `read_npy` does, and for what can't be used as it lies: another type, the other byte order, Fortran's
/// order (`read_npy` reads these).
inline Inputs map_npy(const std::string& path, Finite finite = Finite::checked) {
  auto file = std::make_shared<const detail::MappedFile>(path);
  const NpyHeader header = parse_npy_header(file->bytes(), path);
  const bool bytes = header.kind == 'u' && header.width == 1, floats = header.kind == 'f' && header.width == 4;
  if (!bytes && !floats) fail(path, " can't be mapped: its numbers are neither uint8 nor float32; read_npy reads them");
  if (floats && header.big_endian != (std::endian::native == std::endian::big))
    fail(path, " can't be mapped: its numbers have the other byte order; read_npy reads them");
  if (header.fortran_order) fail(path, " can't be mapped: it is in Fortran's order; read_npy reads it");
  const Shape shape = detail::sample_shape(path, header.shape);
  if (header.shape[0] == 0) fail(path, " has no samples");
  return detail::mapped_inputs(path, std::move(file), shape, bytes ? Raw::bytes : Raw::floats, header.offset, finite);
}

/// Inputs from an IDX file of images, which must not be packed: dimensions `(n, height, width)`, or
/// `(n, channels, height, width)`. Throws `Error` as above and as `read_idx_images` does.
inline Inputs map_idx_images(const std::string& path) {
  auto file = std::make_shared<const detail::MappedFile>(path);
  if (file->bytes().starts_with("\x1F\x8B")) fail(path, " can't be mapped: it is packed with gzip; unpack it first");
  detail::Memory source(file->bytes(), path);
  const std::vector<std::size_t> dimensions = detail::idx_dimensions(source);
  const Shape shape = detail::idx_image_shape(path, dimensions);
  const std::size_t offset = 4 + 4 * dimensions.size(), promised = dimensions[0] * shape.size();
  if (file->bytes().size() < offset + promised)
    fail(path, " is cut: it holds ", file->bytes().size() - offset, " bytes of data, expected ", promised);
  if (file->bytes().size() > offset + promised)
    fail(path, " goes on after its data, expected to end after ", promised, " bytes");
  return detail::mapped_inputs(path, std::move(file), shape, Raw::bytes, offset, Finite::checked);
}

}  // namespace mtlx::data
