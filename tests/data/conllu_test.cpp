// SPDX-License-Identifier: MIT
#include <mtlx/data/conllu.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

// A line of CoNLL-U: id, form and upos; the rest empty or as given.
std::string line(const std::string& id, const std::string& form, const std::string& upos = "X",
                 const std::string& misc = "_") {
  return id + "\t" + form + "\t" + form + "\t" + upos + "\t_\t_\t0\troot\t_\t" + misc + "\n";
}

// Two sentences with everything that the format has.
const std::string sample = "# newpar\n# sent_id = s-1\n# text = We don't  know = it\n" + line("1", "We", "PRON") +
                           line("2-3", "don't", "_") + line("2", "do", "AUX", "NER=O|Chunk=B-VP") +
                           line("3", "n't", "PART") + line("3.1", "ever", "ADV") + line("3.2", "yet", "ADV") +
                           line("4", "know", "VERB", "NER=B-x|NER=O") + "\n" + "#sent_id=s-2\n" +
                           line("0.1", "It", "PRON") + line("1-2", "Don't", "_") + line("1", "#", "_", "Chunk=|X") +
                           line("2", "a b", "NOUN") + "\n";

Corpus parsed(const std::string& text) { return parse_conllu(text, "text.conllu"); }

doctest::String error(const std::string& text) {
  const doctest::String message = error_of([&] { parsed(text); });
  CHECK(message == Contains("mtlx: text.conllu"));  // every error names the file
  return message;
}

std::string joined(const std::vector<std::string>& cells) {
  std::string row;
  for (std::size_t i = 0; i < cells.size(); ++i) row += (i == 0 ? "" : "\t") + cells[i];
  return row + "\n";
}

// The file again, from all that the corpus kept.
std::string written(const Corpus& corpus) {
  std::string text;
  std::size_t range = 0, empty = 0;
  for (std::size_t s = 0; s < corpus.sentences(); ++s) {
    for (std::size_t i = 0; i < corpus.comments(s); ++i) text.append("#").append(corpus.comment(s, i)).append("\n");
    const Sentence sentence = corpus.sentence(s);
    for (std::size_t token = sentence.first; token <= sentence.first + sentence.size; ++token) {
      const auto& nodes = corpus.empty_nodes();
      for (; empty < nodes.size() && nodes[empty].sentence == s && nodes[empty].before == token; ++empty)
        text += joined(nodes[empty].cells);
      if (token == sentence.first + sentence.size) break;
      const auto& ranges = corpus.multiword_tokens();
      for (; range < ranges.size() && ranges[range].first == token; ++range) text += joined(ranges[range].cells);
      std::vector<std::string> cells;
      for (const std::string& column : corpus.columns()) cells.emplace_back(corpus.value(token, column));
      text += joined(cells);
    }
    text += "\n";
  }
  CHECK(range == corpus.multiword_tokens().size());
  CHECK(empty == corpus.empty_nodes().size());
  return text;
}

// The text as `written` would have it: no byte order mark, LF, a blank line at the end.
std::string plain(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  for (std::size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos;) text.erase(at, 1);
  if (!text.ends_with('\n')) text += '\n';
  if (!text.ends_with("\n\n")) text += '\n';
  return text;
}

}  // namespace

TEST_CASE("CoNLL-U: words, sentences and columns") {
  const Corpus corpus = parsed(sample);
  CHECK(corpus.size() == 6);
  REQUIRE(corpus.sentences() == 2);
  CHECK(corpus.sentence(0).first == 0);
  CHECK(corpus.sentence(0).size == 4);
  CHECK(corpus.sentence(1).first == 4);
  CHECK(corpus.sentence(1).size == 2);
  REQUIRE(corpus.columns().size() == 10);
  CHECK(corpus.value(0, "form") == "We");
  CHECK(corpus.value(3, "upos") == "VERB");
  CHECK(corpus.value(5, "form") == "a b");
  CHECK(corpus.value(4, "form") == "#");
  CHECK(corpus.row(0) == 4);
  CHECK(corpus.row(5) == 16);
  CHECK(corpus.name() == "text.conllu");
}

TEST_CASE("CoNLL-U: a key of a column") {
  const Corpus corpus = parsed(sample);
  CHECK(corpus.value(1, "misc.Chunk") == "B-VP");
  CHECK(corpus.value(1, "misc.NER") == "O");
  CHECK(corpus.value(3, "misc.NER") == "B-x");  // the first of two
  CHECK(corpus.value(0, "misc.NER") == "_");
  CHECK(corpus.value(1, "misc.Chun") == "_");
  CHECK(corpus.value(1, "misc.O") == "_");
  CHECK(corpus.value(4, "misc.Chunk") == "_");  // Chunk= says nothing
  CHECK(corpus.value(4, "misc.X") == "_");
  CHECK(error_of([&] { (void)corpus.value(0, "ner"); }) ==
        "mtlx: text.conllu has no column \"ner\", it has id, form, lemma, upos, xpos, feats, head, deprel, deps, misc");
  CHECK(error_of([&] { (void)corpus.field("ner.NER"); }) == Contains("no column \"ner.NER\""));
  CHECK(error_of([&] { (void)corpus.field("misc."); }) == Contains("no column \"misc.\""));
  CHECK(error_of([&] { (void)corpus.field(""); }) == Contains("no column \"\""));
}

TEST_CASE("CoNLL-U: comments, multiword tokens and empty nodes are kept") {
  const Corpus corpus = parsed(sample);
  CHECK(corpus.comment(0, "sent_id") == "s-1");
  CHECK(corpus.comment(1, "sent_id") == "s-2");
  CHECK(corpus.comment(0, "text") == "We don't  know = it");
  CHECK(corpus.comment(0, "newpar") == "");
  CHECK(corpus.comments(0) == 3);
  CHECK(corpus.comment(0, 0) == " newpar");

  REQUIRE(corpus.multiword_tokens().size() == 2);
  CHECK(corpus.multiword_tokens()[0].first == 1);
  CHECK(corpus.multiword_tokens()[0].last == 2);
  CHECK(corpus.multiword_tokens()[0].cells[1] == "don't");
  CHECK(corpus.multiword_tokens()[1].first == 4);
  CHECK(corpus.multiword_tokens()[1].last == 5);
  REQUIRE(corpus.empty_nodes().size() == 3);
  CHECK(corpus.empty_nodes()[1].cells[0] == "3.2");
  CHECK(corpus.empty_nodes()[1].before == 3);
  CHECK(corpus.empty_nodes()[2].sentence == 1);
  CHECK(corpus.empty_nodes()[2].before == 4);
  CHECK(written(corpus) == sample);
}

TEST_CASE("CoNLL-U: line ends, and what may be missing at the end") {
  std::string crlf;
  for (const char sign : sample) crlf += sign == '\n' ? std::string("\r\n") : std::string(1, sign);
  CHECK(written(parsed(crlf)) == sample);
  CHECK(written(parsed("\xEF\xBB\xBF" + sample)) == sample);
  CHECK(written(parsed(sample.substr(0, sample.size() - 1))) == sample);
  CHECK(written(parsed(sample.substr(0, sample.size() - 2))) == sample);
}

TEST_CASE("a corpus stays whole when it is copied and moved") {
  Corpus corpus = parsed(line("1", "a"));  // short texts move by copying
  const Corpus copy = corpus;
  const Corpus moved = std::move(corpus);
  CHECK(copy.value(0, "form") == "a");
  CHECK(moved.value(0, "form") == "a");
}

TEST_CASE("CoNLL-U: a hostile file ends in a sentence") {
  CHECK(error("") == "mtlx: text.conllu has no sentences");
  CHECK(error("\n") == Contains("row 1: the sentence ends before its first word"));
  CHECK(error("# text = a\n") == Contains("row 2: the sentence ends before its first word"));
  CHECK(error("# text = a\n\n" + line("1", "a")) == Contains("row 2: the sentence ends before its first word"));
  CHECK(error(line("1", "a") + "\n\n" + line("1", "b")) == Contains("row 3: the sentence ends before its first word"));
  CHECK(error(sample + "\n") == Contains("row 18: the sentence ends"));
  CHECK(error(line("0.1", "a") + "\n") == Contains("row 2: the sentence ends before its first word"));

  CHECK(error("1\ta\ta\tX\t_\t_\t0\troot\t_\n") ==
        "mtlx: text.conllu, row 1: 9 columns, expected 10, separated by tabs");
  CHECK(error("1\ta\ta\tX\t_\t_\t0\troot\t_\t_\t_\n") == Contains("11 columns"));
  CHECK(error("1 a a X _ _ 0 root _ _\n") == Contains("1 columns, expected 10, separated by tabs"));
  CHECK(error(" \n") == Contains("1 columns"));
  CHECK(error("1\ta\t\tX\t_\t_\t0\troot\t_\t_\n") ==
        Contains("row 1: column 3 (lemma) is empty, expected _ where there is nothing"));
  CHECK(error("1\ta\ta\tX\t_\t_\t0\troot\t_\t\n") == Contains("column 10 (misc) is empty"));

  for (const char* id : {"x", "_", "-1", "1x", "1-", "-", "1.", ".1", "1-2-3", "1.1.1", "+1", " 1", "1 ", "0x1",
                         "99999999999999999999999"})
    CHECK(error(line(id, "a")) == Contains((std::string("row 1: id \"") + id + "\"").substr(0, 20).c_str()));
  CHECK(error(line("2", "a")) == Contains("row 1: word 2, expected word 1: ids count up from 1"));
  CHECK(error(line("0", "a")) == Contains("word 0, expected word 1"));
  CHECK(error(line("1", "a") + line("1", "b")) == Contains("row 2: word 1, expected word 2"));
  CHECK(error(line("1", "a") + line("3", "b")) == Contains("row 2: word 3, expected word 2"));
  CHECK(error(line("1", "a") + "\n" + line("2", "b")) == Contains("row 3: word 2, expected word 1"));

  CHECK(error(line("2-3", "a")) == Contains("range 2-3, expected one of at least two words that starts with word 1"));
  CHECK(error(line("1-1", "a") + line("1", "a")) == Contains("range 1-1, expected"));
  CHECK(error(line("1", "a") + line("2-1", "b") + line("2", "b")) == Contains("row 2: range 2-1, expected"));
  CHECK(error(line("1-3", "a") + line("1", "a") + line("2-3", "b") + line("2", "b")) ==
        Contains("row 3: range 2-3 overlaps the range of row 1"));
  CHECK(error(line("1-2", "a") + line("1-2", "a") + line("1", "a")) == Contains("row 2: range 1-2 overlaps"));
  CHECK(error(line("1-3", "a") + line("1", "a") + line("2", "b") + "\n" + line("1", "c")) ==
        Contains("row 1: the range ends with word 3, but the sentence has only 2 words"));
  CHECK(error(line("1-18446744073709551615", "a") + line("1", "a")) == Contains("the sentence has only 1 words"));
  CHECK(error(line("1", "a") + line("2-3", "b")) == Contains("row 2: the range ends with word 3"));

  CHECK(error(line("1.1", "a") + line("1", "a")) == Contains("row 1: empty node 1.1, expected 0.1 here"));
  CHECK(error(line("1", "a") + line("1.2", "a")) == Contains("row 2: empty node 1.2, expected 1.1 here"));
  CHECK(error(line("1", "a") + line("1.1", "a") + line("1.1", "a")) == Contains("expected 1.2 here"));
  CHECK(error(line("1", "a") + line("1.0", "a")) == Contains("expected 1.1 here"));
  CHECK(error(line("1", "a") + line("2-3", "b") + line("1.1", "a")) ==
        Contains("row 3: an empty node between range and first word, expected it before the range"));

  CHECK(error(line("1", "a") + "# late\n") == Contains("row 2: a comment inside a sentence"));
  CHECK(error(line("1", std::string("a\0b", 3))) == Contains("row 1: a zero byte"));
  CHECK(error("# a\rb\n" + line("1", "a")) == Contains("row 1: a carriage return"));
}

TEST_CASE("CoNLL-U: mutations of a file are refused, or kept to the last byte") {
  Random random(5, Purpose::user, 21);
  int read = 0, refused = 0;
  for (int round = 0; round < 10000; ++round) {
    const std::string text = mutated(sample, random);
    std::string again;
    const doctest::String message = error_of([&] { again = written(parsed(text)); });
    if (message != "") {
      ++refused;
      CHECK(message == Contains("mtlx: text.conllu"));
      continue;
    }
    ++read;
    CHECK(again == plain(text));
  }
  CHECK(read > 1000);  // the loop meets both sorts
  CHECK(refused > 1000);
}

TEST_CASE("CoNLL-U: a file is read like its text") {
  const Temporary folder;
  const std::string path = folder.file("a.conllu", {sample.begin(), sample.end()});
  const Corpus corpus = read_conllu(path);
  CHECK(written(corpus) == sample);
  CHECK(corpus.name() == path);
  CHECK(error_of([&] { read_conllu(folder.path() + "/none"); }) == Contains("/none: No such file"));
}

TEST_CASE("columns are read by blanks and blank lines") {
  const std::string text =
      "\n-DOCSTART- -X- O\n\nEU\tNNP  B-NP\n# SYM O\n \nrejects VBZ B-VP\n\n\n-DOCSTART- -X- O\nnow RB O";
  const Corpus corpus = parse_columns(text, "eng", {"form", "pos", "chunk"});
  CHECK(corpus.size() == 6);
  REQUIRE(corpus.sentences() == 4);
  CHECK(corpus.sentence(1).size == 2);
  CHECK(corpus.value(1, "pos") == "NNP");
  CHECK(corpus.value(2, "form") == "#");
  CHECK(corpus.value(5, "chunk") == "O");
  CHECK(corpus.row(3) == 7);
  CHECK(corpus.comments(2) == 0);
  CHECK(corpus.comment(2, "text") == "");

  // Only a sentence that is nothing else is left out.
  const Corpus without = parse_columns(text, "eng", {"form", "pos", "chunk"}, {.leave_out = "-DOCSTART-"});
  CHECK(without.size() == 5);
  REQUIRE(without.sentences() == 3);
  CHECK(without.value(0, "form") == "EU");
  CHECK(without.sentence(2).size == 2);
  CHECK(without.value(3, "form") == "-DOCSTART-");
  CHECK(without.row(0) == 4);

  const Temporary folder;
  CHECK(read_columns(folder.file("a", {text.begin(), text.end()}), {"form", "pos", "chunk"}).size() == 6);
}

TEST_CASE("a hostile file of columns ends in a sentence") {
  const auto error_in = [](const std::string& text, const std::vector<std::string>& columns) {
    return error_of([&] { parse_columns(text, "eng", columns); });
  };
  CHECK(error_in("a b\nc d e\n", {"form", "pos"}) ==
        "mtlx: eng, row 2: 3 columns, expected 2 (form, pos), separated by blanks");
  CHECK(error_in("a b\n\nc\n", {"form", "pos"}) == Contains("row 3: 1 columns, expected 2"));
  CHECK(error_in("", {"form"}) == "mtlx: eng has no sentences");
  CHECK(error_in("\n \n\t\n", {"form"}) == "mtlx: eng has no sentences");
  CHECK(error_in("a\n", {}) == Contains("no columns are named"));
  CHECK(error_in("a b\n", {"form", ""}) == Contains("column 1 has no name"));
  CHECK(error_in("a b\n", {"form", "form"}) == Contains("two columns are named \"form\""));
  CHECK(error_in(std::string("a\0\n", 3), {"form"}) == Contains("row 1: a zero byte"));
}

TEST_CASE("mutations of a file of columns are refused, or kept to the last cell") {
  const std::string text = "EU NNP B-NP\nrejects VBZ B-VP\n\nPeter\tNNP\tB-NP\n, , O\n\n\nBRUSSELS NNP 1996-08-22\n";
  Random random(5, Purpose::user, 22);
  int read = 0, refused = 0;
  for (int round = 0; round < 10000; ++round) {
    const std::string variant = mutated(text, random);
    std::vector<std::string> cells;
    const doctest::String message = error_of([&] {
      const Corpus corpus = parse_columns(variant, "eng", {"form", "pos", "chunk"});
      std::size_t tokens = 0;
      for (std::size_t s = 0; s < corpus.sentences(); ++s) tokens += corpus.sentence(s).size;
      CHECK(tokens == corpus.size());
      for (std::size_t token = 0; token < corpus.size(); ++token)
        for (const std::string& column : corpus.columns()) cells.emplace_back(corpus.value(token, column));
    });
    if (message != "") {
      ++refused;
      CHECK(message == Contains("mtlx: eng"));
      continue;
    }
    ++read;
    std::string rest = variant.starts_with("\xEF\xBB\xBF") ? variant.substr(3) : variant;
    for (std::size_t at = 0; (at = rest.find("\r\n", at)) != std::string::npos;) rest[at] = '\n';
    std::vector<std::string> expected;
    std::string cell;
    for (const char sign : rest + "\n") {
      if (sign != ' ' && sign != '\t' && sign != '\n')
        cell += sign;
      else if (!cell.empty())
        expected.push_back(cell), cell.clear();
    }
    CHECK(cells == expected);
  }
  CHECK(read > 1000);
  CHECK(refused > 1000);
}
