// SPDX-License-Identifier: MIT
// The concept of a rule that says which streams of the data are drawn while one network trains. There the tasks that are
// grouped are streams: super-resolution has one network with one head, and a stream of pictures for each way in which they
// became bad. They may be thousands. Each step draws streams at random, by chances that the rule sets, and trains on some
// samples of each that is drawn.
//
// A rule is a grouping rule (grouping.hpp) whose plan is all tasks of the model together, for a model of one task, and has
//   std::size_t memory(std::size_t streams) const;   numbers of its own, zero at first: with the chances and groups they are
//                                                    in checkpoints and copies, so that a resumed run has the same bits
//   void look(Drawing&) const;                       called before the first step, and before each step that it named by
//                                                    `look_again_at`: may measure, and set chances and groups
// Optional:
//   static constexpr bool keeps_weights = true;      the rule may `keep` the network's weights and `go_back` to them
//   static constexpr bool looks_last = true;         `look` is called after a fit's last step, too, if it named that number of
//                                                    steps: what came since the look before is seen then
//   std::string text(const Drawn& drawn, std::span<const std::string> names) const;    in words what it found
//
// A rule sees numbers alone, and is const: what it remembers is in the Drawing. Laws: equal numbers give equal chances and
// groups; random numbers come from Drawing::random. The network does not change by what is measured.
//
// The smallest type that models it, the first half of the streams after 100 steps:
//   struct FirstHalf {
//     static constexpr auto kind = Kind::grouping;
//     std::vector<Group> plan(std::size_t tasks) const { return Together{}.plan(tasks); }
//     std::size_t memory(std::size_t) const { return 0; }
//     void look(Drawing& now) const {
//       if (now.steps() == 0) return now.look_again_at(100);
//       for (std::size_t s = now.streams() / 2; s < now.streams(); ++s) now.chances()[s] = 0;
//     }
//   };
//
// Chances by groups: TGSR draws a group, each equally likely, then one of its streams. Zhang et al., "Real-World Image
// Super-Resolution as Multi-Task Learning", NeurIPS 2023, section 4.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <mtlx/core/error.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/core/scalar.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtlx::grouping {

/// Groups of streams; a stream may be in several, or in none.
using StreamGroups = std::vector<std::vector<std::size_t>>;

/// The chance of each stream where one of the groups is drawn, each equally likely, and then one of its streams:
/// p_s = 1/K sum_k [s in G_k] / |G_k|. Empty groups are no groups. Throws `Error` if there is no group, or a group names a
/// stream that there is not, or one twice.
[[gnu::cold, gnu::noinline]] inline std::vector<double> chances_of(const StreamGroups& groups, std::size_t streams) {
  std::vector<double> chances(streams);
  double number = 0;
  for (const auto& group : groups) number += group.empty() ? 0 : 1;
  if (!(number > 0)) fail("chances_of: there is no group with a stream");
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<bool> seen(streams);
    for (const std::size_t s : groups[g]) {
      if (s >= streams) fail("chances_of: group ", g, " has stream ", s, ", and there are ", streams);
      if (seen[s]) fail("chances_of: group ", g, " has stream ", s, " twice");
      seen[s] = true;
      chances[s] += 1 / (number * static_cast<double>(groups[g].size()));
    }
  }
  return chances;
}

/// What some streams' validation samples say of a network, by cluster (photo), HIGHER IS BETTER: the task's metrics, and
/// last its loss with its sign turned. Without clusters (FitOptions::validation_clusters) sample i of every stream is of
/// cluster i.
struct Judged {
  std::vector<std::size_t> streams{};  ///< that were judged, in this order
  std::size_t clusters = 0;
  std::size_t numbers = 0;       ///< the metrics, and the loss
  std::vector<double> values{};  ///< (streams, clusters, numbers); NaN where a stream has no sample of a cluster

  /// `i` is the place in `streams`.
  double at(std::size_t i, std::size_t cluster, std::size_t number = 0) const {
    return values[(i * clusters + cluster) * numbers + number];
  }
  /// The mean over the clusters that a stream has samples of.
  double mean(std::size_t i, std::size_t number = 0) const {
    double sum = 0, count = 0;
    for (std::size_t c = 0; c < clusters; ++c)
      if (!is_nan(at(i, c, number))) sum += at(i, c, number), count += 1;
    return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
  }
};

/// A short training of a copy of the network, from its present state on.
struct Trial {
  std::span<const double> chances{};      ///< of each stream : (streams), on any scale
  std::size_t steps = 100;                ///< at least 1
  std::uint64_t run = 0;                  ///< each number has its own batches; the same number, the same ones
  std::size_t last = 10;                  ///< steps at the end whose losses are compared
  std::span<const std::size_t> judged{};  ///< streams whose validation samples are looked at afterwards
};

/// What came of a trial. Both losses are of the same samples, augmented alike, with the same units dropped.
struct Tried {
  double before = 0;  ///< the mean loss on the batches of the last steps, with the weights that the trial began with
  double after = 0;   ///< the same with the weights that it had when it came to each of these batches
  Judged judged;
};

/// Where a stream would pull the network: of two halves a, b of some of its samples, drawn apart, with gradients g_a, g_b.
/// The product is g_a' P g_b, with P g_a how far the optimizer's rule goes along g_a in one step, without its momentum. For
/// plain gradient steps that is how much the step lowers the loss, to first order, and the samples' noise adds nothing in the
/// mean, since the halves are independent. Adam's P has the factor 1 - beta1, and g_a is in its second moment, too: there
/// products compare streams at one moment, no more.
struct Pull {
  double loss = 0;  ///< the mean of both halves'
  double product = 0;
};

/// What a rule set so far, and what it cost.
struct Drawn {
  std::size_t steps = 0;          ///< trained under the rule
  std::size_t measuring = 0;      ///< steps of trials
  std::vector<double> chances{};  ///< (streams), of sum 1
  StreamGroups groups{};          ///< group 0 is left out: all streams
  std::size_t changes = 0;        ///< of the groups
  std::vector<double> memory{};   ///< the rule's
};

/// What a rule has before it. The numbers are kept with the network.
class Drawing {
 public:
  virtual ~Drawing() = default;
  Drawing(const Drawing&) = delete;
  Drawing& operator=(const Drawing&) = delete;

  /// Numbers that are kept: chances and groups, the rule's memory, the weights that it keeps.
  static constexpr std::size_t size(std::size_t streams, std::size_t memory, std::size_t weights) {
    return head + 2 * streams + memory + weights;
  }

  std::size_t streams() const { return streams_; }
  /// Steps trained under this rule so far, over all fits.
  std::size_t steps() const { return whole(0); }
  /// Steps of trials so far.
  std::size_t measuring() const { return whole(2); }
  /// Whether this is the look after a fit's last step (`looks_last`).
  bool last() const { return last_; }
  /// A stream of random numbers of this step; `which` tells several apart.
  Random random(std::uint64_t which = 0) const { return {seed_, Purpose::group, which << 40 | steps()}; }
  /// The rule's own numbers.
  std::span<double> memory() { return numbers_.subspan(head + 2 * streams_, memory_); }
  std::span<const double> memory() const { return numbers_.subspan(head + 2 * streams_, memory_); }

  /// The chance of each stream to be drawn, on any scale: equal ones at first, or those that the fit was given. Not
  /// negative, and not all 0.
  std::span<double> chances() { return numbers_.subspan(head, streams_); }
  /// The group that a stream is in, from 1; 0: none but that of all streams. To read and to set.
  std::span<double> groups() { return numbers_.subspan(head + streams_, streams_); }
  /// Sets the groups, which have no stream in common, and, if asked, chances by them and one more group of all streams.
  [[gnu::cold, gnu::noinline]] void set_groups(const StreamGroups& groups, bool and_chances = true) {
    std::vector<double> label(streams_);
    for (std::size_t g = 0; g < groups.size(); ++g)
      for (const std::size_t s : groups[g]) {
        if (s >= streams_) fail("set_groups: group ", g + 1, " has stream ", s, ", and there are ", streams_);
        if (label[s] > 0) fail("set_groups: stream ", s, " is in two groups");
        label[s] = static_cast<double>(g + 1);
      }
    if (!std::equal(label.begin(), label.end(), this->groups().begin())) numbers_[3] += 1;
    std::copy(label.begin(), label.end(), this->groups().begin());
    if (!and_chances) return;
    StreamGroups with_all = groups;
    with_all.emplace_back(streams_);
    for (std::size_t s = 0; s < streams_; ++s) with_all.back()[s] = s;
    const std::vector<double> chances = chances_of(with_all, streams_);
    std::copy(chances.begin(), chances.end(), this->chances().begin());
  }
  /// `look` is called again before that step (counted as `steps`), if training comes to it; once.
  void look_again_at(std::size_t step) { numbers_[1] = static_cast<double>(step + 1); }

  // ---- measuring. The network stays as it is. Where the optimizer averages (optim::Averaged), averages are judged, which are
  // what is used in the end: one state of weights may be off by more than a training brings.

  /// Validation samples of these streams (all, if none is named), as the network is. Throws `Error` if the fit has no
  /// validation data, or not as many streams of them as of training data.
  virtual Judged judge(std::span<const std::size_t> streams = {}) = 0;
  /// Names of what `Judged` has a number of.
  virtual std::span<const std::string_view> judged_by() const = 0;
  /// Trains a copy. What is judged is the copy, or with an optimizer that averages the mean of its weights over the second half
  /// of the trial. Throws `Error` if its chances are not sound.
  virtual Tried try_out(const Trial& trial) = 0;
  /// A stream's pull, of `samples` of its training samples (2 or more; all at most), drawn by `run`. `sketch`: the mean
  /// gradient of both halves times a random projection, entries +-1 / sqrt(dimensions), the same in all calls; of any size,
  /// or empty.
  virtual Pull pull(std::size_t stream, std::size_t samples, std::uint64_t run, std::span<double> sketch = {}) = 0;
  /// Keeps the network's weights, or has it go on with those that were kept (the optimizer's state goes on as it is). With an
  /// optimizer that averages: keeps the average, and the weights and the average go on from it. For rules with `keeps_weights`.
  virtual void keep() = 0;
  virtual void go_back() = 0;

  /// Streams that numbers are of which were kept.
  static std::size_t streams_in(std::span<const double> numbers) {
    return numbers.empty() || !(numbers[5] > 0) ? 0 : static_cast<std::size_t>(numbers[5]);
  }
  /// Whether numbers are of so many streams, as a rule may leave them; what a broken file might say is not.
  [[gnu::cold, gnu::noinline]] static bool sound(std::span<const double> numbers, std::size_t streams) {
    if (numbers.size() < head + 2 * streams || numbers[5] != static_cast<double>(streams)) return false;
    constexpr double most_steps = 9007199254740992.0;  // whole numbers up to here are exact
    constexpr double most_groups = 1 << 20;
    for (const std::size_t i : std::initializer_list<std::size_t>{0, 2, 3, 4})
      if (!is_finite(numbers[i]) || numbers[i] < 0 || numbers[i] > most_steps) return false;
    double sum = 0;
    for (std::size_t s = 0; s < streams; ++s) {
      const double chance = numbers[head + s], group = numbers[head + streams + s];
      if (!is_finite(chance) || chance < 0 || !is_finite(group) || group < 0 || group > most_groups) return false;
      sum += chance;
    }
    return !(numbers[4] > 0) || (is_finite(sum) && sum > 0);
  }
  /// What they say; `memory`: how many are the rule's. Nothing, where training has not begun.
  [[gnu::cold, gnu::noinline]] static Drawn drawn(std::span<const double> numbers, std::size_t memory) {
    Drawn result;
    const std::size_t streams = streams_in(numbers);
    if (streams == 0 || !(numbers[4] > 0)) return result;
    if (!sound(numbers, streams)) fail("grouping: what was kept of the streams is not sound");
    result.steps = static_cast<std::size_t>(numbers[0]);
    result.measuring = static_cast<std::size_t>(numbers[2]);
    result.changes = static_cast<std::size_t>(numbers[3]);
    double sum = 0;
    for (std::size_t s = 0; s < streams; ++s) sum += numbers[head + s];
    for (std::size_t s = 0; s < streams; ++s) {
      result.chances.push_back(numbers[head + s] / sum);
      const auto group = static_cast<std::size_t>(numbers[head + streams + s]);
      if (group == 0) continue;
      if (result.groups.size() < group) result.groups.resize(group);
      result.groups[group - 1].push_back(s);
    }
    const auto own = numbers.subspan(head + 2 * streams, memory);
    result.memory.assign(own.begin(), own.end());
    return result;
  }

 protected:
  /// `numbers` : size(streams, memory, weights).
  Drawing(std::span<double> numbers, std::size_t streams, std::size_t memory, std::uint64_t seed)
      : numbers_(numbers), streams_(streams), memory_(memory), seed_(seed) {
    numbers_[5] = static_cast<double>(streams);
  }

  // ---- for who trains

  bool begun() const { return numbers_[4] > 0; }
  void note_begin() { numbers_[4] = 1; }
  /// Whether the rule is to look before the coming step.
  bool due() const { return numbers_[1] == numbers_[0] + 1; }
  void note_look(bool last) { numbers_[1] = 0, last_ = last; }
  void note_step() { numbers_[0] += 1; }
  void note_measuring(std::size_t steps) { numbers_[2] += static_cast<double>(steps); }
  std::span<double> weights() { return numbers_.subspan(head + 2 * streams_ + memory_); }
  std::uint64_t seed() const { return seed_; }

 private:
  // Steps, the step to look at plus 1, steps of trials, changes, whether begun, streams; then chances, groups, memory and
  // weights.
  static constexpr std::size_t head = 6;

  std::size_t whole(std::size_t i) const { return static_cast<std::size_t>(numbers_[i]); }

  std::span<double> numbers_;
  std::size_t streams_, memory_;
  std::uint64_t seed_;
  bool last_ = false;
};

/// Whether a rule says which streams are drawn.
template <class P>
concept Draws = requires(const P p, Drawing& now) {
  { p.memory(std::size_t{1}) } -> std::convertible_to<std::size_t>;
  p.look(now);
};

}  // namespace mtlx::grouping
