// SPDX-License-Identifier: MIT
// The laws, over layers: one line each. A layer of include/mtlx/nn that is neither here nor in another file of this
// folder fails the last test.
#include "layer_cases.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace layers;

TEST_CASE_TEMPLATE("simple layers obey the laws", C, Case<Dense<1>, Shape{1}>, Case<Dense<5>, row>,
                   Case<Dense<33, glorot_uniform>, Shape{3, 2, 2}>, Case<Conv2d<3, 3>, image>,
                   Case<Conv2d<5, 3, 2, 1>, image>, Case<Conv2d<1, 1>, image>, Case<Conv2d<2, 5, 1, 2>, image>,
                   Case<Conv2d<2, 7, 2, 1>, Shape{1, 5, 5}>, Case<MaxPool2d<2>, image>, Case<MaxPool2d<3, 2, 1>, image>,
                   Case<MaxPool2d<2, 3>, image>, Case<Relu, row>, Case<Relu, image>, Case<Tanh, row>,
                   Case<Dropout<50>, row>, Case<Dropout<30>, image>, Case<Dropout<0>, row>, Case<Twice, row>,
                   Case<Soft, image>, Case<Neighbours, row>) {
  expect(C::check());
}

TEST_CASE("every layer of the library is in a list of cases") {
#ifdef MTLX_SOURCE_DIR
  const std::filesystem::path root = MTLX_SOURCE_DIR;
  std::stringstream tests;
  for (const auto& entry : std::filesystem::directory_iterator(root / "tests/nn"))
    if (entry.path().extension() == ".cpp") tests << std::ifstream(entry.path()).rdbuf();
  int layers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root / "include/mtlx/nn")) {
    std::ifstream file(entry.path());
    // A layer is a struct that says its output.
    std::string line, type;
    while (std::getline(file, line)) {
      if (line.starts_with("struct ")) type = line.substr(7, line.find_first_of(" ;{", 7) - 7);
      if (!line.starts_with("  static constexpr Shape output(Shape")) continue;
      if (type == "BatchNorm") continue;  // refused for every input: compile_fail/batch_norm.cpp
      ++layers;
      const bool listed = tests.str().find("Case<" + type + ",") != std::string::npos ||
                          tests.str().find("Case<" + type + "<") != std::string::npos;
      CHECK_MESSAGE(listed, type);
    }
  }
  CHECK(layers >= 8);
#endif
}
