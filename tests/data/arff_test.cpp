// SPDX-License-Identifier: MIT
#include <mtlx/data/arff.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

Table arff(std::string_view text) { return parse_arff(text, "a.arff"); }

doctest::String error(std::string_view text) {
  return error_of([&] { arff(text); });
}

// The error of one row of a number x, a nominal c {red, blue} and a string s, which is row 5 of the file.
doctest::String error_of_row(const std::string& row) {
  return error("@relation r\n@attribute x numeric\n@attribute c {red,blue}\n@data\n" + row + "\n");
}

using Names = std::vector<std::string>;

constexpr std::string_view flowers =
    "% flowers, by hand\n"
    "@RELATION 'flowers of 2020'\n"
    "\n"
    "@Attribute width  NUMERIC\n"
    "@attribute 'the colour' {red, 'light blue',\"it's\"}\r\n"
    "\t@attribute height real\n"
    "@attribute note string\n"
    "@DATA\n"
    "1.5, red, 3e2, 'a, b'\n"
    " \t% between, it's 50% off\n"
    "\n"
    "?,'light blue',-1,plain\n"
    "2,\"it's\",?,?\n"
    "3,?,+4,'?'\n"
    "{0 7, 3 'a, b'}\n"
    "{1 'light blue',2 ?,3 \"100\\% \\\"x\\\"\"}";

}  // namespace

TEST_CASE("an ARFF text is read by its columns") {
  const Table table = arff(flowers);
  CHECK(table.name() == "a.arff");
  CHECK(table.rows() == 6);
  CHECK(table.names() == Names{"width", "the colour", "height", "note"});
  const TableColumn& width = table.column("width");
  CHECK(width.numeric);
  CHECK(width.numbers[0] == 1.5);
  CHECK(width.missing(1));
  CHECK(width.numbers[4] == 7);
  CHECK(width.numbers[5] == 0);
  const TableColumn& colour = table.column("the colour");
  CHECK_FALSE(colour.numeric);
  CHECK(colour.texts == Names{"red", "light blue", "it's"});
  CHECK(colour.codes == std::vector<int>{0, 1, 2, -1, 0, 1});
  const TableColumn& height = table.column("height");
  CHECK(height.numbers[0] == 300);
  CHECK(height.numbers[3] == 4);
  CHECK(height.numbers[4] == 0);
  CHECK(height.missing(2));
  CHECK(height.missing(5));
  const TableColumn& note = table.column("note");
  CHECK(note.texts == Names{"a, b", "plain", "?", "100% \"x\""});
  CHECK(note.codes == std::vector<int>{0, 1, -1, 2, 0, 3});
  CHECK(table.file_row(0) == 9);
  CHECK(table.file_row(1) == 12);
  CHECK(table.file_row(5) == 16);
}

TEST_CASE("classes of a declared attribute are in the order of its declaration") {
  const Table table = arff("@relation r\n@attribute c {a,b,c}\n@attribute y {0,1}\n@data\nc,1\na,0\n");
  const Classes classes = classes_from(table, "c");
  CHECK(classes.names == Names{"a", "b", "c"});
  CHECK(classes.targets.value(0) == 2);
  CHECK(classes.targets.value(1) == 0);
  CHECK(binary_from(table, {"y"}).value(0) == 1);
  CHECK(binary_from(table, {"y"}).value(1) == 0);
}

TEST_CASE("a hostile ARFF header ends in a sentence") {
  CHECK(error("") == "mtlx: a.arff has no @data, expected an ARFF file");
  CHECK(error("% only\n") == Contains("has no @data"));
  CHECK(error("@relation r\n@attribute x numeric\n") == Contains("has no @data"));
  CHECK(error("@relation r\n@data\n1\n") == "mtlx: a.arff, row 2: @data, but no @attribute came before it");
  CHECK(error("@attribute x numeric\n@data\n") == "mtlx: a.arff has no rows behind @data");
  CHECK(error("a,b\n1,2\n") == "mtlx: a.arff, row 1: \"a\", expected @relation, @attribute or @data");
  CHECK(error("@attribute x date\n") == Contains("row 1: an attribute of type date, which is not read"));
  CHECK(error("@attribute x DATE \"yyyy\"\n") == Contains("type date"));
  CHECK(error("@attribute x relational\n") == Contains("type \"relational\", expected numeric, real"));
  CHECK(error("@attribute x\n") == Contains("row 1: the line ends, expected a word"));
  CHECK(error("@attribute\n") == Contains("row 1: the line ends, expected a word"));
  CHECK(error("@attribute x numeric 5\n") == Contains("row 1: something goes on behind"));
  CHECK(error("@attribute x numeric\n@data 5\n") == Contains("row 2: something goes on behind"));
  CHECK(error("@attribute x numeric % in cm\n") == Contains("row 1: \"% in cm\", but a comment is a line of its own"));
  CHECK(error("@attribute x {a,50% off}\n") == Contains("row 1: \"% off}\", but a comment"));
  CHECK(error("@attribute x real\n@data % rows\n1\n") == Contains("row 2: \"% rows\", but a comment"));
  CHECK(error("@attribute x {}\n") == Contains("a nominal attribute without values"));
  CHECK(error("@attribute x {a,b,a}\n") == Contains("row 1: the value \"a\" twice"));
  CHECK(error("@attribute x {a b}\n") == Contains("row 1: \"b}\", expected '}'"));
  CHECK(error("@attribute x {a\n") == Contains("row 1: the line ends, expected '}'"));
  CHECK(error("@attribute x {a,\n") == Contains("row 1: the line ends, expected a word"));
  CHECK(error("@attribute 'x {a}\n") == Contains("row 1: a quote that is never closed"));
  CHECK(error("@attribute 'a\\d' numeric\n") == Contains("row 1: a backslash in quotes"));
  CHECK(error("@attribute 'a\\") == Contains("row 1: a backslash in quotes"));
  CHECK(error("@attribute x real\n@attribute y real\n@attribute x real\n") ==
        "mtlx: a.arff, row 3: two attributes of the name \"x\"");
  CHECK(error({"@attribute x\0 real\n", 19}) == Contains("row 1: a zero byte"));
  CHECK(error("@attribute x real\r@data\r1\r") == Contains("row 1: a carriage return that ends no line"));
}

TEST_CASE("a hostile ARFF row ends in a sentence") {
  CHECK(error_of_row("1,red") == "");
  CHECK(error_of_row("1") ==
        "mtlx: a.arff, row 5: 1 value, expected 2, separated by commas (one with blanks stands in quotes)");
  CHECK(error_of_row("1 red") == Contains("row 5: 1 value, expected 2"));
  CHECK(error_of_row("1,red,2") == Contains("row 5: more than 2 values"));
  CHECK(error_of_row("1,red,{5}") == Contains("weights are not read"));
  CHECK(error_of_row("1,") == Contains("row 5: the line ends, expected a word"));
  CHECK(error_of_row(",red") == Contains("row 5: \",red\", expected a word"));
  CHECK(error_of_row("a,red") == "mtlx: a.arff, row 5: column \"x\": \"a\" is no number");
  CHECK(error_of_row("'?',red") == Contains("column \"x\": \"?\" is no number"));
  CHECK(error_of_row("1e999,red") == Contains("column \"x\": \"1e999\" is too large for a number"));
  CHECK(error_of_row("nan,red") ==
        Contains("column \"x\": \"nan\" is too large for a number, or none; a missing value is ?"));
  CHECK(error_of_row("1,green") == "mtlx: a.arff, row 5: column \"c\": \"green\" is none of its 2 values");
  const std::string own_line = "but a comment is a line of its own, and a value with % stands in quotes";
  CHECK(error_of_row("5%garbage,red") == ("mtlx: a.arff, row 5: \"%garbage,red\", " + own_line).c_str());
  for (const char* row : {"50% off,red", "1,red%", "1,red % behind", "1 % ,red", "1,%red", "1,'red'%",
                          "1,'red' % behind", "?%,red", "{0 5%, 1 red}", "{0 5} % behind", "{% 0 5}", "{0 % 5}"}) {
    CAPTURE(row);
    CHECK(error_of_row(row) == Contains("mtlx: a.arff, row 5: \"%"));
    CHECK(error_of_row(row) == Contains(own_line.c_str()));
  }
  CHECK(error_of_row("1,red\n % 2,blue") == "");
  CHECK(error_of_row("1,'re%d'") == Contains("column \"c\": \"re%d\" is none of its 2 values"));
  CHECK(error_of_row("1,'red") == Contains("row 5: a quote that is never closed"));

  CHECK(error_of_row("{}") == "");
  CHECK(error_of_row("{1 blue}") == "");
  CHECK(error_of_row("{2 blue}") == "mtlx: a.arff, row 5: \"2\" as the place of a value, expected 0 to 1");
  CHECK(error_of_row("{-1 blue}") == Contains("\"-1\" as the place of a value"));
  CHECK(error_of_row("{99999999999999999999 1}") == Contains("as the place of a value"));
  CHECK(error_of_row("{1 blue, 0 5}") == Contains("row 5: place 0 comes again or too late"));
  CHECK(error_of_row("{0 5, 0 5}") == Contains("row 5: place 0 comes again or too late"));
  CHECK(error_of_row("{0 5") == Contains("row 5: the line ends, expected '}'"));
  CHECK(error_of_row("{0}") == Contains("row 5: \"}\", expected a word"));
  CHECK(error_of_row("{0 5} , {2}") == Contains("weights are not read"));
  CHECK(error("@attribute s string\n@data\n{}\n") ==
        "mtlx: a.arff, row 3: a sparse row without a value for the string attribute \"s\"");
}

TEST_CASE("a few bytes of sparse rows don't make a huge table") {
  std::string text;
  for (int c = 0; c < 9000; ++c) text += "@attribute a" + std::to_string(c) + " real\n";
  text += "@data\n";
  const std::size_t header = text.size();
  for (int row = 0; row < 100; ++row) text += "{}\n";
  CHECK(arff(text).rows() == 100);
  for (int row = 0; row < 9900; ++row) text += "{}\n";
  const doctest::String message = error(text);
  CHECK(message == Contains("the table would have more than "));
  CHECK(message == Contains(join("too many for a file of ", header + 30000, " bytes").c_str()));
}

TEST_CASE("an ARFF file is read from disk") {
  const Temporary folder;
  CHECK(read_arff(folder.file("a.arff", {flowers.begin(), flowers.end()})).rows() == 6);
  CHECK(error_of([&] { read_arff(folder.path() + "/none.arff"); }) == Contains("none.arff: No such file"));
}

TEST_CASE("mutations of an ARFF text are refused or make a sound table") {
  Random random(9, Purpose::user, 5);
  int read = 0, refused = 0;
  for (int round = 0; round < 8000; ++round) {
    const std::string mutant = mutated(flowers, random);
    const doctest::String message = error_of([&] {
      const Table table = arff(mutant);
      ++read;
      CHECK(table.rows() > 0);
      CHECK(table.rows() <= mutant.size());
      for (const TableColumn& column : table.columns()) {
        CHECK(column.size() == table.rows());
        CHECK(column.texts.size() <= mutant.size());
      }
      error_of([&] { inputs_from(table, table.names(), {.fill = Fill::zero, .one_hot = 100}); });
    });
    if (message == "") continue;
    CHECK(message == Contains("mtlx: a.arff"));
    ++refused;
  }
  CHECK(read > 500);
  CHECK(refused > 2000);
}
