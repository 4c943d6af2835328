// SPDX-License-Identifier: MIT
// The real data of the studies of grouping: three sources with ten or more tasks each, and sets of five tasks out of them,
// which were written down before any gain was measured. (Definiteness is in none: two words tell it, and any tagger has it
// right.) Splits are fixed: seeds of a study change weights and order alone.
//
//   glyphs   FOLDER of scripts/data/glyphs.sh      MTLX_USE_FREETYPE; relatives among the fonts are on one side of a split
//   gum      FOLDER of en_gum-free-*.conllu[.gz]   docs/text.md says what that is
//   yeast    FILE of scripts/data/yeast.sh
#pragma once

#include <array>
#include <mtlx/core/file.hpp>
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/glyphs.hpp>
#include <mtlx/data/multi_label.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/data/tagged_text.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace grouping_data {

using namespace mtlx;

/// Samples that train, validate and test, and their tasks in the order of the columns.
struct Parts {
  data::DataSet train, validation, test;
  std::vector<std::string> names;
};

/// Five tasks of a source.
struct FiveTasks {
  std::string_view name, source;
  std::array<std::string_view, 5> tasks;
};

inline constexpr std::array<FiveTasks, 8> sets{
    FiveTasks{"glyphs 1", "glyphs", {"character", "bold", "italic", "mono", "width"}},
    FiveTasks{"glyphs 2", "glyphs", {"kind", "light", "serif", "x_height", "ink"}},
    FiveTasks{"glyphs 3", "glyphs", {"character", "kind", "bold", "serif", "ink"}},
    FiveTasks{"gum 1", "gum", {"upos", "deprel", "feats.Number", "feats.Tense", "misc.Chunk"}},
    FiveTasks{"gum 2", "gum", {"xpos", "feats.VerbForm", "feats.Degree", "feats.Number", "misc.NER"}},
    FiveTasks{"gum 3", "gum", {"upos", "xpos", "deprel", "misc.Chunk", "misc.NER"}},
    FiveTasks{"yeast 1", "yeast", {"label1", "label2", "label3", "label4", "label5"}},
    FiveTasks{"yeast 2", "yeast", {"label6", "label7", "label8", "label12", "label13"}}};

// ---- all tasks of a source as a model's, with an input and a trunk that suit them. A list of five is made of the same types.

template <Name name>
using Yes = BinaryLabels<name, 1, nn::BinaryCrossEntropy, nn::RocAuc>;
template <Name name>
using Number = Regression<name, 1>;

using GlyphInput = Input<1, 28, 28>;
using GlyphTasks = Tasks<Classification<"character", 62>, Classification<"kind", 3>, Yes<"bold">, Yes<"light">,
                         Yes<"italic">, Yes<"mono">, Yes<"serif">, Number<"width">, Number<"x_height">, Number<"ink">>;
using GlyphTrunk = nn::Sequential<nn::Conv2d<8, 5>, nn::MaxPool2d<2>, nn::Relu, nn::Conv2d<16, 5>, nn::MaxPool2d<2>,
                                  nn::Relu, nn::Dense<48>, nn::Relu>;

inline constexpr data::WordPartOptions seen{.radius = 2, .part_radius = 1, .minimum_count = 3, .most = 8192};
using GumInput = Input<seen.columns()>;
using GumTasks = Tasks<SequenceTags<"upos", 17>, SequenceTags<"xpos", 50>, SequenceTags<"deprel", 60>,
                       SequenceTags<"feats.Number", 4>, SequenceTags<"feats.Tense", 2>,
                       SequenceTags<"feats.VerbForm", 4>, SequenceTags<"feats.Degree", 3>,
                       SequenceTags<"feats.Definite", 2>, SpanTags<"misc.Chunk", 10>, SpanTags<"misc.NER", 10>>;
using GumTrunk =
    nn::Sequential<nn::Embedding<seen.most, 16, nn::normal<0.3>>, nn::Dropout<25>, nn::Dense<64>, nn::Relu>;

using YeastInput = Input<103>;
using YeastTasks =
    Tasks<Yes<"label1">, Yes<"label2">, Yes<"label3">, Yes<"label4">, Yes<"label5">, Yes<"label6">, Yes<"label7">,
          Yes<"label8">, Yes<"label9">, Yes<"label10">, Yes<"label11">, Yes<"label12">, Yes<"label13">, Yes<"label14">>;
using YeastTrunk = nn::Sequential<nn::Dense<64>, nn::Relu, nn::Dropout<25>, nn::Dense<32>, nn::Relu, nn::Dropout<25>>;

// ---- the data

namespace detail {

inline Parts named(data::Parts parts, std::span<const std::string_view> tasks, std::size_t limit) {
  if (!tasks.empty()) parts = data::select(parts, tasks);
  if (limit > 0) parts.train = data::take(data::shuffled(parts.train, 1), limit);
  Parts all{std::move(parts.train), std::move(parts.validation), std::move(parts.test), {}};
  for (const data::Column& column : all.train.streams()[0].columns) all.names.push_back(column.task);
  return all;
}

}  // namespace detail

/// `tasks`: those wanted (a model's `names`, or `sets[i].tasks`), in that order; none: all. `limit`: so many training samples
/// at most, drawn once for all; 0: all. Throws `Error` if a file is missing or broken.
inline Parts glyphs(const std::string& folder, std::span<const std::string_view> tasks = {}, std::size_t limit = 0) {
  return detail::named(data::glyph_parts(folder), tasks, limit);
}

inline Parts gum(const std::string& folder, std::span<const std::string_view> tasks = {}, std::size_t limit = 0) {
  const auto read = [&](const char* part) {
    const std::string path = folder + "/en_gum-free-" + part + ".conllu";
    return data::read_conllu(file_exists(path) ? path : path + ".gz");
  };
  const data::Corpus train = read("train");
  const data::TaggedText text(train, data::gum_tasks(), seen);
  return detail::named({text.data(train), text.data(read("dev")), text.data(read("test"))}, tasks, limit);
}

/// A fifth of the genes test, a fifth of the others validate; inputs are in deviations of the training samples.
inline Parts yeast(const std::string& file, std::span<const std::string_view> tasks = {}, std::size_t limit = 0) {
  const data::Table table = data::read_csv(file);
  data::Parts parts = data::split_in_three(data::multi_label(table, data::names_with(table, "label")), 0.2, 0.2, 1);
  data::normalise(parts.train, {&parts.validation, &parts.test});
  return detail::named(std::move(parts), tasks, limit);
}

}  // namespace grouping_data
