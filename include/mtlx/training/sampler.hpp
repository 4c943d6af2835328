// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/buffer.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::training {

/// Which streams take part in a step, where tasks have inputs of their own.
enum class Sampling {
  together,      ///< every step takes a batch from every stream; short streams begin anew within the epoch
  round_robin,   ///< one stream a step, in turn, in an order drawn anew each epoch, until all are used up
  proportional,  ///< one stream a step, drawn with the chance of its share of the epoch's batches
  drawn,  ///< streams drawn anew each step, by chances of their own, and samples of each at random: see `DrawOptions`
};

/// How streams are drawn under `Sampling::drawn`. What a step draws depends on the seed, the epoch, the step and the chances
/// alone: a stream's samples are drawn without repetition within a batch, not within an epoch.
struct DrawOptions {
  std::vector<double> chances{};  ///< of each stream, on any scale; empty: equal
  std::size_t draws = 1;          ///< streams a step, a batch of each; a stream may come twice
  std::size_t steps = 0;          ///< in an epoch; 0: as many as there are batches of samples

  // Out of line, for g++ 12 takes it for one of an uninitialised vector otherwise, in every program that calls `fit`.
  [[gnu::noinline]] ~DrawOptions() = default;
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
    DrawOptions drawn{};
  };

  /// Samples of one stream for one step.
  struct Part {
    std::size_t stream;
    std::span<const std::uint32_t> samples;
  };

  /// `sizes`: samples in each stream, none empty. Throws `Error` at batch size 0, and for a drawing that is not sound.
  [[gnu::cold]] Sampler(std::span<const std::size_t> sizes, Options options)
      : options_(std::move(options)),
        streams_(sizes.size()),
        parts_(std::max(sizes.size(), options_.sampling == Sampling::drawn ? options_.drawn.draws : 0)) {
    if (options_.batch_size == 0) fail("the batch size must be at least 1, and is 0");
    std::size_t samples = 0;
    for (std::size_t s = 0; s < sizes.size(); ++s) {
      streams_[s] = {samples, sizes[s], 0, 0};
      samples += sizes[s];
      total_ += batches(sizes[s]);
      longest_ = std::max(longest_, batches(sizes[s]));
    }
    order_.resize(samples);
    if (options_.sampling == Sampling::drawn)
      begin_drawing();
    else
      turns_.reserve(total_);
  }

  /// Steps in an epoch.
  std::size_t steps() const { return options_.sampling == Sampling::together ? longest_ : total_; }
  /// Most parts of a step.
  std::size_t most_parts() const { return parts_.size(); }

  /// The chances of the streams from the next step on, where they are drawn. Throws `Error` unless there is one for each
  /// stream, none is negative, and one is above 0.
  [[gnu::cold, gnu::noinline]] void set_chances(std::span<const double> chances) {
    if (chances.size() != streams_.size())
      fail("sampling: ", chances.size(), " chances for ", streams_.size(), " streams");
    std::vector<double> upto;
    double sum = 0;
    for (std::size_t s = 0; s < chances.size(); ++s) {
      if (!is_finite(chances[s]) || chances[s] < 0)
        fail("sampling: the chance of stream ", s, " is ", chances[s], ", expected a number from 0 on");
      upto.push_back(sum += chances[s]);
    }
    constexpr double least = 1e-290;  // below that a random place may round up to the sum
    if (!is_finite(sum) || sum < least) fail("sampling: the chances of the streams have the sum ", sum);
    upto_ = std::move(upto);
  }

  /// Begins an epoch; the first is 0.
  [[gnu::cold]] void begin(std::uint64_t epoch) {
    epoch_ = epoch;
    step_ = 0;
    if (options_.sampling == Sampling::drawn) return;
    for (std::size_t s = 0; s < streams_.size(); ++s) {
      streams_[s].passes = 0;
      deal(s);
    }
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
    if (options_.sampling == Sampling::drawn) return draw();
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

  [[gnu::cold, gnu::noinline]] void begin_drawing() {
    const DrawOptions& drawn = options_.drawn;
    if (drawn.draws == 0) fail("sampling: a step draws 0 streams, expected at least 1");
    total_ = drawn.steps > 0 ? drawn.steps : (total_ + drawn.draws - 1) / drawn.draws;
    drawn_ = Buffer<std::uint32_t>(drawn.draws * options_.batch_size);
    for (std::size_t s = 0; s < streams_.size(); ++s)
      std::iota(order_.begin() + static_cast<std::ptrdiff_t>(streams_[s].first),
                order_.begin() + static_cast<std::ptrdiff_t>(streams_[s].first + streams_[s].size), 0U);
    const std::vector<double> equal(streams_.size(), 1);
    set_chances(drawn.chances.empty() ? equal : drawn.chances);
  }

  // Streams and samples of this step. A stream's order is 0, 1, ... again afterwards, so that nothing hangs on what was
  // drawn before.
  [[gnu::noinline]] std::span<const Part> draw() {
    Random random(options_.seed, Purpose::sample, epoch_ << 32 | step_++);
    for (std::size_t d = 0; d < options_.drawn.draws; ++d) {
      const double place = random.uniform() * upto_.back();
      const auto s = static_cast<std::size_t>(std::upper_bound(upto_.begin(), upto_.end(), place) - upto_.begin());
      const Stream& stream = streams_[s];
      const std::span<std::uint32_t> order(order_.data() + stream.first, stream.size);
      const std::size_t count = std::min(options_.batch_size, stream.size);
      const std::span<std::uint32_t> samples = drawn_.span().subspan(d * options_.batch_size, count);
      for (std::size_t i = 0; i < count; ++i) {
        std::swap(order[i], order[i + random.below(static_cast<std::uint32_t>(stream.size - i))]);
        samples[i] = order[i];
      }
      undo(order, samples);
      parts_[d] = {s, samples};
    }
    return {parts_.data(), options_.drawn.draws};
  }

  // Each swap has put a drawn sample in front, and whatever was there in a place whose number is or was a drawn one.
  static void undo(std::span<std::uint32_t> order, std::span<const std::uint32_t> samples) {
    for (std::size_t i = 0; i < samples.size(); ++i) order[samples[i]] = samples[i];
    for (std::size_t i = 0; i < samples.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
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
  std::vector<double> upto_;     // the chances' sums, where streams are drawn
  Buffer<std::uint32_t> drawn_;  // the step's samples there
  std::size_t total_ = 0;
  std::size_t longest_ = 0;
  std::size_t step_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace mtlx::training
