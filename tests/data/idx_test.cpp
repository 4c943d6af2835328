// SPDX-License-Identifier: MIT
#include <mtlx/data/idx.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <mtlx/core/random.hpp>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes counting(std::size_t count) {
  Bytes bytes(count);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

doctest::String error_of_file(const Temporary& folder, const Bytes& bytes) {
  const std::string path = folder.file("hostile", bytes);
  const doctest::String message = error_of([&] { read_idx(path); });
  CHECK(message == Contains(("mtlx: " + path).c_str()));  // every error names the file
  return message;
}

// Whether a plain file is a valid array, told from the whole file at once and in floating point.
bool valid(const Bytes& file) {
  if (file.size() < 4 || file[0] != 0 || file[1] != 0 || file[2] != 8 || file[3] == 0) return false;
  const std::size_t head = 4 + std::size_t{4} * file[3];
  if (file.size() < head) return false;
  long double product = 1;
  for (std::size_t i = 4; i < head; i += 4)
    product *= file[i] * 16777216.0L + file[i + 1] * 65536.0L + file[i + 2] * 256.0L + file[i + 3];
  return product > 0 && product == static_cast<long double>(file.size() - head);
}

Bytes mutated_bytes(const Bytes& bytes, Random& random) {
  const std::string mutant = mutated(std::string(bytes.begin(), bytes.end()), random);
  return {mutant.begin(), mutant.end()};
}

}  // namespace

TEST_CASE("an IDX file is read as it was written") {
  const Temporary folder;
  const Idx array = read_idx(folder.file("a", idx_file({2, 3, 4}, counting(24))));
  CHECK(array.dimensions == std::vector<std::size_t>{2, 3, 4});
  CHECK(array.bytes == counting(24));
  CHECK(read_idx(folder.file("wide", idx_file({300}, counting(300)))).dimensions[0] == 300);
}

TEST_CASE("an IDX file in memory reads like one on disk") {
  const Bytes bytes = idx_file({2, 3}, counting(6));
  const Idx array = parse_idx({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "here");
  CHECK(array.dimensions == std::vector<std::size_t>{2, 3});
  CHECK(array.bytes == counting(6));
  CHECK(error_of([] { parse_idx("", "here"); }) == "mtlx: here is empty, expected an IDX file");
  CHECK(error_of([] { parse_idx({"\0\0\x08\x01\0\0\0\x05", 8}, "here"); }) ==
        "mtlx: here is cut: it holds 0 bytes of data, expected 5");
}

TEST_CASE("images and labels come with their shapes") {
  const Temporary folder;
  const Inputs grey = read_idx_images(folder.file("grey", idx_file({2, 3, 4}, counting(24))));
  CHECK(grey.size() == 2);
  CHECK(grey.shape() == Shape{1, 3, 4});
  CHECK(grey.bytes()[12] == 13);
  const Inputs colour = read_idx_images(folder.file("colour", idx_file({1, 3, 2, 4}, counting(24))));
  CHECK(colour.size() == 1);
  CHECK(colour.shape() == Shape{3, 2, 4});
  CHECK(read_idx_labels(folder.file("labels", idx_file({3}, {7, 255, 0}))) == std::vector<int>{7, 255, 0});

  CHECK(error_of([&] { read_idx_images(folder.file("flat", idx_file({4, 2}, counting(8)))); }) ==
        Contains("2 dimensions, expected images"));
  CHECK(error_of([&] { read_idx_images(folder.file("deep", idx_file({1, 1, 1, 2, 2}, counting(4)))); }) ==
        Contains("5 dimensions"));
  CHECK(error_of([&] { read_idx_labels(folder.file("flat", idx_file({4, 2}, counting(8)))); }) ==
        Contains("2 dimensions, expected 1 (labels)"));
}

TEST_CASE("images of too many channels are refused") {
  const Temporary folder;
  const auto error = [&](std::uint32_t channels) {
    return error_of([&] { read_idx_images(folder.file("deep", idx_file({1, channels, 1, 1}, Bytes(channels)))); });
  };
  CHECK(error(65536) == "");
  CHECK(error(65537) == Contains("65537 channels, expected at most 65536"));
}

TEST_CASE("what is no file says so") {
  const Temporary folder;
  CHECK(error_of([&] { read_idx(folder.path() + "/none"); }) == Contains("/none can't be opened: No such file"));
  CHECK(error_of([&] { read_idx(folder.path()); }) == Contains("can't be read: Is a directory"));
  CHECK(error_of([] { read_idx(""); }) == Contains("can't be opened"));
  CHECK(error_of_file(folder, {}) == Contains("is empty"));
#ifdef __linux__
  CHECK(error_of([] { read_idx("/dev/zero"); }) != "");
#endif
}

TEST_CASE("a hostile IDX file ends in a sentence") {
  const Temporary folder;
  const auto error = [&](const Bytes& bytes) { return error_of_file(folder, bytes); };
  CHECK(error({0}) == Contains("ends inside the IDX header"));
  CHECK(error({0, 0, 8}) == Contains("ends inside the IDX header"));
  CHECK(error({0, 0, 8, 1, 0, 0}) == Contains("ends inside the IDX header"));
  CHECK(error({0, 0, 8, 255, 0, 0, 0, 1}) == Contains("ends inside the IDX header"));
  CHECK(error({'P', 'N', 'G', 0, 0, 0}) == Contains("starts with bytes 80 78, expected 0 0"));
  CHECK(error({0, 1, 8, 1, 0, 0, 0, 1, 5}) == Contains("starts with bytes 0 1"));
  CHECK(error({0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0}) == Contains("type 13"));
  CHECK(error({0, 0, 8, 0}) == Contains("has no dimensions"));
  CHECK(error(idx_head({4, 0, 4})) == Contains("dimension 1 of size 0"));

  CHECK(error(idx_file({3}, counting(2))) == Contains("is cut: it holds 2 bytes of data, expected 3"));
  CHECK(error(idx_head({3})) == Contains("is cut: it holds 0 bytes of data"));
  CHECK(error(idx_file({3}, counting(4))) == Contains("goes on after its data, expected to end after 3 bytes"));

  constexpr std::uint32_t most = 0xFFFFFFFF;
  CHECK(error(idx_file({most}, counting(4))) ==
        Contains("promises 4294967295 bytes, but the file can hold at most 12"));
  CHECK(error(idx_file({most, most}, counting(4))) == Contains("but the file can hold at most"));
  CHECK(error(idx_file({most, most, most}, counting(4))) == Contains("more bytes than can be counted"));
  // The product is 2^64: 0 for who multiplies without looking.
  CHECK(error(idx_head({1U << 31, 1U << 31, 4})) == Contains("more bytes than can be counted"));
  CHECK(error(idx_file(std::vector<std::uint32_t>(255, 2), counting(4))) == Contains("in 255 dimensions"));
}

TEST_CASE("mutations of a plain file are read just when they are valid") {
  const Temporary folder;
  const Bytes original = idx_file({3, 2, 4}, counting(24));
  Random random(5, Purpose::user, 1);
  int read = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    const Bytes bytes = mutated_bytes(original, random);
    const std::string path = folder.file("mutant", bytes);
    Idx array;
    const doctest::String message = error_of([&] { array = read_idx(path); });
    if ((message == "") != valid(bytes)) FAIL_CHECK("round " << round << ": " << message);
    if (message != "") {
      ++refused;
      continue;
    }
    ++read;
    const Bytes tail(bytes.end() - static_cast<std::ptrdiff_t>(array.bytes.size()), bytes.end());
    CHECK(array.bytes == tail);
    CHECK(idx_file({array.dimensions.begin(), array.dimensions.end()}, tail) == bytes);
  }
  CHECK(read > 100);  // the loop meets both sorts
  CHECK(refused > 2000);
}

#if MTLX_DATA_ZLIB

namespace {

// One gzip member.
Bytes packed(const Bytes& plain) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes result(deflateBound(&stream, static_cast<uLong>(plain.size())));
  Bytes copy = plain;
  stream.next_in = copy.data();
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = result.data();
  stream.avail_out = static_cast<uInt>(result.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("a packed file reads like the plain one") {
  const Temporary folder;
  // Larger than the reader's buffer, and hard to pack, so that refilling happens.
  Bytes data(300000);
  Random random(1, Purpose::user);
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(random.below(256));
  const Bytes plain = idx_file({300, 1000}, data);
  REQUIRE(packed(plain).size() > 100000);
  const Idx array = read_idx(folder.file("a.gz", packed(plain)));
  CHECK(array.dimensions == std::vector<std::size_t>{300, 1000});
  CHECK(array.bytes == data);
  CHECK(read_idx_labels(folder.file("b", packed(idx_file({3}, {7, 0, 9})))) == std::vector<int>{7, 0, 9});
}

TEST_CASE("a file packed as tightly as deflate can is no bomb") {
  const Temporary folder;
  const Bytes plain = idx_file({10000000}, Bytes(10000000));
  const Bytes tight = packed(plain);
  REQUIRE(plain.size() / tight.size() > 1000);
  CHECK(read_idx(folder.file("zeros.gz", tight)).bytes.size() == 10000000);
}

TEST_CASE("a hostile gzip file ends in a sentence") {
  const Temporary folder;
  const auto error = [&](const Bytes& bytes) { return error_of_file(folder, bytes); };
  const Bytes good = packed(idx_file({5, 20}, counting(100)));
  REQUIRE(error_of([&] { read_idx(folder.file("good", good)); }) == "");

  for (std::size_t size = 2; size < good.size(); ++size)
    CHECK(error({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}) == Contains("is cut"));
  CHECK(error({0x1F, 0x8B}) == Contains("the gzip file ends in the middle"));
  for (std::size_t back = 1; back <= 8; ++back) {  // checksum and length at the end
    Bytes bad = good;
    bad[bad.size() - back] ^= 1;
    CHECK(error(bad) == Contains("is a broken gzip file"));
  }
  Bytes method = good;
  method[2] = 7;
  CHECK(error(method) == Contains("is a broken gzip file"));

  CHECK(error(joined(good, {0})) == Contains("goes on after the end of its gzip data"));
  CHECK(error(joined(good, good)) == Contains("expected one gzip member"));
  // The second member starts right after the first buffer, which holds 2^16 bytes.
  Bytes stored(65536 - 200);
  Random random(2, Purpose::user);
  for (std::uint8_t& byte : stored) byte = static_cast<std::uint8_t>(random.below(256));
  Bytes full = packed(idx_file({static_cast<std::uint32_t>(stored.size())}, stored));
  while (full.size() != 65536) {
    stored.resize(stored.size() + 65536 - full.size(), 9);
    full = packed(idx_file({static_cast<std::uint32_t>(stored.size())}, stored));
  }
  CHECK(error_of([&] { read_idx(folder.file("full", full)); }) == "");
  CHECK(error(joined(full, {0})) == Contains("goes on after the end of its gzip data"));

  CHECK(error(packed({})) == Contains("ends inside the IDX header"));
  CHECK(error(packed({0, 0, 8, 2, 0, 0, 0, 1})) == Contains("ends inside the IDX header"));
  CHECK(error(packed({1, 0, 8, 1, 0, 0, 0, 1, 1})) == Contains("expected 0 0"));
  CHECK(error(packed(idx_file({3}, counting(2)))) == Contains("it holds 2 bytes of data, expected 3"));
  CHECK(error(packed(idx_file({3}, counting(4)))) == Contains("goes on after its data"));
  CHECK(error(packed(packed(idx_file({3}, counting(3))))) == Contains("expected 0 0"));
}

TEST_CASE("a gzip bomb is not unpacked") {
  const Temporary folder;
  const Bytes large = packed(idx_file({1 << 20, 1 << 20}, counting(4)));
  CHECK(error_of_file(folder, large) == Contains("promises 1099511627776 bytes, but the file can hold at most"));
  const Bytes little = packed(idx_file({100000}, counting(4)));
  CHECK(error_of_file(folder, little) == Contains("promises 100000 bytes, but the file can hold at most"));
  // Says 10, unpacks to 50 million: refused at the eleventh byte.
  CHECK(error_of_file(folder, packed(idx_file({10}, Bytes(50000000)))) == Contains("expected to end after 10 bytes"));
}

TEST_CASE("mutations of a packed file are refused or change nothing") {
  const Temporary folder;
  const Bytes data = counting(24);
  const Bytes original = packed(idx_file({3, 2, 4}, data));
  Random random(6, Purpose::user, 2);
  int read = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string path = folder.file("mutant", mutated_bytes(original, random));
    Idx array;
    const doctest::String message = error_of([&] { array = read_idx(path); });
    if (message != "") {
      ++refused;
      continue;
    }
    ++read;  // the time in gzip's head, for example, doesn't matter
    CHECK(array.bytes == data);
    CHECK(array.dimensions == std::vector<std::size_t>{3, 2, 4});
  }
  CHECK(read > 100);
  CHECK(refused > 2000);
}

TEST_CASE("the real Fashion-MNIST") {
  const std::string folder = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(folder)) FAIL(folder << " is missing: apt-get install dataset-fashion-mnist");
  const Inputs train = read_idx_images(folder + "train-images-idx3-ubyte.gz");
  CHECK(train.size() == 60000);
  CHECK(train.shape() == Shape{1, 28, 28});
  CHECK(read_idx_images(folder + "t10k-images-idx3-ubyte.gz").size() == 10000);
  double sum = 0;
  for (const std::uint8_t byte : train.bytes()) sum += byte;
  CHECK(sum / static_cast<double>(train.bytes().size()) == doctest::Approx(72.94).epsilon(1e-4));
  const Normalisation found = measure(train);
  CHECK(found.mean[0] == doctest::Approx(0.2860).epsilon(1e-3));  // the constants of the literature
  CHECK(found.deviation[0] == doctest::Approx(0.3530).epsilon(1e-3));

  for (const auto& [name, each] : {std::pair{"train", 6000}, std::pair{"t10k", 1000}}) {
    std::array<int, 10> count{};
    for (const int label : read_idx_labels(folder + name + "-labels-idx1-ubyte.gz"))
      ++count.at(static_cast<std::size_t>(label));
    for (const int got : count) CHECK(got == each);
  }
}

#else

TEST_CASE("without zlib a packed file says what to link") {
  const Temporary folder;
  CHECK(error_of_file(folder, {0x1F, 0x8B, 8, 0}) == Contains("link mtlx::zlib"));
  CHECK(error_of_file(folder, {0x1F, 0x8B, 8, 0}) == Contains("MTLX_USE_ZLIB"));
  CHECK(error_of_file(folder, {0x1F}) == Contains("ends inside the IDX header"));
}

#endif
