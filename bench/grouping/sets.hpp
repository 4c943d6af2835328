// SPDX-License-Identifier: MIT
// The sets of five tasks of data.hpp as models, and what the programs of this folder are told about them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mtlx/balancing/equal_weights.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "data.hpp"

namespace grouping_sets {

using namespace mtlx;

inline constexpr const char* usage =
    "  --glyphs FOLDER   of scripts/data/glyphs.sh\n"
    "  --gum FOLDER      of en_gum-free-*.conllu[.gz], docs/text.md\n"
    "  --yeast FILE      of scripts/data/yeast.sh\n"
    "                    (sets of a source that isn't given are left out)\n"
    "  --folder DIR      CSV files of all trainings go there, and are gone on with (truth; balancing)\n"
    "  --quick           3 seeds, 1500 samples in batches of 32, few epochs, the first set of each source\n"
    "  --seeds N --first-seed N --epochs SHARE --batch N --limit N --jobs N\n"
    "                    5, 1, 1 (of 12 epochs of glyphs, 8 of GUM, 40 of yeast), 128, no limit, 2\n"
    "  --sets NAME,...   of data.hpp\n"
    "  --loss            gains by losses instead of metrics\n";

struct Settings {
  std::string glyphs, gum, yeast, folder{};
  std::vector<std::string> sets{};
  std::size_t seeds = 5, first_seed = 1, limit = 0, batch = 128, jobs = 2;
  double epochs = 1;
  bool loss = false;
};

inline Settings settings_of(int count, char** words) {
  Settings s;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--quick") {
      s.seeds = 3, s.limit = 1500, s.batch = 32, s.epochs = 0.4;
      s.sets = {"glyphs 1", "gum 1", "yeast 1"};
      continue;
    }
    if (word == "--loss") {
      s.loss = true;
      continue;
    }
    if (i + 1 == count) fail("the option ", word, " is unknown or lacks a value\n", usage);
    const std::string value = words[++i];
    const auto real = [&] {
      char* end = nullptr;
      const double found = std::strtod(value.c_str(), &end);
      if (value.empty() || *end != '\0' || !(found >= 0)) fail(word, " ", value, ": expected a number of at least 0");
      return found;
    };
    const auto whole = [&] { return static_cast<std::size_t>(real()); };
    if (word == "--glyphs")
      s.glyphs = value;
    else if (word == "--gum")
      s.gum = value;
    else if (word == "--yeast")
      s.yeast = value;
    else if (word == "--folder")
      s.folder = value;
    else if (word == "--seeds")
      s.seeds = whole();
    else if (word == "--first-seed")
      s.first_seed = whole();
    else if (word == "--limit")
      s.limit = whole();
    else if (word == "--batch")
      s.batch = whole();
    else if (word == "--jobs")
      s.jobs = whole();
    else if (word == "--epochs")
      s.epochs = real();
    else if (word == "--sets") {
      s.sets.clear();
      for (std::size_t at = 0; at <= value.size();) {
        const std::size_t end = std::min(value.find(',', at), value.size());
        s.sets.push_back(value.substr(at, end - at));
        at = end + 1;
      }
    } else {
      fail("unknown option ", word, "\n", usage);
    }
  }
  if (s.seeds < 2 || s.jobs == 0 || s.batch == 0 || !(s.epochs > 0))
    fail("it takes at least 2 seeds, 1 job, 1 sample in a batch, and some epochs\n", usage);
  return s;
}

/// What runs of one folder have in common.
inline std::string text_of(const Settings& s) {
  return join("epochs ", s.epochs, ", limit ", s.limit, ", batch ", s.batch, ", Adam 1e-3");
}

// ---- a set as a model

template <std::size_t set, class All>
struct Five;
template <std::size_t set, class... T>
struct Five<set, Tasks<T...>> {
  template <std::size_t i>
  using Task = typename Tasks<T...>::template At<Tasks<T...>::index(grouping_data::sets[set].tasks[i])>;
  using type = Tasks<Task<0>, Task<1>, Task<2>, Task<3>, Task<4>>;
};

template <std::size_t set, class Balancing>
auto model_type() {
  using namespace grouping_data;
  const auto of = []<class In, class All, class Trunk>(std::type_identity<In>, std::type_identity<All>,
                                                       std::type_identity<Trunk>) {
    return std::type_identity<
        MultiTask<In, typename Five<set, All>::type, sharing::Hard<Trunk>, Balancing, optim::Adam>>{};
  };
  using std::type_identity;
  if constexpr (sets[set].source == "glyphs")
    return of(type_identity<GlyphInput>{}, type_identity<GlyphTasks>{}, type_identity<GlyphTrunk>{});
  else if constexpr (sets[set].source == "gum")
    return of(type_identity<GumInput>{}, type_identity<GumTasks>{}, type_identity<GumTrunk>{});
  else
    return of(type_identity<YeastInput>{}, type_identity<YeastTasks>{}, type_identity<YeastTrunk>{});
}
template <std::size_t set, class Balancing>
using ModelOf = typename decltype(model_type<set, Balancing>())::type;

/// A model on one thread.
template <class Model>
Model make(std::uint64_t seed) {
  typename Model::Options options{.optimizer = {.learning_rate = 1e-3}, .seed = seed};
  options.backend.threads = 1;
  return Model{options};
}

/// Each task's metric, its sign turned so that higher is better.
template <class Model>
std::array<double, 5> higher_is_better(const auto& scores) {
  std::array<double, 5> found;
  [&]<class... T>(std::type_identity<Tasks<T...>>) {
    std::size_t t = 0;
    ((found[t] = T::Metric::higher_is_better ? scores.metrics()[t] : -scores.metrics()[t], ++t), ...);
  }(std::type_identity<typename Model::TaskList>{});
  return found;
}

// ---- and its data

template <std::size_t set>
const std::string& source_of(const Settings& s) {
  constexpr std::string_view source = grouping_data::sets[set].source;
  return source == "glyphs" ? s.glyphs : source == "gum" ? s.gum : s.yeast;
}
/// Whether the set is among those asked for, and its data are given.
template <std::size_t set>
bool wanted(const Settings& s) {
  const bool named =
      s.sets.empty() || std::find(s.sets.begin(), s.sets.end(), grouping_data::sets[set].name) != s.sets.end();
  return named && !source_of<set>(s).empty();
}
template <std::size_t set>
grouping_data::Parts read(const Settings& s) {
  constexpr auto& about = grouping_data::sets[set];
  if constexpr (about.source == "glyphs")
    return grouping_data::glyphs(s.glyphs, about.tasks, s.limit);
  else if constexpr (about.source == "gum")
    return grouping_data::gum(s.gum, about.tasks, s.limit);
  else
    return grouping_data::yeast(s.yeast, about.tasks, s.limit);
}
template <std::size_t set>
std::size_t epochs_of(const Settings& s) {
  constexpr std::string_view source = grouping_data::sets[set].source;
  const double most = source == "glyphs" ? 12 : source == "gum" ? 8 : 40;
  return std::max<std::size_t>(1, static_cast<std::size_t>(s.epochs * most + 0.5));
}

}  // namespace grouping_sets
