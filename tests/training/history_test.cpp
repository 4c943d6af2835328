// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/training/history.hpp>
#include <string_view>

using namespace mtlx::training;
using mtlx::TaskSet;

TEST_CASE("history keeps each epoch and writes CSV, empty where a task had nothing") {
  constexpr std::array<std::string_view, 2> tasks{"a", "b"}, metrics{"accuracy", "rmse"};
  const double none = std::numeric_limits<double>::quiet_NaN();
  const std::array<double, 2> losses{0.5, none}, validation{0.25, 2}, values{none, 1.5};
  History history;
  CHECK(history.csv() == "network,epoch,seconds\n");
  history.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, true});
  history.on_epoch({.epoch = 0, .seconds = 1.5, .losses = losses});
  history.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, true});
  history.on_epoch(
      {.epoch = 1, .seconds = 2, .losses = losses, .validation_losses = validation, .validation_metrics = values});
  CHECK(history.csv() ==
        "network,epoch,seconds,a_loss,a_validation_loss,a_validation_accuracy,b_loss,b_validation_loss,"
        "b_validation_rmse\n"
        "0,1,1.5,0.5,,,,,\n"
        "1,2,2,0.5,0.25,,,2,1.5\n");
  REQUIRE(history.rows().size() == 2);
  CHECK(history.rows()[1].validation_losses == std::vector<double>{0.25, 2});
  CHECK_THROWS_AS(history.write_csv("/no such folder/history.csv"), mtlx::Error);
}
