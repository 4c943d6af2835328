// SPDX-License-Identifier: MIT
// An annotated text as one data set with a task for each field: parts of speech, relations, number, tense, chunks, names.
// A word of most kinds has no tense and a file may lack a field: such tokens have no target for that task.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mtlx/core/error.hpp>
#include <mtlx/data/corpus.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/word_parts.hpp>

namespace mtlx::data {

/// A field of a corpus (see `Corpus::field`) that is a task of the same name.
struct TagTask {
  std::string field;
  bool spans = false;  ///< tags of spans (O, B-TYPE, I-TYPE) rather than of tokens
};

/// What GUM's words have (docs/text.md): part of speech (universal, and English), relation to the head, number, tense, verb
/// form, degree, definiteness, chunk and entity. The first eight are in any English treebank of Universal Dependencies.
[[gnu::cold]] inline std::vector<TagTask> gum_tasks() {
  return {{"upos"},           {"xpos"},         {"deprel"},         {"feats.Number"},     {"feats.Tense"},
          {"feats.VerbForm"}, {"feats.Degree"}, {"feats.Definite"}, {"misc.Chunk", true}, {"misc.NER", true}};
}

/// The tags of each task and the numbers of words and their parts, learnt from the training text, and data sets made with
/// them: `const TaggedText text(training, gum_tasks(), {.most = 8192}); model.fit(text.data(training));`
class TaggedText {
 public:
  /// Learns from a corpus; a task that it has no tag of gets no target in any data set. Throws `Error` if no task is named,
  /// one is named twice, there is no such column, a tag is none of a span, and as `WordParts` does.
  [[gnu::cold]] TaggedText(const Corpus& training, std::vector<TagTask> tasks, const WordPartOptions& seen = {})
      : parts_(training, seen), tasks_(std::move(tasks)) {
    if (tasks_.empty()) fail(training.name(), ": no field was named as a task");
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      const TagTask& task = tasks_[t];
      for (std::size_t other = 0; other < t; ++other)
        if (tasks_[other].field == task.field) fail("tagged text: the field ", task.field, " is named twice");
      const Field field = training.field(task.field);
      bool any = false;
      for (std::size_t token = 0; token < training.size() && !any; ++token) any = training.value(token, field) != "_";
      tagsets_.push_back(!any         ? Tagset(std::vector<std::string>{})
                         : task.spans ? Tagset::spans(training, task.field)
                                      : Tagset(training, task.field));
    }
  }

  /// A token of the corpus is a sample; its sentences are the sequences of the targets. A tag that training doesn't have is
  /// an `Error` naming the row, or counts as missing.
  [[gnu::cold]] DataSet data(const Corpus& corpus, UnknownTag unknown = UnknownTag::missing) const {
    std::vector<Column> columns;
    for (std::size_t t = 0; t < tasks_.size(); ++t)
      columns.push_back({tasks_[t].field, tags(corpus, tasks_[t].field, tagsets_[t], unknown)});
    return DataSet(parts_.inputs(corpus), std::move(columns));
  }

  /// In the order in which they were named.
  const std::vector<TagTask>& tasks() const { return tasks_; }
  /// The classes of a task; none if training has no tag of it.
  const Tagset& tagset(std::size_t task) const { return tagsets_.at(task); }
  const WordParts& parts() const { return parts_; }

 private:
  WordParts parts_;
  std::vector<TagTask> tasks_;
  std::vector<Tagset> tagsets_;
};

}  // namespace mtlx::data
