// SPDX-License-Identifier: MIT
#include <mtlx/training/bound_data.hpp>

#include <doctest/doctest.h>

#include "small.hpp"

using namespace mtlx;

namespace {

using Bound = training::BoundData<small::Kinds>;

void refuses(const data::DataSet& data, TaskSet needed, const char* says) {
  CHECK_THROWS_WITH_AS(Bound(data, small::shape, needed), says, Error);
}

data::DataSet with(data::Column column) { return {small::inputs(4), {std::move(column)}}; }

}  // namespace

TEST_CASE("columns come in the order of the model's tasks") {
  const data::DataSet data(small::inputs(6), {small::place(6, 0), small::kind(6, 0)});
  const Bound bound(data, small::shape, TaskSet::only(0).with(2));
  REQUIRE(bound.streams().size() == 1);
  const auto& stream = bound.streams()[0];
  CHECK(stream.labelled == TaskSet::only(0).with(2));
  CHECK(stream.targets[0] == &data.streams()[0].columns[1].targets);
  CHECK(stream.targets[1] == nullptr);
  CHECK(stream.targets[2] == &data.streams()[0].columns[0].targets);
  CHECK(bound.size() == 6);
  CHECK(Bound(small::own(5, 9), small::shape, TaskSet::first(3)).size() == 14);
}

TEST_CASE("what does not fit the model is named") {
  const TaskSet none;
  refuses({}, none, "mtlx: the data set has no samples");
  CHECK_THROWS_WITH_AS(Bound(small::shared(3), Shape{1, 2, 2}, none),
                       "mtlx: the data set's inputs are 4, and the model takes 1 x 2 x 2", Error);
  refuses(with({"flag", data::Targets::values(3, std::vector<float>(12))}), none,
          "mtlx: the data set has targets for a task \"flag\" that the model does not have");
  refuses(with(small::kind(4, 0)), TaskSet::first(2), "mtlx: the data set has no targets for the task \"flags\"");
  refuses(with({"flags", data::Targets::values(2, std::vector<float>(8))}), none,
          "mtlx: the task \"flags\" takes 3 targets a sample, and the data set has 2");
}

TEST_CASE("a target that its task does not take is named with its row") {
  const TaskSet none;
  refuses(with({"kind", data::Targets::classes(std::vector<int>{0, 2, 3, 1})}), none,
          "mtlx: the task \"kind\" takes whole numbers from 0 to the number of classes less 1, and row 2 has 3");
  refuses(with({"kind", data::Targets::values(1, {0, 0.5F, 1, 1})}), none,
          "mtlx: the task \"kind\" takes whole numbers from 0 to the number of classes less 1, and row 1 has 0.5");
  refuses(with({"flags", data::Targets::values(3, {0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 1, -0.25F})}), none,
          "mtlx: the task \"flags\" takes numbers from 0 to 1, and row 3 has -0.25");
  // Missing ones are not looked at.
  const Bound bound(with({"kind", data::Targets::classes(std::vector<int>{-1, 2, -1, 1})}), small::shape, none);
  CHECK(bound.streams()[0].labelled == TaskSet::only(0));
}
