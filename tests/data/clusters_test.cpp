// SPDX-License-Identifier: MIT
#include <mtlx/data/clusters.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <set>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;

namespace {

data::DataSet numbered(std::size_t size) {
  std::vector<float> x(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<float>(i);
  return {data::Inputs(Shape{1}, x), {{"t", data::Targets::values(1, x)}}};
}
std::vector<float> numbers_of(const data::DataSet& data) {
  std::vector<float> all;
  for (std::size_t i = 0; i < data.size(); ++i) all.push_back(data.streams()[0].columns[0].targets.value(i));
  return all;
}

}  // namespace

TEST_CASE("a split by clusters takes whole ones, in order, and says whose they are") {
  const data::DataSet all = numbered(9);
  const data::Clusters clusters{{5, 5, 1, 9, 1, 9, 9, 5, 7}};
  CHECK(data::distinct(clusters, all) == std::vector<std::size_t>{1, 5, 7, 9});
  std::set<std::vector<float>> firsts;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const auto [first, second] = data::split(all, clusters, 0.4, seed);  // round(0.4 x 4) = 2 clusters
    CHECK(data::distinct(first.clusters, first.data).size() == 2);
    CHECK(data::distinct(second.clusters, second.data).size() == 2);
    for (const data::ClusterPart* part : {&first, &second}) {
      const std::vector<float> numbers = numbers_of(part->data);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        CHECK(part->clusters[0][i] == clusters[0][static_cast<std::size_t>(numbers[i])]);
        if (i > 0) CHECK(numbers[i] > numbers[i - 1]);
      }
    }
    CHECK(first.data.size() + second.data.size() == 9);
    for (const std::size_t id : first.clusters[0])
      for (const std::size_t other : second.clusters[0]) CHECK(id != other);
    CHECK(numbers_of(data::split(all, clusters, 0.4, seed).first.data) == numbers_of(first.data));
    firsts.insert(numbers_of(first.data));
  }
  CHECK(firsts.size() == 6);  // every two of four come about

  const std::vector<data::DataSet> parts = data::by_cluster(all, clusters);
  REQUIRE(parts.size() == 4);
  CHECK(numbers_of(parts[0]) == std::vector<float>{2, 4});
  CHECK(numbers_of(parts[1]) == std::vector<float>{0, 1, 7});
  CHECK(numbers_of(parts[2]) == std::vector<float>{8});
  CHECK(numbers_of(parts[3]) == std::vector<float>{3, 5, 6});

  for (const double share : {0.0, 1.0, -0.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(data::split(all, clusters, share, 1), Error);
  CHECK(error_of([&] { data::split(all, clusters, 0.1, 1); }) ==
        "mtlx: split: 4 clusters can't be split at 0.1: a part would be empty");
  CHECK(error_of([&] { data::by_cluster(all, {}); }) ==
        "mtlx: clusters: there are lists for 0 streams, and the data set has 1");
}
