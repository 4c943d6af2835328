// SPDX-License-Identifier: MIT
#include <mtlx/core/file.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/temporary.hpp"

using namespace mtlx;

namespace {

std::size_t entries(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.exists() ? 1 : 0;
  return count;
}

// While it lives, files can't grow beyond so many bytes: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("a text is written whole and read again") {
  const Temporary folder;
  const std::string path = folder.path() + "/file";
  CHECK_FALSE(file_exists(path));
  for (const std::string& text : {std::string("two\nlines\0and a zero", 20), std::string(), std::string(100000, 'x')}) {
    write_file(path, text);
    CHECK(read_file(path) == text);
    CHECK(entries(folder.path()) == 1);
  }
  CHECK(file_exists(path));
}

TEST_CASE("what can't be written or read is named with the reason") {
  const Temporary folder;
  CHECK_THROWS_WITH_AS(write_file("/no such folder/file", "x"),
                       "mtlx: cannot write /no such folder/file: No such file or directory", Error);
  CHECK_THROWS_WITH_AS(append_file("/no such folder/file", "x"),
                       "mtlx: cannot write /no such folder/file: No such file or directory", Error);
  CHECK_THROWS_WITH_AS(read_file("/no such folder/file"),
                       "mtlx: cannot read /no such folder/file: No such file or directory", Error);
  CHECK(error_of([&] { write_file(folder.path(), "x"); }) ==
        ("mtlx: cannot write " + folder.path() + ": Is a directory").c_str());
  CHECK(error_of([&] { read_file(folder.path()); }) ==
        ("mtlx: cannot read " + folder.path() + ": Is a directory").c_str());
  CHECK_THROWS_WITH_AS(write_file("/dev/full", "x"), "mtlx: cannot write /dev/full: No space left on device", Error);
}

TEST_CASE("a full disk leaves the older file as it was, and nothing beside it") {
  const Temporary folder;
  const std::string path = folder.path() + "/file", older(3000, 'o');
  write_file(path, older);
  {
    const FullDisk full(5000);
    CHECK(error_of([&] { write_file(path, std::string(20000, 'n')); }) ==
          ("mtlx: cannot write " + path + ": File too large").c_str());
  }
  CHECK(read_file(path) == older);
  CHECK(entries(folder.path()) == 1);
  write_file(path, std::string(20000, 'n'));
  CHECK(read_file(path).size() == 20000);
}

TEST_CASE("what an interrupted writer left behind is in nobody's way") {
  const Temporary folder;
  const std::string path = folder.path() + "/file";
  write_file(path + ".partial", "half of a longer te");
  write_file(path, "new");
  CHECK(read_file(path) == "new");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("permissions stay, and a link stays a link") {
  const Temporary folder;
  const std::string path = folder.path() + "/file", link = folder.path() + "/link";
  write_file(path, "older");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  write_file(path, "newer");
  struct stat about{};
  REQUIRE(stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0640);
  REQUIRE(symlink(path.c_str(), link.c_str()) == 0);
  write_file(link, "through");
  CHECK(read_file(path) == "through");
  REQUIRE(lstat(link.c_str(), &about) == 0);
  CHECK(S_ISLNK(about.st_mode));
}

TEST_CASE("texts follow each other in a file") {
  const Temporary folder;
  const std::string path = folder.path() + "/file";
  append_file(path, "one\n");
  append_file(path, "two\n");
  CHECK(read_file(path) == "one\ntwo\n");
}
