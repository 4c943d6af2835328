// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/training/history.hpp>
#include <string>
#include <string_view>

#include "data/temporary.hpp"

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
  history.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, true, 1});
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

TEST_CASE("JSON lines: one object an epoch, behind what the file has, null where a task had nothing") {
  constexpr std::array<std::string_view, 2> tasks{"a", "say \"b\""}, metrics{"accuracy", "rmse"};
  const double none = std::numeric_limits<double>::quiet_NaN();
  const std::array<double, 2> losses{0.5, none}, validation{0.25, 2}, values{none, 1.5};
  const Temporary folder;
  const std::string path = folder.path() + "/run.jsonl";
  JsonLines first(path);
  first.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, false});
  first.on_epoch({.epoch = 0, .seconds = 1.5, .losses = losses});
  const std::string line =
      "{\"network\": 0, \"epoch\": 1, \"seconds\": 1.5, \"best\": false, \"stopped\": false, \"tasks\": "
      "{\"a\": {\"loss\": 0.5, \"validation_loss\": null, \"validation_accuracy\": null}, "
      "\"say \\\"b\\\"\": {\"loss\": null, \"validation_loss\": null, \"validation_rmse\": null}}}\n";
  CHECK(mtlx::read_file(path) == line);
  JsonLines second(path);
  second.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, true, 1});
  second.on_epoch({.epoch = 4,
                   .seconds = 2,
                   .losses = losses,
                   .validation_losses = validation,
                   .validation_metrics = values,
                   .monitor = 1.125,
                   .best = true,
                   .stopped = true});
  CHECK(mtlx::read_file(path) ==
        line +
            "{\"network\": 1, \"epoch\": 5, \"seconds\": 2, \"best\": true, \"stopped\": true, \"tasks\": "
            "{\"a\": {\"loss\": 0.5, \"validation_loss\": 0.25, \"validation_accuracy\": null}, "
            "\"say \\\"b\\\"\": {\"loss\": null, \"validation_loss\": 2, \"validation_rmse\": 1.5}}}\n");
  // What a power cut left of a line does not swallow the next.
  mtlx::append_file(path, "{\"network\": 0, \"ep");
  const std::string cut = mtlx::read_file(path);
  JsonLines third(path);
  third.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, false});
  third.on_epoch({.epoch = 0, .seconds = 1.5, .losses = losses});
  CHECK(mtlx::read_file(path) == cut + "\n" + line);
  JsonLines nowhere("/no such folder/run.jsonl");
  nowhere.on_begin({tasks, metrics, TaskSet::first(2), 1, 1, 1, false});
  CHECK_THROWS_AS(nowhere.on_epoch({.losses = losses}), mtlx::Error);
}
