// SPDX-License-Identifier: MIT
#include <mtlx/sharing/mask_analysis.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace mtlx;
using sharing::MaskOverlap;

namespace {

TaskSet set(std::string_view tasks) {
  TaskSet owners;
  for (const char task : tasks) owners = owners.with(static_cast<std::size_t>(task - 'a'));
  return owners;
}

/// Three tasks, a layer of six weights with a bias, and one whose weights are all dead.
sharing::Masks masks() {
  return {{"a", "b", "c"},
          {{"trunk.0.weight", {"weight", {2, 3}}, 0},
           {"trunk.0.bias", {"bias", {3}, nn::Role::bias}, 6},
           {"trunk.2.weight", {"weight", {3, 1}}, 9}},
          {set("abc"), set("ab"), set("a"), set(""), set("bc"), set("c"), set("abc"), set("abc"), set("abc"), set(""),
           set(""), set("")}};
}

}  // namespace

TEST_CASE("overlap of three tasks' masks, counted by hand") {
  const auto found = sharing::analyse(masks());
  CHECK(found.unmasked == 3);
  REQUIRE(found.layers.size() == 2);
  const MaskOverlap& first = found.layers[0];
  CHECK(first.layer == "trunk.0.weight");
  CHECK(first.weights == 6);
  for (std::size_t t = 0; t < 3; ++t) {
    CHECK(first.alive(t) == 3);
    CHECK(first.density(t) == 0.5);
    CHECK(first.overlap(t, t) == 1);
    CHECK(found.total.density(t) == doctest::Approx(3.0 / 9));
  }
  for (const auto& [a, b, overlap] : {std::tuple(0U, 1U, 0.5), std::tuple(0U, 2U, 0.2), std::tuple(1U, 2U, 0.5)}) {
    CHECK(first.overlap(a, b) == overlap);
    CHECK(first.overlap(b, a) == overlap);
    CHECK(found.total.overlap(a, b) == overlap);
  }
  CHECK(first.only == std::vector<std::size_t>{1, 0, 1});
  CHECK(first.some == 2);
  CHECK(first.all == 1);
  CHECK(first.dead == 1);
  CHECK(first.joint_overlap() == 0.2);
  CHECK(found.total.dead == 4);
  CHECK(found.total.joint_overlap() == 0.2);
  // Nothing to share: no number.
  const MaskOverlap& last = found.layers[1];
  CHECK(last.density(0) == 0);
  CHECK(last.dead == 3);
  CHECK(is_nan(last.overlap(0, 1)));
  CHECK(is_nan(last.joint_overlap()));
}

TEST_CASE("full masks overlap wholly, disjoint ones not at all") {
  sharing::Masks full = masks(), apart = masks();
  std::fill(full.owners.begin(), full.owners.end(), set("abc"));
  for (std::size_t i = 0; i < apart.owners.size(); ++i) apart.owners[i] = TaskSet::only(i % 3);
  const auto shared = sharing::analyse(full).total, separate = sharing::analyse(apart).total;
  CHECK(shared.overlap(0, 2) == 1);
  CHECK(shared.joint_overlap() == 1);
  CHECK(shared.all == 9);
  CHECK(separate.overlap(0, 2) == 0);
  CHECK(separate.joint_overlap() == 0);
  CHECK(separate.only == std::vector<std::size_t>{3, 3, 3});
  // A task alone shares nothing: its weights are its own and all tasks'.
  const auto one = sharing::analyse({{"a"}, {{"w", {"weight", {2}}, 0}}, {set("a"), set("")}}).total;
  CHECK(one.only[0] == 1);
  CHECK(one.all == 1);
  CHECK(one.some == 0);
  CHECK(one.joint_overlap() == 1);
  // No block may be masked.
  CHECK(is_nan(sharing::analyse({{"a"}, {}, {}}).total.density(0)));
}

TEST_CASE("the overlap of masks as text and CSV") {
  const auto found = sharing::analyse(masks());
  CHECK(found.text() ==
        "Weights that each task's mask keeps, that one task alone keeps, several, all, none: % of the layer's.\n"
        "layer           weights   a %   b %   c %  only a  only b  only c  some   all   dead  joint overlap\n"
        "trunk.0.weight        6  50.0  50.0  50.0    16.7     0.0    16.7  33.3  16.7   16.7          0.200\n"
        "trunk.2.weight        3   0.0   0.0   0.0     0.0     0.0     0.0   0.0   0.0  100.0              -\n"
        "all                   9  33.3  33.3  33.3    11.1     0.0    11.1  22.2  11.1   44.4          0.200\n"
        "Intersection over union, all layers.\n"
        "overlap of masks      a      b      c\n"
        "a                 1.000  0.500  0.200\n"
        "b                 0.500  1.000  0.500\n"
        "c                 0.200  0.500  1.000\n"
        "3 more numbers belong to all tasks.\n");
  const std::string csv = found.csv();
  CHECK(csv.rfind("layer,measure,task,partner,count,of,share\ntrunk.0.weight,density,a,,3,6,0.5\n", 0) == 0);
  CHECK(csv.find("\ntrunk.0.weight,overlap,a,c,1,5,0.2\n") != std::string::npos);
  CHECK(csv.find("\ntrunk.2.weight,overlap,a,b,0,0,\n") != std::string::npos);
  CHECK(csv.find("\nall,only,c,,1,9,0.111111111\n") != std::string::npos);
  CHECK(csv.find("\nall,joint overlap,,,1,5,0.2\n") != std::string::npos);
}

TEST_CASE("masks that are none are refused") {
  sharing::Masks wrong = masks();
  wrong.owners.pop_back();
  CHECK_THROWS_WITH_AS(sharing::analyse(wrong),
                       "mtlx: masks of 11 numbers: the block trunk.2.weight is 3 numbers from 9 on, after 9", Error);
  wrong.blocks.pop_back();
  CHECK_THROWS_WITH_AS(sharing::analyse(wrong), "mtlx: masks of 11 numbers: the blocks are 9 in all", Error);
  wrong = masks();
  wrong.blocks[1].offset = 5;
  CHECK_THROWS_AS(sharing::analyse(wrong), Error);
  wrong = masks();
  wrong.owners[4] = wrong.owners[4].with(3);
  CHECK_THROWS_WITH_AS(sharing::analyse(wrong),
                       "mtlx: masks of 3 tasks: the number 4 of trunk.0.weight is another task's", Error);
  CHECK_THROWS_WITH_AS(sharing::analyse({}), "mtlx: masks have from 1 to 64 tasks, not 0", Error);
}
