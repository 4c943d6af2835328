// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <mtlx/core/error.hpp>
#include <string>
#include <string_view>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define MTLX_CORE_POSIX 1
#else
#define MTLX_CORE_POSIX 0
#endif

namespace mtlx {

namespace detail {

// Writes to an open file and closes it, whatever happens. Gives 0 or the error's number.
[[gnu::cold]] inline int write_and_close(std::FILE* file, std::string_view text, bool to_disk) {
  int error = std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0 ? 0 : errno;
#if MTLX_CORE_POSIX
  if (error == 0 && to_disk && fsync(fileno(file)) != 0) error = errno;
#else
  static_cast<void>(to_disk);
#endif
  if (std::fclose(file) != 0 && error == 0) error = errno;
  return error;
}

#if MTLX_CORE_POSIX
// Makes a rename last through a power cut. A file system that can't has still renamed: nothing to report.
[[gnu::cold]] inline void settle_folder(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int handle = open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (handle < 0) return;
  static_cast<void>(fsync(handle));
  close(handle);
}
#endif

}  // namespace detail

/// Writes a text as a file, whole or not at all: into PATH.partial first, which takes the place of an older file only
/// when all of it is on the disk. (What is no regular file, such as /dev/stdout or a link, is written in place.) Two
/// programs must not write one file at the same time. Throws `Error` with path and reason; an older file is then as it
/// was.
[[gnu::cold, gnu::noinline]] inline void write_file(const std::string& path, std::string_view text) {
  std::string target = path + ".partial";
#if MTLX_CORE_POSIX
  struct stat older{};
  const bool replaces = lstat(path.c_str(), &older) == 0;
  if (replaces && !S_ISREG(older.st_mode)) target = path;
#endif
  std::FILE* file = std::fopen(target.c_str(), "wb");
  if (file == nullptr) fail("cannot write ", path, ": ", std::strerror(errno));
#if MTLX_CORE_POSIX
  if (replaces && target != path) static_cast<void>(fchmod(fileno(file), older.st_mode & 07777));
#endif
  int error = detail::write_and_close(file, text, target != path);
  if (target != path) {
#if !MTLX_CORE_POSIX
    if (error == 0) std::remove(path.c_str());  // elsewhere, rename does not replace
#endif
    if (error == 0 && std::rename(target.c_str(), path.c_str()) != 0) error = errno;
    if (error != 0) std::remove(target.c_str());
  }
  if (error != 0) fail("cannot write ", path, ": ", std::strerror(error));
#if MTLX_CORE_POSIX
  detail::settle_folder(path);
#endif
}

/// Puts a text at the end of a file, which is made if it is not there. Throws `Error` with path and reason.
[[gnu::cold, gnu::noinline]] inline void append_file(const std::string& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "ab");
  const int error = file == nullptr ? errno : detail::write_and_close(file, text, false);
  if (error != 0) fail("cannot write ", path, ": ", std::strerror(error));
}

/// All bytes of a file. Memory grows with what is read, whatever size the file claims. Throws `Error` with path and
/// reason.
[[gnu::cold, gnu::noinline]] inline std::string read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) fail("cannot read ", path, ": ", std::strerror(errno));
  std::string text;
  int error = 0;
  try {
    char part[16384];
    while (const std::size_t got = std::fread(part, 1, sizeof part, file)) text.append(part, got);
    if (std::ferror(file) != 0) error = errno;
  } catch (const std::exception&) {
    error = ENOMEM;
  }
  std::fclose(file);
  if (error != 0) fail("cannot read ", path, ": ", std::strerror(error));
  return text;
}

/// Whether a file's last byte is that one; an empty file counts as if it were.
[[gnu::cold, gnu::noinline]] inline bool ends_in(const std::string& path, char last) {
  const std::string bytes = read_file(path);
  return bytes.empty() || bytes.back() == last;
}

/// Whether there is something of that name.
[[gnu::cold]] inline bool file_exists(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return errno != ENOENT;
  std::fclose(file);
  return true;
}

/// Makes a folder, unless there is one; not the folders above it. Throws `Error` with path and reason. (Where there is no
/// POSIX it does nothing: make it yourself.)
[[gnu::cold, gnu::noinline]] inline void make_folder([[maybe_unused]] const std::string& path) {
#if MTLX_CORE_POSIX
  struct stat found{};
  if (mkdir(path.c_str(), 0777) == 0) return;
  const int error = errno;
  if (stat(path.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
    fail("cannot make the folder ", path, ": ", std::strerror(error));
#endif
}

}  // namespace mtlx
