// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <mtlx/training/progress.hpp>
#include <string>
#include <string_view>

using namespace mtlx::training;
using mtlx::TaskSet;

namespace {

constexpr std::array<std::string_view, 2> tasks{"left", "right"}, metrics{"accuracy", "rmse"};

// What a progress display writes for two epochs of three steps.
std::string shown(Progress::Style style) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    Progress progress("title: ", file, style);
    Run run{tasks, metrics, TaskSet::first(2), 2, 3, 30, true};
    progress.on_begin(run);
    const std::array<double, 2> losses{0.5, 0.25}, values{0.75, std::numeric_limits<double>::quiet_NaN()};
    for (std::size_t epoch = 4; epoch < 6; ++epoch) {  // a second fit goes on counting
      for (std::size_t step = 0; step < 3; ++step)
        progress.on_step({.epoch = epoch, .step = step, .samples = 10, .present = TaskSet::first(2), .losses = losses});
      progress.on_epoch({.epoch = epoch,
                         .seconds = 0.5,
                         .losses = losses,
                         .validation_losses = losses,
                         .validation_metrics = values});
    }
    progress.on_end();
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("where there is no terminal, an epoch is one plain line") {
  const std::string expected = "  0.5 s  60 samples/s  left 0.5000  right 0.2500  left validation accuracy 0.7500\n";
  CHECK(shown(Progress::Style::lines) == "title: epoch 1/2" + expected + "title: epoch 2/2" + expected);
  CHECK(shown(Progress::Style::automatic) == shown(Progress::Style::lines));  // a file is no terminal
}

TEST_CASE("a bar clears its line before it is written over") {
  const std::string text = shown(Progress::Style::bar);
  CHECK(text.find("\r\033[Ktitle: epoch 1/2  0.5 s") != std::string::npos);
}
