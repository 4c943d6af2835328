// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <mtlx/core/clock.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/task_set.hpp>
#include <mtlx/training/observer.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mtlx::training {

/// Shows how training goes: on a terminal a bar with rate, remaining time and each task's loss, redrawn in place;
/// elsewhere one plain line an epoch. Colours keep to NO_COLOR (any value but an empty one).
class Progress : public Observer {
 public:
  enum class Style { automatic, bar, lines };

  /// `title` stands before every line.
  explicit Progress(std::string title = "", std::FILE* out = stderr, Style style = Style::automatic)
      : title_(std::move(title)), out_(out) {
    const char* terminal = std::getenv("TERM");
    bar_ = style == Style::bar || (style == Style::automatic && isatty(fileno(out)) == 1 &&
                                   !(terminal != nullptr && std::string_view(terminal) == "dumb"));
    const char* plain = std::getenv("NO_COLOR");
    colour_ = bar_ && !(plain != nullptr && *plain != '\0');
  }

  void on_begin(const Run& run) override {
    run_ = run;
    start_ = drawn_ = clock_seconds();
    steps_ = samples_ = 0;
    first_epoch_ = none;
    recent_.fill(0);
  }

  void on_step(const Step& step) override {
    if (first_epoch_ == none) first_epoch_ = step.epoch;
    ++steps_;
    samples_ += step.samples;
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      if (!step.present.has(t)) continue;
      // A mean over the last 20 steps or so, that starts at the first loss.
      recent_[t] = recent_[t] == 0 ? step.losses[t] : 0.95 * recent_[t] + 0.05 * step.losses[t];
    }
    if (!bar_) return;
    const double now = clock_seconds();
    if (now - drawn_ < 0.1) return;
    drawn_ = now;
    draw(step, now - start_);
  }

  [[gnu::cold]] void on_epoch(const Epoch& epoch) override {
    std::string line = title_;
    char part[96];
    const std::size_t done = epoch.epoch - (first_epoch_ == none ? epoch.epoch : first_epoch_) + 1;
    std::snprintf(part, sizeof part, "epoch %zu/%zu  %.1f s  %s", done, run_.epochs, epoch.seconds,
                  rate(static_cast<double>(run_.samples) / epoch.seconds).c_str());
    line += part;
    add_losses(line, epoch.losses);
    for (std::size_t t = 0; t < epoch.validation_metrics.size(); ++t) {
      if (!run_.members.has(t) || !is_finite(epoch.validation_metrics[t])) continue;
      const std::string_view task = run_.tasks[t], metric = run_.metrics[t];
      std::snprintf(part, sizeof part, "  %.*s validation %.*s %.4f", static_cast<int>(task.size()), task.data(),
                    static_cast<int>(metric.size()), metric.data(), epoch.validation_metrics[t]);
      line += part;
    }
    std::fprintf(out_, "%s%s\n", bar_ ? "\r\033[K" : "", line.c_str());
    std::fflush(out_);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  static std::string rate(double samples) {
    char text[32];
    if (samples >= 10000)
      std::snprintf(text, sizeof text, "%.1fk samples/s", samples / 1000);
    else
      std::snprintf(text, sizeof text, "%.0f samples/s", samples);
    return text;
  }

  void add_losses(std::string& line, std::span<const double> losses) const {
    char part[96];
    for (std::size_t t = 0; t < losses.size(); ++t) {
      if (!run_.members.has(t) || !is_finite(losses[t])) continue;
      std::snprintf(part, sizeof part, "  %.*s %.4f", static_cast<int>(run_.tasks[t].size()), run_.tasks[t].data(),
                    losses[t]);
      line += part;
    }
  }

  [[gnu::cold]] void draw(const Step& step, double seconds) const {
    const std::size_t total = run_.epochs * run_.steps;
    const double share = static_cast<double>(steps_) / static_cast<double>(total);
    const auto left = static_cast<long>(seconds / static_cast<double>(steps_) * static_cast<double>(total - steps_));
    constexpr std::size_t width = 24;
    const auto filled = static_cast<std::size_t>(share * width);
    std::string line = title_;
    char part[128];
    std::snprintf(part, sizeof part, "epoch %zu/%zu %s[%s%s]%s %3.0f%%  %s  %ld:%02ld left",
                  step.epoch - first_epoch_ + 1, run_.epochs, colour_ ? "\033[36m" : "",
                  std::string(filled, '#').c_str(), std::string(width - filled, '.').c_str(), colour_ ? "\033[0m" : "",
                  100 * share, rate(static_cast<double>(samples_) / seconds).c_str(), left / 60, left % 60);
    line += part;
    add_losses(line, {recent_.data(), run_.tasks.size()});
    std::fprintf(out_, "\r\033[K%s", line.c_str());
    std::fflush(out_);
  }

  std::string title_;
  std::FILE* out_;
  bool bar_;
  bool colour_;
  Run run_;
  double start_ = 0, drawn_ = 0;  // seconds of clock_seconds
  std::size_t steps_ = 0;
  std::size_t samples_ = 0;
  std::size_t first_epoch_ = none;
  std::array<double, TaskSet::capacity> recent_{};
};

}  // namespace mtlx::training
