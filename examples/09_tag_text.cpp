// SPDX-License-Identifier: MIT
// One network tags every token of a text: part of speech, relation to its head, chunk and named entity.
//
//   09_tag_text TRAIN.conllu [DEV.conllu]      files in CoNLL-U, such as those of universaldependencies.org
//
// The scores are of DEV, or else of what was learnt from. A field that a file does not have is left out; for fields of
// other names, change the tasks. Without a file, made-up sentences show that it works.
#include <array>
#include <cstdio>
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/word_parts.hpp>
#include <mtlx/mtlx.hpp>
#include <mtlx/nn/sequence_tags.hpp>
#include <string>
#include <vector>

using namespace mtlx;

// Each task has its field's name, and room for so many tags, or types of spans (tagged O, B-TYPE, I-TYPE).
using Tags =
    Tasks<SequenceTags<"upos", 32>, SequenceTags<"deprel", 80>, SpanTags<"misc.Chunk", 20>, SpanTags<"misc.NER", 20>>;
constexpr std::array<bool, 4> has_spans{false, false, true, true};

// A token is seen as the words and parts of words around it: numbers, which all have a row in one table.
constexpr data::WordPartOptions seen{.radius = 2, .part_radius = 1, .minimum_count = 2, .most = 16000};
using Trunk = nn::Sequential<nn::Embedding<seen.most, 32, nn::normal<0.3>>, nn::Dropout<25>, nn::Dense<128>, nn::Relu,
                             nn::Dropout<50>>;
using Model = MultiTask<Input<seen.columns()>, Tags, sharing::Hard<Trunk>>;

data::Tagset tagset_of(const data::Corpus& corpus, std::size_t task) {
  for (std::size_t token = 0; token < corpus.size(); ++token)
    if (corpus.value(token, Tags::names[task]) != "_")
      return has_spans[task] ? data::Tagset::spans(corpus, Tags::names[task]) : data::Tagset(corpus, Tags::names[task]);
  return data::Tagset(std::vector<std::string>{"_"});
}

// A sentence is a word of each kind; every other one does without the place.
data::Corpus made_up(std::uint64_t seed) {
  struct Kind {
    const char *upos, *deprel, *misc;
    std::vector<const char*> forms;
  };
  static const std::vector<Kind> kinds{{"DET", "det", "Chunk=B-NP|NER=O", {"The", "A", "This"}},
                                       {"ADJ", "amod", "Chunk=I-NP|NER=O", {"small", "old", "friendly"}},
                                       {"NOUN", "nsubj", "Chunk=I-NP|NER=O", {"dog", "teacher", "neighbour"}},
                                       {"VERB", "root", "Chunk=B-VP|NER=O", {"sees", "meets", "greets"}},
                                       {"PROPN", "obj", "Chunk=B-NP|NER=B-person", {"Ann", "Kim", "Mary"}},
                                       {"PROPN", "flat", "Chunk=I-NP|NER=I-person", {"Smith", "Jones", "Brown"}},
                                       {"ADP", "case", "Chunk=B-PP|NER=O", {"in", "near", "outside"}},
                                       {"PROPN", "obl", "Chunk=B-NP|NER=B-place", {"York", "Leeds", "Bath"}},
                                       {"PUNCT", "punct", "Chunk=O|NER=O", {".", "!", "?"}}};
  Random random(seed, Purpose::user);
  std::string text;
  for (std::size_t sentence = 0; sentence < 200; ++sentence, text += '\n') {
    std::size_t id = 1;
    const bool place = random.below(2) == 0;
    for (const auto& [upos, deprel, misc, forms] : kinds)
      if (id < 7 || place || forms[0][0] == '.')
        text += join(id++, "\t", forms[random.below(3)], "\t_\t", upos, "\t_\t_\t_\t", deprel, "\t_\t", misc, "\n");
  }
  return data::parse_conllu(text, "made-up sentences");
}

int main(int count, char** words) try {
  const data::Corpus training = count > 1 ? data::read_conllu(words[1]) : made_up(1);
  const data::Corpus dev = count > 2 ? data::read_conllu(words[2]) : count > 1 ? training : made_up(2);
  const data::WordParts parts(training, seen);  // vocabularies and tags are those of the training text
  std::vector<data::Tagset> tagsets;
  for (std::size_t t = 0; t < Tags::count; ++t) tagsets.push_back(tagset_of(training, t));
  const auto data_of = [&](const data::Corpus& corpus) {
    std::vector<data::Column> columns;
    for (std::size_t t = 0; t < Tags::count; ++t)  // a tag that training does not have counts as none
      columns.push_back(
          {std::string(Tags::names[t]), data::tags(corpus, Tags::names[t], tagsets[t], data::UnknownTag::missing)});
    return data::DataSet(parts.inputs(corpus), columns);
  };

  Model model{{.optimizer = {.learning_rate = 2e-3}, .seed = 7}};
  training::Progress progress;
  model.fit(data_of(training), {.epochs = 6, .batch_size = 128, .observers = {&progress}});
  const auto scores = model.evaluate(data_of(dev));
  std::printf("%s:\n", dev.name().c_str());
  for (const training::MetricScore& score : scores.all_metrics())
    if (!is_nan(score.value)) std::printf("  %-11s %-9s %.4f\n", score.task.data(), score.metric.data(), score.value);

  // A sentence of one's own: a token a line.
  const auto mine = data::parse_columns("The\nold\nneighbour\nmeets\nMary\nSmith\nin\nLeeds\n.", "mine", {"form"});
  const auto answers = model.predict(parts.inputs(mine));
  const auto tag = [&](std::size_t task, int label) {
    return label < int(tagsets[task].size()) ? tagsets[task].names()[std::size_t(label)].c_str() : "_";
  };
  for (std::size_t i = 0; i < mine.size(); ++i)
    std::printf("%-10s %-6s %s\n", std::string(mine.value(i, "form")).c_str(), tag(0, answers.get<"upos">().label(i)),
                tag(3, answers.get<"misc.NER">().label(i)));
  return count > 1 || scores.get<"misc.NER">().span_f1 > 0.9 ? 0 : 1;
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
