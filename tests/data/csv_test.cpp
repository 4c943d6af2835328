// SPDX-License-Identifier: MIT
#include <mtlx/data/csv.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

Table csv(std::string_view text, const CsvOptions& options = {}) { return parse_csv(text, "a.csv", options); }

doctest::String error(std::string_view text, const CsvOptions& options = {}) {
  return error_of([&] { csv(text, options); });
}

// A column's cells as text, a missing one as "-".
std::vector<std::string> cells(const Table& table, std::string_view name) {
  const TableColumn& column = table.column(name);
  std::vector<std::string> found;
  for (std::size_t row = 0; row < table.rows(); ++row)
    found.push_back(column.missing(row) ? "-"
                    : column.numeric    ? join(column.numbers[row])
                                        : column.texts[static_cast<std::size_t>(column.codes[row])]);
  return found;
}

using Cells = std::vector<std::string>;

}  // namespace

TEST_CASE("a CSV text is read by its columns") {
  const Table table = csv("x,colour,y\n1.5,red,-2\n,blue,3e2\n0,red,+4\n");
  CHECK(table.name() == "a.csv");
  CHECK(table.rows() == 3);
  CHECK(table.names() == Cells{"x", "colour", "y"});
  CHECK(table.column("x").numeric);
  CHECK(cells(table, "x") == Cells{"1.5", "-", "0"});
  CHECK(cells(table, "y") == Cells{"-2", "300", "4"});
  CHECK_FALSE(table.column("colour").numeric);
  CHECK(table.column("colour").texts == Cells{"red", "blue"});
  CHECK(table.column("colour").codes == std::vector<int>{0, 1, 0});
  CHECK(table.column("colour").text_since == 2);
  CHECK(table.file_row(0) == 2);
  CHECK(table.file_row(2) == 4);
}

TEST_CASE("quotes hold delimiters, line ends and quotes") {
  const Table table = csv("\"a\",\"b,c\"\r\n\"1\",\"x \"\"y\"\"\"\r\n2,\"two\r\nlines\"\r\n\"\",\",\"\r\n");
  CHECK(table.names() == Cells{"a", "b,c"});
  CHECK(cells(table, "a") == Cells{"1", "2", "-"});
  CHECK(cells(table, "b,c") == Cells{"x \"y\"", "two\r\nlines", ","});
  CHECK(table.file_row(1) == 3);
  CHECK(table.file_row(2) == 5);  // the third row's cell has a line end in it
}

TEST_CASE("line ends, the last line and the byte order mark don't matter") {
  for (const std::string_view text :
       {"a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4\r\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\n3,4\r\n\r\n\n",
        "\xEF\xBB\xBF"
        "a,b\n1,2\n3,4\n\n"}) {
    const Table table = csv(text);
    CHECK(cells(table, "a") == Cells{"1", "3"});
    CHECK(cells(table, "b") == Cells{"2", "4"});
  }
  CHECK(cells(csv("a,b\n1,\n3,"), "b") == Cells{"-", "-"});
}

TEST_CASE("in a table of one column an empty line is a missing cell, but at the end it is no row") {
  CHECK(cells(csv("a\n1\n\n3\n"), "a") == Cells{"1", "-", "3"});
  CHECK(cells(csv("a\n1\n\r\n3\n\n\r\n\n"), "a") == Cells{"1", "-", "3"});
  CHECK(cells(csv("a\n1\n\"\"\n"), "a") == Cells{"1", "-"});
  CHECK(cells(csv("a\n1\n\"\"\n\n"), "a") == Cells{"1", "-"});
  CHECK(cells(csv("a\nx\n\n\n", {.missing = {}}), "a") == Cells{"x"});
  CHECK(cells(csv("a\n\"x\n\n\"\n\n"), "a") == Cells{"x\n\n"});
  CHECK(error("a\n\n") == "mtlx: a.csv has a header but no rows");
  CHECK(error("\n\r\n") == "mtlx: a.csv is empty, expected a CSV file with a header row");
  CHECK(error("a\n1\n\n\r\r\n\n") == Contains("row 4, cell 1: a carriage return that ends no line"));
  CHECK(error("a,b\n1,2\n\n3,4\n") == "mtlx: a.csv, row 3: 1 cell, expected 2 as in the header");
}

TEST_CASE("what counts as missing is an option") {
  CHECK(cells(csv("a\nNA\n?\nnan\nNaN\n\" \"\n NA \n7\n"), "a") == Cells{"-", "-", "-", "-", "-", "-", "7"});
  CHECK(cells(csv("a,b\n-9,x\n1,-9\n", {.missing = {"-9"}}), "a") == Cells{"-", "1"});
  CHECK(cells(csv("a,b\n-9,x\n1,-9\n", {.missing = {"-9"}}), "b") == Cells{"x", "-"});
  CHECK(cells(csv("a\n1\nNA\n", {.missing = {}}), "a") == Cells{"1", "NA"});
  CHECK(cells(csv("a\n1\nnot known\n not known \n", {.missing = {" not known "}}), "a") == Cells{"1", "-", "-"});
  CHECK(cells(csv("a,b\n \t,1\n2,1\n", {.missing = {" "}}), "a") == Cells{"-", "2"});
  CHECK(cells(csv("a,b\n?,1\n?,2\n"), "a") == Cells{"-", "-"});
  CHECK(csv("a,b\n?,1\n?,2\n").column("a").numeric);
}

TEST_CASE("a column that is missing in the test file is read as in training") {
  const Table train = csv("x,colour,y\n1,red,2\n3,blue,4\n"), test = csv("x,colour,y\n5,NA,6\n7,,8\n");
  CHECK(test.column("colour").unknown());
  CHECK_FALSE(test.column("x").unknown());
  const Inputs inputs = Features(train, {"x", "colour"}, {.fill = Fill::mean, .one_hot = 9}).inputs(test);
  CHECK(std::vector<float>(inputs.floats().begin(), inputs.floats().end()) ==
        std::vector<float>{5, 0.5F, 0.5F, 7, 0.5F, 0.5F});
  const Targets classes = classes_from(test, "colour", classes_from(train, "colour").names);
  CHECK(classes.size() == 2);
  CHECK_FALSE(classes.present(0));
  CHECK_FALSE(classes.present(1));
}

TEST_CASE("a column is text from its first cell that is no number, or by request") {
  const Table table = csv("id,zip\n1,01234\n2,00501\nx,10\n", {.text_columns = {"zip"}});
  CHECK(table.column("id").text_since == 4);
  CHECK(cells(table, "id") == Cells{"1", "2", "x"});
  CHECK(table.column("zip").text_since == 0);
  CHECK(cells(table, "zip") == Cells{"01234", "00501", "10"});
  CHECK(error("id\n1\n", {.text_columns = {"zip"}}) ==
        "mtlx: a.csv has no column \"zip\", which CsvOptions::text_columns names");
  // Blanks belong to a text and not to a number.
  CHECK(cells(csv("a;b\n 1 ; x \n", {.delimiter = ';'}), "a") == Cells{"1"});
  CHECK(cells(csv("a;b\n 1 ; x \n", {.delimiter = ';'}), "b") == Cells{" x "});
  // What is too large for a number is text among texts and a mistake among numbers.
  CHECK(cells(csv("hash\n1e999\n1f3\n"), "hash") == Cells{"1e999", "1f3"});
  CHECK(error("a,b\n1,2\n1,1e999\n") ==
        "mtlx: a.csv, row 3, column \"b\": \"1e999\" is too large for a number, or none");
  CHECK(error("a\n10e9223372036854775807\n") ==
        "mtlx: a.csv, row 2, column \"a\": \"10e9223372036854775807\" is too large for a number, or none");
  CHECK(cells(csv("a\n0.001e-9223372036854775808\n"), "a") == Cells{"0"});
  CHECK(error("a\n1\n-inf\n") == Contains("row 3, column \"a\": \"-inf\" is too large"));
  CHECK(error("a\nnan\n", {.missing = {}}) == Contains("row 2, column \"a\": \"nan\""));
}

TEST_CASE("a hostile CSV text ends in a sentence") {
  CHECK(error("") == "mtlx: a.csv is empty, expected a CSV file with a header row");
  CHECK(error("a,b\n") == "mtlx: a.csv has a header but no rows");
  CHECK(error("a,b") == Contains("has a header but no rows"));
  CHECK(error("a,b\n\n\n") == Contains("has a header but no rows"));
  CHECK(error("a,b\n1,2\n3\n") == "mtlx: a.csv, row 3: 1 cell, expected 2 as in the header");
  CHECK(error("a,b\n1,2\n\"\"\n") == Contains("row 3: 1 cell, expected 2"));
  CHECK(error("a,b\n1,2\n\n\r\n\r") == Contains("row 3: 1 cell, expected 2"));
  CHECK(error("a,b\n1,2,3\n") == "mtlx: a.csv, row 2: 3 cells, expected 2 as in the header");
  CHECK(error("a,b,a\n1,2,3\n") == "mtlx: a.csv, row 1: two columns of the name \"a\"");
  CHECK(error("a,,\n1,2,3\n") == Contains("two columns of the name \"\""));
  CHECK(error("a\n\"1\n2\n") == "mtlx: a.csv, row 2, cell 1: a quote that is never closed");
  CHECK(error("a,b\n1,\"2\"3\n") == Contains("row 2, cell 2: text behind the closing quote"));
  CHECK(error("a,b\n1,2\"3\n") == Contains("row 2, cell 2: a quote inside a cell that does not begin with one"));
  CHECK(error("a,b\n1, \"2\"\n") == Contains("row 2, cell 2: a quote inside a cell"));
  CHECK(error("a,b\r1,2\r") == Contains("row 1, cell 2: a carriage return that ends no line"));
  CHECK(error({"a,b\n1,\0\n", 8}) == Contains("row 2, cell 2: a zero byte"));
  CHECK(error({"a,b\n1,\"\0\"\n", 10}) == Contains("row 2, cell 2: a zero byte"));
  CHECK(error({"\xFF\xFE"
               "a\0,\0b\0",
               8}) == Contains("row 1, cell 1: a zero byte"));  // UTF-16
  CHECK(error("a\n\"\n\n", {}) == Contains("row 2, cell 1: a quote that is never closed"));
  for (const char bad : {'"', '\n', '\r', '\0'})
    CHECK(error("a\n1\n", {.delimiter = bad}) == Contains("a CSV delimiter can't be"));
}

TEST_CASE("a table of many columns is read in good time") {
  std::string text;
  for (int c = 0; c < 20000; ++c) text += (c == 0 ? "c" : ",c") + std::to_string(c);
  text += "\n1" + std::string(19999, ',') + "\n";
  const Table table = csv(text);
  CHECK(table.columns().size() == 20000);
  CHECK(table.column("c19999").missing(0));
  CHECK(table.column("c0").numbers[0] == 1);
}

TEST_CASE("a CSV file is read from disk, also packed") {
  const Temporary folder;
  const std::string text = "a,b\n1,x\n";
  CHECK(cells(read_csv(folder.file("a.csv", {text.begin(), text.end()})), "b") == Cells{"x"});
  CHECK(error_of([&] { read_csv(folder.path() + "/none.csv"); }) == Contains("none.csv: No such file"));
  const std::string ragged = folder.file("b.csv", {'a', '\n', '1', ',', '2'});
  CHECK(error_of([&] { read_csv(ragged); }) == Contains((ragged + ", row 2: 2 cells").c_str()));
#if MTLX_DATA_ZLIB
  const std::string packed = folder.path() + "/a.csv.gz";
  gzFile file = gzopen(packed.c_str(), "wb");
  REQUIRE(gzputs(file, text.c_str()) == static_cast<int>(text.size()));
  REQUIRE(gzclose(file) == Z_OK);
  CHECK(cells(read_csv(packed), "a") == Cells{"1"});
#endif
}

TEST_CASE("mutations of a CSV text are refused or make a sound table") {
  const std::string_view text =
      "x,\"the colour\",y,label\r\n"
      "1.5,red,-2,0\r\n"
      ",\"blue, light\",3e2,1\r\n"
      "NA,\"a \"\"b\"\"\",4,?\r\n"
      "7,red,5,1\r\n";
  Random random(8, Purpose::user, 4);
  int read = 0, refused = 0;
  for (int round = 0; round < 8000; ++round) {
    const std::string mutant = mutated(text, random);
    const doctest::String message = error_of([&] {
      const Table table = csv(mutant);
      ++read;
      CHECK(table.rows() > 0);
      CHECK(table.rows() * table.columns().size() <= mutant.size() + 1);
      CHECK(table.file_row(table.rows() - 1) <= mutant.size() + 1);
      for (const TableColumn& column : table.columns()) CHECK(column.size() == table.rows());
      error_of([&] { inputs_from(table, table.names(), {.fill = Fill::mean, .one_hot = 100}); });
      for (const std::string& name : table.names()) {
        error_of([&] { classes_from(table, name); });
        error_of([&] { values_from(table, {name}); });
        error_of([&] { binary_from(table, {name}); });
      }
    });
    if (message == "") continue;
    CHECK(message == Contains("mtlx: a.csv"));
    ++refused;
  }
  CHECK(read > 1000);
  CHECK(refused > 2000);
}
