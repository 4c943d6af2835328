// SPDX-License-Identifier: MIT
// Training on a mapped file that is larger than memory.
#include <mtlx/data/mapped.hpp>
#include <mtlx/training/multi_task.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "data/temporary.hpp"
#include "small.hpp"

using namespace mtlx;

namespace {

constexpr int features = 4096;
using Model = MultiTask<Input<features>, Tasks<Classification<"left", 2>>, sharing::Hard<small::Trunk>>;

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a model learns from a file larger than memory as from the same samples in memory") {
  const Temporary folder;
  const std::size_t samples = std::size_t{1} << 21;  // 8 GiB, of which the disk keeps what isn't zero
  const std::string path = folder.file("large", {});
  std::filesystem::resize_file(path, samples * features);
  std::vector<std::size_t> some;
  std::vector<int> labels;
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    for (std::size_t i = 0; i < 200; ++i) {
      some.push_back(samples - 1 - i * 10007);
      labels.push_back(static_cast<int>(i % 2));
      file.seekp(static_cast<std::streamoff>(some.back() * features));
      const std::vector<char> bright(features / 2, static_cast<char>(i % 2 == 0 ? 20 : 100));
      file.write(bright.data(), features / 2);
    }
    REQUIRE(file.good());
  }

  const std::size_t before = resident_bytes();
  const data::Inputs inputs = data::map_inputs(path, {features}, data::Raw::bytes).subset(some);
  const data::DataSet mapped(inputs, {{"left", data::Targets::classes(labels)}});
  auto [train, test] = data::split(mapped, 0.75, 1);
  data::normalise(train, {&test});
  Model model{{.seed = 3}};
  model.fit(train, {.epochs = 3, .batch_size = 32});
  const double accuracy = model.evaluate(test).get<"left">().accuracy;
  CHECK(accuracy > 0.9);
  CHECK(resident_bytes() < before + (std::size_t{300} << 20));

  const data::DataSet in_memory(inputs.compact(), {{"left", data::Targets::classes(labels)}});
  auto [same_train, same_test] = data::split(in_memory, 0.75, 1);
  data::normalise(same_train, {&same_test});
  Model same{{.seed = 3}};
  same.fit(same_train, {.epochs = 3, .batch_size = 32});
  CHECK(same.evaluate(same_test).get<"left">().accuracy == accuracy);
  const auto bits = model.parameters(), expected = same.parameters();
  REQUIRE(bits.size() == expected.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) different += bits[i] != expected[i];
  CHECK(different == 0);
}
