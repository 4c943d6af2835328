// SPDX-License-Identifier: MIT
// Samples that belong together: crops of one photo, sentences of one document, visits of one person. A random split by
// samples lets a model be tested on what it has all but seen; one by clusters does not.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/data/data_set.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::data {

/// Whose each sample is, stream by stream: any numbers. The same number in two streams is the same cluster.
using Clusters = std::vector<std::vector<std::size_t>>;

/// The different clusters, in ascending order. Throws `Error` unless there is a number for each sample of each stream.
[[gnu::cold, gnu::noinline]] inline std::vector<std::size_t> distinct(const Clusters& clusters, const DataSet& data) {
  if (clusters.size() != data.streams().size())
    fail("clusters: there are lists for ", clusters.size(), " streams, and the data set has ", data.streams().size());
  std::vector<std::size_t> all;
  for (std::size_t s = 0; s < clusters.size(); ++s) {
    const std::size_t size = data.streams()[s].inputs.size();
    if (clusters[s].size() != size)
      fail("clusters: stream ", s, " has ", size, " samples, and its list ", clusters[s].size(), " entries");
    all.insert(all.end(), clusters[s].begin(), clusters[s].end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

/// One side of a split by clusters.
struct ClusterPart {
  DataSet data;
  Clusters clusters;
};

/// Whole clusters that go to the first of two parts: round(fraction * clusters).
inline std::size_t first_clusters(std::size_t count, double fraction) {
  return static_cast<std::size_t>(fraction * static_cast<double>(count) + 0.5);
}

/// Splits at random in two, whole clusters at a time: round(`first_fraction` * clusters) go to the first part, over all
/// streams, however many samples these have. Inside a part samples keep their order. Throws `Error` if the fraction is not
/// between 0 and 1, clusters don't fit the data, or a part of some stream would be empty.
[[gnu::cold, gnu::noinline]] inline std::pair<ClusterPart, ClusterPart> split(const DataSet& data,
                                                                              const Clusters& clusters,
                                                                              double first_fraction,
                                                                              std::uint64_t seed) {
  const auto bits = std::bit_cast<std::uint64_t>(first_fraction);
  if (bits == 0 || bits >= std::bit_cast<std::uint64_t>(1.0))
    fail("split: the first part's fraction is ", first_fraction, ", expected a number between 0 and 1");
  const std::vector<std::size_t> all = distinct(clusters, data);
  const std::size_t first = first_clusters(all.size(), first_fraction);
  if (first == 0 || first >= all.size())
    fail("split: ", all.size(), " clusters can't be split at ", first_fraction, ": a part would be empty");
  const std::vector<std::size_t> order = detail::permutation(all.size(), Random(seed, Purpose::split));
  std::vector<bool> is_first(all.size());
  for (std::size_t i = 0; i < first; ++i) is_first[order[i]] = true;
  std::pair<ClusterPart, ClusterPart> parts;
  for (std::size_t s = 0; s < clusters.size(); ++s) {
    std::vector<std::size_t> samples[2];
    std::vector<std::size_t> ids[2];
    for (std::size_t i = 0; i < clusters[s].size(); ++i) {
      const auto place = std::lower_bound(all.begin(), all.end(), clusters[s][i]) - all.begin();
      const std::size_t part = is_first[static_cast<std::size_t>(place)] ? 0 : 1;
      samples[part].push_back(i);
      ids[part].push_back(clusters[s][i]);
    }
    if (samples[0].empty() || samples[1].empty())
      fail("split: all clusters of stream ", s, " would be on one side of a split at ", first_fraction, " with seed ",
           seed, ": it has too few");
    for (std::size_t part = 0; part < 2; ++part) {
      ClusterPart& to = part == 0 ? parts.first : parts.second;
      detail::add_part(to.data, data.streams()[s], samples[part]);
      to.clusters.push_back(std::move(ids[part]));
    }
  }
  return parts;
}

/// A data set for each cluster, in ascending order. Throws `Error` unless clusters fit the data.
[[gnu::cold, gnu::noinline]] inline std::vector<DataSet> by_cluster(const DataSet& data, const Clusters& clusters) {
  const std::vector<std::size_t> all = distinct(clusters, data);
  std::vector<DataSet> parts(all.size());
  for (std::size_t s = 0; s < clusters.size(); ++s) {
    std::vector<std::vector<std::size_t>> samples(all.size());
    for (std::size_t i = 0; i < clusters[s].size(); ++i)
      samples[static_cast<std::size_t>(std::lower_bound(all.begin(), all.end(), clusters[s][i]) - all.begin())]
          .push_back(i);
    for (std::size_t g = 0; g < all.size(); ++g)
      if (!samples[g].empty()) detail::add_part(parts[g], data.streams()[s], samples[g]);
  }
  return parts;
}

}  // namespace mtlx::data
