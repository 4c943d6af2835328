// SPDX-License-Identifier: MIT
#include <mtlx/data/conllu.hpp>

#include "corpus_fuzz.hpp"

using namespace mtlx::data;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run(data, size, [](std::string_view text) {
    const Corpus corpus = parse_conllu(text, "fuzz");
    fuzz::use(corpus);
    fuzz::attempt([&] { tags(corpus, "misc.NER", Tagset(corpus, "misc.NER")); });
    for (const MultiwordToken& token : corpus.multiword_tokens())
      fuzz::require(token.first <= token.last && token.last < corpus.size());
    for (const EmptyNode& node : corpus.empty_nodes()) {
      fuzz::require(node.sentence < corpus.sentences());
      const Sentence sentence = corpus.sentence(node.sentence);
      fuzz::require(node.before >= sentence.first && node.before <= sentence.first + sentence.size);
    }
  });
}
