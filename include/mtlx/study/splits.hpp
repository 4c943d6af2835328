// SPDX-License-Identifier: MIT
// What a study is made on: samples that train, validate and test, the same for every candidate.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/options.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/data_set.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mtlx::study {

/// The data of a study; not owned. With a test set, all runs share it. Without one, each seed draws its own test samples
/// from `train` at random: the way to study data sets under 10,000 samples, with ten seeds or more.
struct Data {
  std::string name{};  ///< for the report
  const data::DataSet* train = nullptr;
  const data::DataSet* test = nullptr;        ///< none: random samples of `train`, others for each seed
  const data::DataSet* validation = nullptr;  ///< none: random samples of what is left to train on
  /// Whose each sample of `train` is (its photo, document, family): what is drawn at random is whole clusters, so that none
  /// trains a model and tests it. Shares are of clusters then.
  const data::Clusters* clusters = nullptr;
  /// Whose each sample of `test` is: gains get an interval over these too (Findings::cluster_gains), which tells of other
  /// photos, documents, families, as one over seeds does not.
  const data::Clusters* test_clusters = nullptr;
};

/// The samples of one run.
struct Parts {
  data::DataSet train, validation, test;       ///< `validation` has no streams where nothing is held out
  std::vector<data::DataSet> test_clusters{};  ///< `test` again, a cluster each, where Data::test_clusters says which
  data::Clusters validation_clusters{};        ///< where `validation` was drawn by whole clusters
};

/// How samples are dealt out.
struct Splits {
  double test = 0.2;        ///< share of all samples, where there is no test set
  double validation = 0.1;  ///< share of what is not tested on, where there is no validation set; 0: none is held out
  /// Whether inputs are read normalised, channel by channel, by mean and deviation of the run's training samples.
  bool normalise = false;
  /// Called at last for the parts of each seed (of seed 0 alone, where all share them): for preparation that must be fitted
  /// on training samples. Several threads call it at once.
  void (*prepare)(Parts& parts, std::uint64_t seed) = nullptr;
};

namespace detail {

/// Whether each seed has a split of its own.
inline bool splits_differ(const Data& data) { return data.test == nullptr; }

[[gnu::cold, gnu::noinline]] inline void check_data(const Data& data, const Splits& splits) {
  if (data.train == nullptr || data.train->streams().empty()) fail("study: there are no training data");
  if (data.test != nullptr && data.test->streams().empty()) fail("study: the test set has no samples");
  if (data.validation != nullptr && data.validation->streams().empty())
    fail("study: the validation set has no samples");
  if (data.test == nullptr && data.validation != nullptr)
    fail(
        "study: there is a validation set and no test set; the test samples would be drawn from the training set, and "
        "the validation set would be the same for all of them: give both, or neither");
  check_option("study: splits.test", splits.test, {.most = 1, .most_too = false});
  check_option("study: splits.validation", splits.validation, {.most = 1, .most_too = false});
  if (data.test == nullptr && !(splits.test > 0)) fail("study: without a test set, splits.test must be more than 0");
  if (data.test_clusters != nullptr) {
    if (data.test == nullptr) fail("study: test_clusters are of a test set, and there is none; give clusters");
    data::distinct(*data.test_clusters, *data.test);
  }
  if (data.clusters == nullptr) return;
  data::distinct(*data.clusters, *data.train);
  if (data.test != nullptr && (data.validation != nullptr || !(splits.validation > 0)))
    fail("study: clusters are for samples that are drawn at random, and here none are");
}

/// The samples of a run with that seed. Throws `Error` if a part would be empty.
[[gnu::cold, gnu::noinline]] inline Parts parts_of(const Data& data, const Splits& splits, std::uint64_t seed) {
  Parts parts;
  parts.train = *data.train;
  data::Clusters clusters = data.clusters != nullptr ? *data.clusters : data::Clusters();
  // Draws a share of what trains.
  const auto draw = [&](data::DataSet& to, data::Clusters* whose, double share, std::uint64_t by) {
    if (data.clusters == nullptr) {
      std::tie(parts.train, to) = data::split(parts.train, 1 - share, by);
    } else {
      auto [rest, drawn] = data::split(parts.train, clusters, 1 - share, by);
      parts.train = std::move(rest.data), clusters = std::move(rest.clusters), to = std::move(drawn.data);
      if (whose != nullptr) *whose = std::move(drawn.clusters);
    }
  };
  if (data.test != nullptr) {
    parts.test = *data.test;
    seed = 0;  // the same samples for all
  } else {
    draw(parts.test, nullptr, splits.test, seed);
  }
  if (data.validation != nullptr)
    parts.validation = *data.validation;
  else if (splits.validation > 0)
    draw(parts.validation, &parts.validation_clusters, splits.validation,
         ~seed);  // another stream of random numbers than that of the test samples
  if (splits.normalise) data::normalise(parts.train, {&parts.validation, &parts.test});
  if (splits.prepare != nullptr) splits.prepare(parts, seed);
  if (parts.train.streams().empty() || parts.test.streams().empty())
    fail("study: splits.prepare has left no samples to train or to test on");
  if (data.test_clusters != nullptr) parts.test_clusters = data::by_cluster(parts.test, *data.test_clusters);
  return parts;
}

/// Test samples over training samples of random splits; clusters over clusters where these are drawn, for they are what
/// is independent.
[[gnu::cold, gnu::noinline]] inline double test_to_train(const Data& data, const Splits& splits, const Parts& parts) {
  if (!splits_differ(data)) return 0;
  double test = static_cast<double>(parts.test.size()), train = static_cast<double>(parts.train.size());
  if (data.clusters != nullptr) {
    const std::size_t all = data::distinct(*data.clusters, *data.train).size();
    const std::size_t rest = data::first_clusters(all, 1 - splits.test);
    test = static_cast<double>(all - rest);
    train = static_cast<double>(splits.validation > 0 ? data::first_clusters(rest, 1 - splits.validation) : rest);
  }
  return test / train;
}

// Bytes of any numbers.
template <class T>
std::string_view bytes_of(std::span<const T> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

/// A checksum of everything in a data set: shapes, names, raw numbers, how they are normalised, targets, masks, sequences.
[[gnu::cold, gnu::noinline]] inline std::uint64_t data_checksum(const data::DataSet& data) {
  std::uint64_t sum = 0;
  const auto add = [&](std::string_view bytes) {
    sum = (sum ^ checksum(bytes)) * 0x9E3779B97F4A7C15;
    sum ^= sum >> 32;
  };
  for (const data::Stream& stream : data.streams()) {
    const data::Inputs& inputs = stream.inputs;
    add(join(inputs.shape(), " ", inputs.size(), inputs.holds_bytes() ? " bytes" : " floats"));
    add(bytes_of(std::span<const double>(inputs.normalisation().mean)));
    add(bytes_of(std::span<const double>(inputs.normalisation().deviation)));
    for (std::size_t i = 0; i < inputs.size(); ++i)
      add(inputs.holds_bytes() ? bytes_of(inputs.bytes(i)) : bytes_of(inputs.floats(i)));
    for (const data::Column& column : stream.columns) {
      const data::Targets& targets = column.targets;
      add(join(column.task, " ", targets.width(), targets.holds_bytes() ? " bytes" : ""));
      if (targets.holds_bytes())
        for (std::size_t i = 0; i < targets.size(); ++i) add(bytes_of(targets.bytes(i)));
      else
        add(bytes_of(std::span<const float>(targets.row(0), targets.size() * targets.width())));
      std::string sequences;
      for (std::size_t i = 0; i < targets.size(); ++i) sequences += targets.goes_on(i) ? '1' : '0';
      if (sequences.find('1') != std::string::npos) add(sequences);
      if (!targets.complete())
        add(bytes_of(std::span<const std::uint8_t>(targets.mask(0), targets.size() * targets.width())));
    }
  }
  return sum;
}

/// Sixteen digits.
[[gnu::cold, gnu::noinline]] inline std::string hexadecimal(std::uint64_t number) {
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; number >>= 4) text[i] = "0123456789abcdef"[number & 15];
  return text;
}

/// A checksum of all that the runs see, as text.
[[gnu::cold, gnu::noinline]] inline std::string data_checksum(const Data& data, const Parts* prepared) {
  std::uint64_t sum = data_checksum(*data.train);
  const auto add = [&](const data::DataSet& more) { sum = std::rotl(sum, 1) ^ data_checksum(more); };
  if (data.validation != nullptr) add(*data.validation);
  if (data.test != nullptr) add(*data.test);
  if (prepared != nullptr) add(prepared->train), add(prepared->validation), add(prepared->test);
  for (const data::Clusters* clusters : {data.clusters, data.test_clusters})
    for (std::size_t s = 0; clusters != nullptr && s < clusters->size(); ++s)
      sum = std::rotl(sum, 1) ^ checksum(bytes_of(std::span<const std::size_t>((*clusters)[s])));
  return hexadecimal(sum);
}

/// A sentence: how many samples train, validate and test.
[[gnu::cold, gnu::noinline]] inline std::string data_text(const Data& data, const Parts& parts) {
  return join(data.name.empty() ? "" : data.name + ": ", parts.train.size(), " samples to train on, ",
              parts.validation.size(), " to validate, ", parts.test.size(), " to test",
              splits_differ(data) ? ", drawn anew for each seed" : "",
              data.clusters != nullptr ? ", by whole clusters" : "");
}

}  // namespace detail

}  // namespace mtlx::study
