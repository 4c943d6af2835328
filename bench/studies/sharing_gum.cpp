// SPDX-License-Identifier: MIT
// usage: bench/studies/sharing.sh gum FOLDER [OPTION...]
//
// Sharing strategies on English text (gum.hpp says in what): parts of speech by accuracy, chunks and entities by the F1 of
// spans. docs/sharing.md has the table; the options are those of sharing.hpp. With --own each task has a third of the
// sentences for itself, which is the setting of sparse sharing's authors. The hierarchy has a layer more than the others.
#include "gum.hpp"
#include "sharing.hpp"

using namespace mtlx;

namespace {

struct Problem : sharing_study::Parts {
  using TaskList = gum::Tags;
  using Trunk = gum::Trunk;
  using Low = gum::Trunk;
  using High = nn::Sequential<nn::Dense<192>, nn::Relu, nn::Dropout<50>>;
  using Hierarchical = sharing::Hierarchical<sharing::Level<Low, "pos">, sharing::Level<High, "chunk", "entity">>;
  template <class Sharing>
  using Model = MultiTask<gum::In, TaskList, Sharing, optim::Adam>;
  static constexpr auto turns = training::Sampling::proportional;
};

}  // namespace

int main(int count, char** words) try {
  if (count < 2) fail("usage: sharing_gum FOLDER [OPTION...]\n", sharing_study::usage);
  const auto s = sharing_study::settings_of(count, words, 2);
  const data::Corpus training = gum::corpus_of(words[1], "train");
  const gum::Text text(training);
  data::DataSet train = s.own ? text.own_sentences(training) : text.same_sentences(training);
  if (s.limit > 0) train = data::take(train, s.limit);
  sharing_study::compare(Problem{{train, text.same_sentences(gum::corpus_of(words[1], "dev")),
                                  text.same_sentences(gum::corpus_of(words[1], "test"))}},
                         s);
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
