// SPDX-License-Identifier: MIT
// The tagger and the data of the studies on GUM: parts of speech, chunks and entities in English text of ten kinds. The
// setting of Sun et al., "Learning Sparse Sharing Architectures for Multiple Tasks", AAAI 2020, with a smaller tagger.
//
// A folder has en_gum-free-{train,dev,test}.conllu, packed (.gz) or not: docs/text.md says what they are. They are no part of
// mtlx.
#pragma once

#include <filesystem>
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/word_parts.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <string>
#include <vector>

namespace gum {

using namespace mtlx;

// Five words and what three of them are made of, 26 numbers; then 832-192 and the heads.
constexpr data::WordPartOptions seen{.radius = 2, .part_radius = 1, .minimum_count = 3, .most = 8192};
using In = Input<seen.columns()>;
using Tags = Tasks<SequenceTags<"pos", 17>, SpanTags<"chunk", 10>, SpanTags<"entity", 10>>;
using Trunk = nn::Sequential<nn::Embedding<seen.most, 32, nn::normal<0.3>>, nn::Dropout<25>, nn::Dense<192>, nn::Relu,
                             nn::Dropout<50>>;

inline data::Corpus corpus_of(const std::string& folder, const char* part) {
  const std::string path = folder + "/en_gum-free-" + part + ".conllu";
  return data::read_conllu(std::filesystem::exists(path) ? path : path + ".gz");
}

/// What is learnt from the training text before any model is: vocabularies and tags.
struct Text {
  explicit Text(const data::Corpus& training)
      : parts(training, seen),
        pos(training, "upos"),
        chunks(data::Tagset::spans(training, "misc.Chunk")),
        entities(data::Tagset::spans(training, "misc.NER")) {}

  std::vector<data::Column> columns(const data::Corpus& corpus) const {
    return {{"pos", data::tags(corpus, "upos", pos)},
            {"chunk", data::tags(corpus, "misc.Chunk", chunks)},
            {"entity", data::tags(corpus, "misc.NER", entities)}};
  }
  data::DataSet same_sentences(const data::Corpus& corpus) const { return {parts.inputs(corpus), columns(corpus)}; }
  /// Every third sentence for each task.
  data::DataSet own_sentences(const data::Corpus& corpus) const {
    const data::Inputs inputs = parts.inputs(corpus);
    const std::vector<data::Column> all = columns(corpus);
    data::DataSet data;
    for (std::size_t t = 0; t < all.size(); ++t) {
      std::vector<std::size_t> tokens;
      for (std::size_t s = t; s < corpus.sentences(); s += all.size())
        for (std::size_t i = 0; i < corpus.sentence(s).size; ++i) tokens.push_back(corpus.sentence(s).first + i);
      data.add(inputs.subset(tokens), {{all[t].task, all[t].targets.subset(tokens)}});
    }
    return data;
  }

  data::WordParts parts;
  data::Tagset pos, chunks, entities;
};

// Lower is better: the mean of accuracy and of the two F1 scores, with the other sign.
inline double monitor(const training::Epoch& epoch) {
  double sum = 0;
  for (const double score : epoch.validation_metrics) sum -= score;
  return sum / static_cast<double>(epoch.validation_metrics.size());
}

}  // namespace gum
