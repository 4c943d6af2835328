// SPDX-License-Identifier: MIT
#include <mtlx/data/mapped.hpp>

#include "mutate.hpp"
#include "support/allocation_counter.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mtlx/data/data_set.hpp>

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

Bytes bytes_of(const std::vector<float>& values, std::size_t offset = 0) {
  Bytes bytes(offset + values.size() * sizeof(float), 0xEE);
  std::memcpy(bytes.data() + offset, values.data(), values.size() * sizeof(float));
  return bytes;
}

Bytes signs(const std::string& text) { return {text.begin(), text.end()}; }

template <class T = float>
std::vector<T> read(const Inputs& inputs, std::size_t sample) {
  std::vector<T> row(inputs.shape().size());
  inputs.copy(sample, row.data());
  return row;
}

void check_same(const Inputs& a, const Inputs& b) {
  REQUIRE(a.size() == b.size());
  REQUIRE(a.shape() == b.shape());
  CHECK(a.holds_bytes() == b.holds_bytes());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(read(a, i) == read(b, i));
}

// A file of zeros that takes no place on the disk.
std::string sparse_file(const Temporary& folder, const std::string& name, std::size_t size) {
  const std::string path = folder.file(name, {});
  std::filesystem::resize_file(path, size);
  return path;
}

void write_at(const std::string& path, std::size_t at, const Bytes& bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at));
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

// Bytes of this process in address space (0) and in memory (1); 0 where nobody says.
std::size_t process_size(int which) {
  std::ifstream file("/proc/self/statm");
  std::array<std::size_t, 2> pages{};
  file >> pages[0] >> pages[1];
  return pages[static_cast<std::size_t>(which)] * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

const float nan_bits = std::bit_cast<float>(std::uint32_t{0x7FC00000});

}  // namespace

TEST_CASE("a mapped file reads like the same numbers in memory") {
  const Temporary folder;
  const Bytes bytes = counting(24);
  check_same(map_inputs(folder.file("b", bytes), {1, 2, 3}, Raw::bytes), Inputs({1, 2, 3}, bytes));
  check_same(map_inputs(folder.file("b", bytes), {3}, Raw::bytes, 9),
             Inputs({3}, Bytes(bytes.begin() + 9, bytes.end())));

  std::vector<float> values{1, -2, 3.5F, 4, 5, -6.25F};
  for (const std::size_t offset : {0U, 4U, 16U, 4096U, 4100U})
    check_same(map_inputs(folder.file("f", bytes_of(values, offset)), {3, 1, 1}, Raw::floats, offset),
               Inputs({3}, values));

  Inputs inputs = map_inputs(folder.file("f", bytes_of(values)), {2}, Raw::floats);
  inputs.normalise({{1, 2}, {2, 4}});
  CHECK(read<double>(inputs, 1) == std::vector<double>{1.25, 0.5});
  const Normalisation found = measure(inputs), expected = measure(Inputs({2}, values));
  CHECK(found.mean == expected.mean);
  CHECK(found.deviation == expected.deviation);
  CHECK(inputs.floats()[5] == -6.25F);
}

TEST_CASE("parts of a mapped file stay in it, and keep it") {
  const Temporary folder;
  Bytes bytes(200);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  const std::string path = folder.file("b", bytes);
  DataSet part;
  const std::uint8_t* start = nullptr;
  {
    const Inputs inputs = map_inputs(path, {2}, Raw::bytes);
    start = inputs.bytes().data();
    const DataSet all(inputs, {{"task", Targets::values(1, std::vector<float>(100))}});
    part = take(split(shuffled(all, 1), 0.5, 2).first, 20);
  }
  std::filesystem::remove(path);  // the mapping doesn't need the name
  const Inputs& inputs = part.streams()[0].inputs;
  CHECK(inputs.size() == 20);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CHECK(inputs.bytes(i).data() == start + inputs.bytes(i)[0]);
    CHECK(inputs.bytes(i)[1] == inputs.bytes(i)[0] + 1);
  }
  CHECK(inputs.compact().bytes()[39] == inputs.bytes(19)[1]);
}

TEST_CASE("what can't be mapped ends in a sentence") {
  const Temporary folder;
  const auto error = [](const std::string& path, const Shape& shape, Raw raw, std::size_t offset = 0) {
    const doctest::String message = error_of([&] { map_inputs(path, shape, raw, offset); });
    CHECK(message == Contains("mtlx: "));
    return message;
  };
  CHECK(error(folder.path() + "/none", {1}, Raw::bytes) == Contains("/none can't be opened: No such file"));
  CHECK(error(folder.path(), {1}, Raw::bytes) == Contains("can't be mapped: it is a directory"));
  CHECK(error(folder.file("empty", {}), {1}, Raw::bytes) == Contains("empty is empty"));
  CHECK(error("/dev/zero", {1}, Raw::bytes) == Contains("/dev/zero can't be mapped: it is not a regular file"));
  const std::string pipe = folder.path() + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error(pipe, {1}, Raw::bytes) == Contains("it is not a regular file"));

  const std::string path = folder.file("b", counting(26));
  CHECK(error(path, {2, 2, 2}, Raw::bytes) ==
        Contains("has 26 bytes from byte 0 on, expected a multiple of 8 bytes (shape 2 x 2 x 2)"));
  CHECK(error(path, {8}, Raw::bytes, 1) == Contains("has 25 bytes from byte 1 on, expected a multiple of 8 bytes"));
  CHECK(error(path, {1}, Raw::floats) == Contains("has 26 bytes from byte 0 on, expected a multiple of 1 floats"));
  CHECK(error(path, {4}, Raw::floats, 4) == Contains("expected a multiple of 4 floats (shape 4)"));
  CHECK(error(path, {27}, Raw::bytes) == Contains("expected a multiple of 27 bytes"));
  CHECK(error(path, {1}, Raw::bytes, 26) == Contains("has 26 bytes, and the numbers are said to start at byte 26"));
  CHECK(error(path, {1}, Raw::bytes, ~std::size_t{0}) == Contains("said to start at byte 18446744073709551615"));
  for (const std::size_t offset : {1U, 2U, 3U, 5U})
    CHECK(error(path, {1}, Raw::floats, offset) == Contains("expected a multiple of 4"));
  CHECK(error(path, {0}, Raw::bytes) == Contains("expected every side to be at least 1"));
  constexpr int large = 2147483647;
  CHECK(error(path, {large, large, large}, Raw::bytes) == Contains("too large"));
  CHECK(error(path, {large, large, 2}, Raw::floats) == Contains("expected a multiple of 9223372028264841218 floats"));
}

TEST_CASE("floats are checked when the file is mapped, unless someone answers for them") {
  const Temporary folder;
  const std::string path = folder.file("f", bytes_of({1, 2, 3, nan_bits, 5, 6}));
  CHECK(error_of([&] { map_inputs(path, {2}, Raw::floats); }) ==
        Contains("/f: sample 1 has feature 1 not a number; inputs must be finite"));
  CHECK(read(map_inputs(path, {2}, Raw::floats, 0, Finite::promised), 2) == std::vector<float>{5, 6});

  // Far behind the window that the check looks through.
  const std::size_t behind = (std::size_t{1} << 22) + 7;
  const std::string large = sparse_file(folder, "large", (behind + 3) / 10 * 40 + 40);
  CHECK(map_inputs(large, {10}, Raw::floats).size() == (behind + 3) / 10 + 1);
  write_at(large, behind * 4, bytes_of({std::bit_cast<float>(std::uint32_t{0xFF800000})}));
  CHECK(error_of([&] { map_inputs(large, {10}, Raw::floats); }) ==
        Contains(join("sample ", behind / 10, " has feature ", behind % 10, " infinite").c_str()));
}

TEST_CASE("a .npy file is mapped as it lies") {
  const Temporary folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::string path = folder.file("f.npy", signs(npy_bytes<float>({3, 2}, values)));
  check_same(map_npy(path), inputs_from(read_npy(path)));
  const Bytes bytes = counting(24);
  const std::string images = folder.file("b.npy", signs(npy_bytes<std::uint8_t>({2, 1, 3, 4}, bytes)));
  CHECK(map_npy(images).shape() == Shape{1, 3, 4});
  check_same(map_npy(images), inputs_from(read_npy(images)));

  const auto error = [&](const std::string& npy) {
    return error_of([&] { map_npy(folder.file("bad.npy", signs(npy))); });
  };
  const auto with = [&](std::string npy, const std::string& from, const std::string& to) {
    const std::size_t at = npy.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    return npy.replace(at, from.size(), to);
  };
  const std::string good = npy_bytes<float>({3, 2}, values);
  CHECK(error(good) == "");
  CHECK(error(with(good, "'<f4'", "'>f4'")) ==
        Contains("bad.npy can't be mapped: its numbers have the other byte order"));
  CHECK(error(with(good, "'<f4'", "'<i4'")) ==
        Contains("its numbers are neither uint8 nor float32; read_npy reads them"));
  CHECK(error(with(good, "'fortran_order': False", "'fortran_order': True ")) == Contains("it is in Fortran's order"));
  CHECK(error(npy_bytes<double>({1, 2}, std::vector<double>{1, 2})) == Contains("neither uint8 nor float32"));
  CHECK(error(npy_bytes<float>({6}, values)) == Contains("1 dimensions, expected 2"));
  CHECK(error(npy_bytes<float>({0, 6}, std::span<const float>{})) == Contains("bad.npy has no samples"));
  CHECK(error(good.substr(0, good.size() - 1)) == Contains("bad.npy is cut"));
  CHECK(error(npy_bytes<float>({1, 2}, std::vector<float>{1, nan_bits})) == Contains("sample 0 has feature 1"));
  const std::string promised = folder.file("p.npy", signs(npy_bytes<float>({1, 2}, std::vector<float>{1, nan_bits})));
  CHECK(map_npy(promised, Finite::promised).size() == 1);
}

TEST_CASE("IDX images are mapped as they lie") {
  const Temporary folder;
  const std::string grey = folder.file("grey", idx_file({2, 3, 4}, counting(24)));
  check_same(map_idx_images(grey), read_idx_images(grey));
  const std::string colour = folder.file("colour", idx_file({1, 3, 2, 4}, counting(24)));
  check_same(map_idx_images(colour), read_idx_images(colour));

  const auto error = [&](const Bytes& bytes) { return error_of([&] { map_idx_images(folder.file("bad", bytes)); }); };
  CHECK(error({0x1F, 0x8B, 8, 0}) == Contains("bad can't be mapped: it is packed with gzip; unpack it first"));
  CHECK(error(idx_file({24}, counting(24))) == Contains("1 dimensions, expected images"));
  CHECK(error(idx_file({2, 3, 4}, counting(23))) == Contains("is cut: it holds 23 bytes of data, expected 24"));
  CHECK(error(idx_file({2, 3, 4}, counting(25))) == Contains("goes on after its data"));
  CHECK(error(idx_head({2, 3, 4})) == Contains("but the file can hold at most"));
  CHECK(error({0, 0, 8}) == Contains("ends inside the IDX header"));
}

TEST_CASE("mutations of a file are mapped as they are read, or refused") {
  const Temporary folder;
  const std::string npy = npy_bytes<float>({3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const Bytes idx = idx_file({2, 3, 4}, counting(24));
  Random random(5, Purpose::user, 23);
  int mapped = 0, refused = 0;
  for (int round = 0; round < 3000; ++round) {
    const bool images = round % 2 == 0;
    const std::string bytes = mutated(images ? std::string(idx.begin(), idx.end()) : npy, random);
    std::filesystem::remove(folder.path() + "/mutant");  // a new file is written faster than an old one
    const std::string path = folder.file("mutant", signs(bytes));
    const Inputs none({1}, Bytes{});
    Inputs from_map = none, from_reader = none;
    const doctest::String map_error = error_of([&] { from_map = images ? map_idx_images(path) : map_npy(path); });
    const doctest::String read_error =
        error_of([&] { from_reader = images ? read_idx_images(path) : inputs_from(read_npy(path)); });
    if (map_error != "") {
      ++refused;
      CHECK(map_error == Contains(path.c_str()));
      CHECK((read_error != "" || map_error == Contains("can't be mapped")));
      continue;
    }
    ++mapped;
    CHECK(read_error == "");
    check_same(from_map, from_reader);
  }
  CHECK(mapped > 100);
  CHECK(refused > 1000);
}

TEST_CASE("threads read a mapped file together, without allocating") {
  const Temporary folder;
  std::vector<float> values(3000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const Inputs inputs = map_inputs(folder.file("f", bytes_of(values)), {3}, Raw::floats);
  std::array<std::size_t, 4> wrong{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      std::array<double, 3> row{};
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::size_t sample = (i * 7 + t * 250) % inputs.size();
        inputs.copy(sample, row.data());
        for (std::size_t f = 0; f < 3; ++f) wrong[t] += row[f] != static_cast<double>(sample * 3 + f);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::array<std::size_t, 4>{});
  std::array<float, 3> row{};
  CHECK(support::count_allocations([&] {
          for (std::size_t i = 0; i < inputs.size(); ++i) inputs.copy(i, row.data());
        }) == 0);
}

TEST_CASE("a file larger than memory is mapped, and only what is read comes in") {
  const Temporary folder;
  const Shape shape{3, 100, 100};
  const std::size_t samples = 300000;  // nine gigabytes
  const std::string path = sparse_file(folder, "large", samples * shape.size());
  write_at(path, (samples - 1) * shape.size(), {51, 102});
  const std::size_t before = process_size(1);
  const Inputs inputs = map_inputs(path, shape, Raw::bytes);
  CHECK(inputs.size() == samples);
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < 100; ++i) some.push_back(samples - 1 - i * 2991);
  const Inputs part = inputs.subset(some);
  CHECK(read(part, 0)[0] == doctest::Approx(0.2));
  CHECK(read(part, 0)[1] == doctest::Approx(0.4));
  double sum = 0;
  for (std::size_t i = 1; i < part.size(); ++i)
    for (const float value : read(part, i)) sum += static_cast<double>(value);
  CHECK(sum == 0);
  // What was read are 3 MB, and the system reads some pages around them.
  CHECK(process_size(1) < before + (std::size_t{200} << 20));
}

TEST_CASE("checking floats takes little memory") {
  const Temporary folder;
  const std::string path = sparse_file(folder, "large", std::size_t{200} << 20);
  const std::size_t before = process_size(1);
  const Inputs inputs = map_inputs(path, {1024}, Raw::floats);
  CHECK(inputs.size() == 51200);
  CHECK(process_size(1) < before + (std::size_t{80} << 20));
}

TEST_CASE("address space that can't be had is a sentence") {
  const Temporary folder;
  const std::string path = sparse_file(folder, "large", std::size_t{8} << 30);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlim_t most = process_size(0) + (rlim_t{1} << 30);
    const rlimit limit{most, most};
    int answer = 1;
    if (setrlimit(RLIMIT_AS, &limit) == 0) try {
        map_inputs(path, {1}, Raw::bytes);
      } catch (const Error& error) {
        answer = std::string(error.what()).find("can't be mapped: Cannot allocate") == std::string::npos ? 2 : 0;
      }
    _exit(answer);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
