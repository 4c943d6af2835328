// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <numeric>
#include <span>
#include <vector>

namespace mtlx::training {

/// Which streams take part in a step, where tasks have inputs of their own.
enum class Sampling {
  together,      ///< every step takes a batch from every stream; short streams begin anew within the epoch
  round_robin,   ///< one stream a step, in turn, in an order drawn anew each epoch, until all are used up
  proportional,  ///< one stream a step, drawn with the chance of its share of the epoch's batches
};

/// Deals a data set out in batches: every epoch in a new random order, which depends on the seed, the epoch and the
/// stream alone.
class Sampler {
 public:
  struct Options {
    std::size_t batch_size = 64;
    Sampling sampling = Sampling::together;
    bool shuffle = true;
    std::uint64_t seed = 0;
  };

  /// Samples of one stream for one step.
  struct Part {
    std::size_t stream;
    std::span<const std::uint32_t> samples;
  };

  /// `sizes`: samples in each stream, none empty. Throws `Error` at batch size 0.
  [[gnu::cold]] Sampler(std::span<const std::size_t> sizes, Options options)
      : options_(options), streams_(sizes.size()), parts_(sizes.size()) {
    if (options.batch_size == 0) fail("the batch size must be at least 1, and is 0");
    std::size_t samples = 0;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      streams_[s] = {samples, sizes[s], 0, 0};
      samples += sizes[s];
      total_ += batches(sizes[s]);
      longest_ = std::max(longest_, batches(sizes[s]));
    }
    order_.resize(samples);
    turns_.reserve(total_);
  }

  /// Steps in an epoch.
  std::size_t steps() const { return options_.sampling == Sampling::together ? longest_ : total_; }

  /// Begins an epoch; the first is 0.
  [[gnu::cold]] void begin(std::uint64_t epoch) {
    epoch_ = epoch;
    for (std::size_t s = 0; s < streams_.size(); ++s) {
      streams_[s].passes = 0;
      deal(s);
    }
    step_ = 0;
    turns_.clear();
    if (options_.sampling == Sampling::together) return;
    for (std::size_t s = 0; s < streams_.size(); ++s)
      for (std::size_t i = 0; i < batches(streams_[s].size); ++i) turns_.push_back(static_cast<std::uint32_t>(s));
    Random random(options_.seed, Purpose::sample, epoch);
    if (options_.sampling == Sampling::proportional)
      random.shuffle(std::span(turns_));
    else
      take_turns(random);
  }

  /// The next step's parts; valid until the next call.
  std::span<const Part> next() {
    if (options_.sampling == Sampling::together) {
      for (std::size_t s = 0; s < streams_.size(); ++s) parts_[s] = {s, take(s)};
      ++step_;
      return parts_.span();
    }
    const std::size_t s = turns_[step_++];
    parts_[0] = {s, take(s)};
    return {parts_.data(), 1};
  }

 private:
  struct Stream {
    std::size_t first, size;  // its samples' places in order_
    std::size_t at;
    std::uint64_t passes;  // how often it was dealt this epoch
  };

  std::size_t batches(std::size_t size) const { return (size + options_.batch_size - 1) / options_.batch_size; }

  [[gnu::noinline]] void deal(std::size_t s) {
    Stream& stream = streams_[s];
    const std::span<std::uint32_t> order(order_.data() + stream.first, stream.size);
    std::iota(order.begin(), order.end(), 0U);
    if (options_.shuffle) {
      // Epoch, pass and stream in one number: an epoch has fewer than 2^16 passes, a data set fewer than 2^16 streams.
      Random random(options_.seed, Purpose::shuffle, epoch_ << 32 | stream.passes << 16 | s);
      random.shuffle(order);
    }
    stream.at = 0;
    ++stream.passes;
  }

  std::span<const std::uint32_t> take(std::size_t s) {
    Stream& stream = streams_[s];
    if (stream.at == stream.size) deal(s);
    const std::size_t count = std::min(options_.batch_size, stream.size - stream.at);
    const std::span<const std::uint32_t> samples(order_.data() + stream.first + stream.at, count);
    stream.at += count;
    return samples;
  }

  // Rounds over the streams that have batches left, in one order for the epoch.
  [[gnu::cold]] void take_turns(Random& random) {
    std::vector<std::uint32_t> order(streams_.size());
    std::iota(order.begin(), order.end(), 0U);
    random.shuffle(std::span(order));
    turns_.clear();
    for (std::size_t round = 0; round < longest_; ++round)
      for (const std::uint32_t s : order)
        if (round < batches(streams_[s].size)) turns_.push_back(s);
  }

  Options options_;
  Buffer<Stream> streams_;
  std::vector<std::uint32_t> order_;  // stream after stream
  Buffer<Part> parts_;
  std::vector<std::uint32_t> turns_;
  std::size_t total_ = 0;
  std::size_t longest_ = 0;
  std::size_t step_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace mtlx::training
