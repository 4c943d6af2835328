// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <limits>
#include <mtlx/core/scalar.hpp>
#include <mtlx/grouping/grouping.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/training/conflicts.hpp>
#include <mtlx/training/observer.hpp>
#include <span>
#include <utility>
#include <vector>

namespace mtlx::study::detail {

/// Keeps a run's epochs. Where tasks train in several networks, a task's numbers are those of the network that serves it,
/// a pair's those of the last network that both are members of.
class Recorder final : public training::Observer {
 public:
  /// Both outlive it. The plan may be found after this, but before the first network trains.
  Recorder(std::vector<EpochRecord>& epochs, const std::vector<grouping::Group>& plan, std::size_t tasks)
      : epochs_(epochs), plan_(plan), means_(tasks) {}
  Recorder(std::vector<EpochRecord>&, std::vector<grouping::Group>&&, std::size_t) = delete;

  [[gnu::cold]] void on_begin(const training::Run& run) override {
    network_ = run.network;
    means_.clear();
  }
  void on_step(const training::Step& step) override { means_.add(step); }
  [[gnu::cold]] void on_epoch(const training::Epoch& epoch) override {
    while (epochs_.size() <= epoch.epoch) {
      epochs_.emplace_back();
      epochs_.back().epoch = epochs_.size();
    }
    EpochRecord& record = epochs_[epoch.epoch];
    const TaskSet serves = plan_[network_].serves;
    const auto serve = [&](std::vector<double>& to, std::span<const double> from) {
      put(to, from, [&](std::size_t t) { return serves.has(t); });
    };
    serve(record.losses, epoch.losses);
    serve(record.validation_losses, epoch.validation_losses);
    serve(record.validation_metrics, epoch.validation_metrics);
    serve(record.weights, means_.weights());
    if (!means_.empty()) {
      serve(record.lengths, means_.lengths());
      const std::vector<double> cosines = means_.cosines(), conflicts = means_.conflicts();
      put(record.cosines, cosines, [&](std::size_t pair) { return !is_nan(cosines[pair]); });
      put(record.conflicts, conflicts, [&](std::size_t pair) { return !is_nan(conflicts[pair]); });
    }
    means_.clear();
  }

 private:
  // Puts some entries into a list that has NaN at first.
  template <class Which>
  static void put(std::vector<double>& to, std::span<const double> from, Which which) {
    if (to.empty()) to.assign(from.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < from.size(); ++i)
      if (which(i)) to[i] = from[i];
  }

  std::vector<EpochRecord>& epochs_;
  const std::vector<grouping::Group>& plan_;
  std::size_t network_ = 0;
  training::ConflictMeans means_;
};

}  // namespace mtlx::study::detail
