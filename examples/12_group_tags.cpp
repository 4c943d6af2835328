// SPDX-License-Identifier: MIT
// Which fields of an annotated text should share a network? Parts of speech, relation, number, tense, verb form, degree,
// definiteness, chunk and entity: ten tasks, most of which most words have no answer to.
//
//   12_group_tags TRAIN.conllu DEV.conllu [SENTENCES]
//
// TRAIN and DEV are files in CoNLL-U (docs/text.md), packed with gzip or not; a field that they lack is left out. SENTENCES,
// 1000, is how many of TRAIN are used.
#include <cstdio>
#include <cstdlib>
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/data/tagged_text.hpp>
#include <mtlx/grouping/task_affinity.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <string>
#include <vector>

using namespace mtlx;

// Each task has its field's name, and room for so many tags, or types of spans.
using Tags = Tasks<SequenceTags<"upos", 20>, SequenceTags<"xpos", 60>, SequenceTags<"deprel", 80>,
                   SequenceTags<"feats.Number", 5>, SequenceTags<"feats.Tense", 4>, SequenceTags<"feats.VerbForm", 6>,
                   SequenceTags<"feats.Degree", 4>, SequenceTags<"feats.Definite", 4>, SpanTags<"misc.Chunk", 12>,
                   SpanTags<"misc.NER", 20>>;

constexpr data::WordPartOptions window{.radius = 2, .part_radius = 1, .minimum_count = 3, .most = 4096};
using Trunk = nn::Sequential<nn::Embedding<window.most, 16, nn::normal<0.3>>, nn::Dropout<25>, nn::Dense<64>, nn::Relu>;
using Model = MultiTask<Input<window.columns()>, Tags, sharing::Hard<Trunk>, grouping::TaskAffinity<>>;

int main(int count, char** words) try {
  if (count < 3) {
    std::fprintf(stderr, "usage: 12_group_tags TRAIN.conllu DEV.conllu [SENTENCES]; docs/text.md says where from\n");
    return 2;
  }
  const data::Corpus training = data::read_conllu(words[1]), dev = data::read_conllu(words[2]);
  const std::size_t sentences = count > 3 ? std::strtoul(words[3], nullptr, 10) : 1000;
  const data::TaggedText text(training, data::gum_tasks(), window);  // vocabularies and tags are those of all of TRAIN
  const std::size_t tokens = sentences < training.sentences() ? training.sentence(sentences).first : training.size();
  const data::DataSet train = data::take(text.data(training), tokens), validation = text.data(dev);
  std::printf("%zu tokens to learn from; with an answer to\n", train.size());
  for (const data::Column& column : train.streams()[0].columns) {
    std::size_t known = 0;
    for (std::size_t i = 0; i < column.targets.size(); ++i) known += column.targets.present(i);
    std::printf("  %-15s %.3f\n", column.task.c_str(), double(known) / double(train.size()));
  }

  Model model{{.optimizer = {.learning_rate = 2e-3},
               .grouping = {.groups = 3, .epochs = 2, .scale = grouping::AffinityScale::standardised},
               .seed = 7}};
  model.fit(train, {.epochs = 4, .batch_size = 128});
  std::printf("\n%s", model.evidence().text.c_str());

  const auto scores = model.evaluate(validation);
  std::printf("\nOn the %zu tokens of %s:\n", validation.size(), dev.name().c_str());
  for (const training::MetricScore& score : scores.all_metrics())
    std::printf("  %-15s %-9s %.4f\n", score.task.data(), score.metric.data(), score.value);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
