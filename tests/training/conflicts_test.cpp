// SPDX-License-Identifier: MIT
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/training/conflicts.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;
using training::ConflictMeans;
using training::Conflicts;
using Numbers = std::vector<double>;

namespace {

constexpr std::array<std::string_view, 3> tasks{"a", "b", "c"}, metrics{"accuracy", "accuracy", "rmse"};

training::Step step(std::size_t epoch, std::size_t step, TaskSet present, const Numbers& weights,
                    const Numbers& gram = {}) {
  training::Step s;
  s.epoch = epoch;
  s.step = step;
  s.present = present;
  s.weights = weights;
  s.gram = gram;
  return s;
}

// NaN is -9 here.
Numbers known(Numbers numbers) {
  for (double& x : numbers)
    if (is_nan(x)) x = -9;
  return numbers;
}

const Numbers all_weights{1, 2, 0.5}, all_gram{4, -3, 0, -3, 9, 2, 0, 2, 1};  // lengths 2, 3, 1
const Numbers two_weights{3, 0, 1}, two_gram{16, 4, 4, 4};                    // of a and c: lengths 4, 2
const Numbers zero_gram{0, 0, 0, 1};                                          // of b and c

}  // namespace

TEST_CASE("cosines, conflicts, lengths and weights are means over the steps that had them") {
  ConflictMeans means(3);
  CHECK(means.empty());
  CHECK(known(means.cosines()) == Numbers(9, -9));
  CHECK(known(means.weights()) == Numbers(3, -9));
  means.add(step(0, 0, TaskSet::first(3), all_weights, all_gram));
  means.add(step(0, 1, TaskSet::only(0).with(2), two_weights, two_gram));
  CHECK(!means.empty());
  // a with b: -3 / 6 once; a with c: 0 and 4 / 8; b with c: 2 / 3.
  CHECK(means.cosines() == Numbers{1, -0.5, 0.25, -0.5, 1, 2.0 / 3, 0.25, 2.0 / 3, 1});
  CHECK(means.conflicts() == Numbers{0, 1, 0, 1, 0, 0, 0, 0, 0});
  CHECK(means.lengths() == Numbers{3, 3, 1.5});
  CHECK(means.weights() == Numbers{2, 2, 0.75});

  // A gradient of zero has a length and no direction.
  means.clear();
  CHECK(means.empty());
  means.add(step(0, 2, TaskSet::only(1).with(2), {0, 1, 1}, zero_gram));
  CHECK(known(means.cosines()) == Numbers{-9, -9, -9, -9, -9, -9, -9, -9, 1});
  CHECK(known(means.conflicts()) == Numbers{-9, -9, -9, -9, -9, -9, -9, -9, 0});
  CHECK(known(means.lengths()) == Numbers{-9, 0, 1});

  // Without a Gram matrix the weights alone are known.
  means.clear();
  means.add(step(0, 3, TaskSet::first(3), all_weights));
  CHECK(means.empty());
  CHECK(means.weights() == all_weights);

  // Rounding never leads beyond 1, and lengths whose product is no double do no harm.
  means.clear();
  means.add(step(0, 0, TaskSet::first(2), {1, 1, 0}, {1e300, -1.0000001e300, -1.0000001e300, 1e300}));
  CHECK(means.cosines()[1] == -1);
}

TEST_CASE("the observer keeps every epoch and every so manyeth step, and writes CSV") {
  Conflicts conflicts(2);
  CHECK(conflicts.csv() == "network,epoch,step\n");
  conflicts.on_begin({tasks, metrics, TaskSet::first(3), 1, 3, 8, false});
  conflicts.on_step(step(0, 0, TaskSet::first(3), all_weights, all_gram));
  conflicts.on_step(step(0, 1, TaskSet::only(0).with(2), two_weights, two_gram));
  conflicts.on_step(step(0, 2, TaskSet::only(0).with(2), two_weights, two_gram));
  conflicts.on_epoch({.epoch = 0});
  // Another network, and nothing of the first one's: its balancer gives no gradients.
  conflicts.on_begin({tasks, metrics, TaskSet::first(3), 1, 1, 8, false, 1});
  conflicts.on_step(step(0, 1, TaskSet::first(3), all_weights));
  conflicts.on_epoch({.epoch = 0});

  REQUIRE(conflicts.rows().size() == 4);
  CHECK(conflicts.rows()[1].step == 2);
  CHECK(!conflicts.rows()[1].whole_epoch);
  REQUIRE(conflicts.epoch(0) == &conflicts.rows()[2]);
  CHECK(conflicts.epoch(0)->cosines[1] == -0.5);
  CHECK(conflicts.epoch(0, 1) == &conflicts.rows()[3]);
  CHECK(conflicts.epoch(1) == nullptr);
  const std::string csv =
      "network,epoch,step,a_weight,a_length,b_weight,b_length,c_weight,c_length,a/b_cosine,a/b_conflicts,"
      "a/c_cosine,a/c_conflicts,b/c_cosine,b/c_conflicts\n"
      "0,1,1,1,2,2,3,0.5,1,-0.5,1,0,0,0.666666667,0\n"
      "0,1,3,3,4,,,1,2,,,0.5,0,,\n"
      "0,1,,2.33333333,3.33333333,2,3,0.833333333,1.66666667,-0.5,1,0.333333333,0,0.666666667,0\n"
      "1,1,,1,,2,,0.5,,,,,,,\n";
  CHECK(conflicts.csv() == csv);
  const Temporary folder;
  conflicts.write_csv(folder.path() + "/conflicts.csv");
  CHECK(read_file(folder.path() + "/conflicts.csv") == csv);
  CHECK_THROWS_AS(conflicts.write_csv("/no such folder/conflicts.csv"), Error);

  constexpr std::array<std::string_view, 2> odd{"a,b", "say \"c\""};
  conflicts.on_begin({odd, metrics, TaskSet::first(2), 1, 1, 8, false});
  CHECK(conflicts.csv().substr(0, conflicts.csv().find('\n')) ==
        "network,epoch,step,\"a,b_weight\",\"a,b_length\",\"say \"\"c\"\"_weight\",\"say \"\"c\"\"_length\","
        "\"a,b/say \"\"c\"\"_cosine\",\"a,b/say \"\"c\"\"_conflicts\"");
}
