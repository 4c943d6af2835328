// SPDX-License-Identifier: MIT
#include <mtlx/data/table.hpp>

#include "temporary.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

TableColumn numbers(std::string name, std::vector<double> values) {
  TableColumn column;
  column.name = std::move(name);
  column.numbers = std::move(values);
  return column;
}

TableColumn text(std::string name, std::vector<int> codes, std::vector<std::string> texts) {
  TableColumn column;
  column.name = std::move(name);
  column.numeric = false;
  column.codes = std::move(codes);
  column.texts = std::move(texts);
  return column;
}

Table train() {
  return Table("train.csv",
               {numbers("x", {1, none, 4}), numbers("y", {-1, 0.5, 1e300}), text("colour", {1, -1, 0}, {"red", "blue"}),
                numbers("label", {2, 0, none})},
               {2, 3, 7});
}

std::vector<float> all(const Inputs& inputs) { return {inputs.floats().begin(), inputs.floats().end()}; }

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("columns are found by name") {
  const Table table = train();
  CHECK(table.rows() == 3);
  CHECK(table.names() == Names{"x", "y", "colour", "label"});
  CHECK(table.names({"label", "x"}) == Names{"y", "colour"});
  CHECK(&table.column("colour") == &table.columns()[2]);
  CHECK(table.find("z") == nullptr);
  CHECK(table.find("") == nullptr);
  CHECK(error_of([&] { table.column("z"); }) ==
        "mtlx: train.csv has no column \"z\", only \"x\", \"y\", \"colour\", \"label\"");
  CHECK(error_of([&] { table.names({"z"}); }) == Contains("has no column \"z\""));
  std::vector<TableColumn> many;
  for (int c = 0; c < 20; ++c) many.push_back(numbers("c" + std::to_string(c), {1}));
  CHECK(error_of([&] { Table("t", many).column("x"); }) == Contains("\"c7\" and 12 more"));
}

TEST_CASE("a table is whole or none") {
  const auto error = [](std::vector<TableColumn> columns, std::vector<std::size_t> rows = {}) {
    return error_of([&] { Table("t", std::move(columns), std::move(rows)); });
  };
  CHECK(error({}) == "mtlx: t has no columns");
  CHECK(error({numbers("a", {1}), numbers("b", {1, 2})}) ==
        "mtlx: t has 2 cells in column \"b\", expected 1 as in the first");
  CHECK(error({numbers("a", {1}), numbers("a", {2})}) == "mtlx: t has two columns of the name \"a\"");
  CHECK(error({numbers("a", {1})}, {1, 2}) == "mtlx: t has 1 rows, but 2 rows of a file");
  CHECK(error({numbers("a", {0, std::numeric_limits<double>::infinity()})}) ==
        "mtlx: t, row 2, column \"a\": an infinite number");
  CHECK(error({text("a", {0, 1}, {"x"})}, {5, 6}) == "mtlx: t, row 6, column \"a\": a code without a text");
  CHECK(error({numbers("a", {})}) == "");
}

TEST_CASE("columns become inputs in the order in which they are named") {
  const Table table("t", {numbers("x", {1, 2}), numbers("y", {3, 4.5})});
  const Inputs inputs = inputs_from(table, {"y", "x"});
  CHECK(inputs.shape() == Shape{2, 1, 1});
  CHECK(all(inputs) == std::vector<float>{3, 1, 4.5F, 2});
  CHECK(error_of([&] { inputs_from(table, {}); }) == Contains("t: no columns were named"));
  CHECK(error_of([&] { inputs_from(table, {"x", "z"}); }) == Contains("t has no column \"z\", only \"x\", \"y\""));
}

TEST_CASE("a missing input is an error unless something stands in for it") {
  const Table table = train();
  CHECK(error_of([&] { inputs_from(table, {"x"}); }) ==
        "mtlx: train.csv, row 3, column \"x\": a missing input; FeatureOptions::fill says what stands in for it");
  CHECK(all(inputs_from(table, {"x"}, {.fill = Fill::zero})) == std::vector<float>{1, 0, 4});
  CHECK(all(inputs_from(table, {"x"}, {.fill = Fill::mean})) == std::vector<float>{1, 2.5F, 4});
  const Table empty("t", {numbers("x", {none, none})});
  CHECK(error_of([&] { inputs_from(empty, {"x"}, {.fill = Fill::mean}); }) ==
        "mtlx: t: column \"x\" has no known cell to take a mean of");
  CHECK(error_of([&] { inputs_from(table, {"y"}); }) ==
        "mtlx: train.csv, row 7, column \"y\": 1e+300 is too large for a float");
  const Table large("t", {numbers("x", {1e308, 1e308, none})});  // whose sum is no double
  CHECK(error_of([&] { Features(large, {"x"}, {.fill = Fill::mean}); }) ==
        "mtlx: t: column \"x\": the mean 1e+308 is too large for a float");
  const Table apart("t", {numbers("x", {-1e308, 1.7e308, none})});  // nor is their difference
  CHECK(error_of([&] { Features(apart, {"x"}, {.fill = Fill::mean}); }) ==
        "mtlx: t: column \"x\": the mean 3.5e+307 is too large for a float");
  const Features cancels(Table("t", {numbers("x", {-1.5e308, 1.5e308})}), {"x"}, {.fill = Fill::mean});
  CHECK(all(cancels.inputs(Table("t", {numbers("x", {none})}))) == std::vector<float>{0});
}

TEST_CASE("text becomes inputs by request, one for each text") {
  const Table table = train();
  CHECK(error_of([&] { inputs_from(table, {"colour"}); }) ==
        "mtlx: train.csv: column \"colour\" is text, expected numbers; FeatureOptions::one_hot allows text");
  CHECK(error_of([&] { inputs_from(table, {"colour"}, {.one_hot = 1}); }) ==
        "mtlx: train.csv: column \"colour\" has 2 different texts, expected at most 1 (FeatureOptions::one_hot)");
  CHECK(error_of([&] { inputs_from(table, {"colour"}, {.one_hot = 2}); }) ==
        Contains("row 3, column \"colour\": a missing"));
  const Features features(table, {"label", "colour"}, {.fill = Fill::mean, .one_hot = 2});
  CHECK(features.size() == 3);
  CHECK(features.names() == Names{"label", "colour=red", "colour=blue"});
  CHECK(all(features.inputs(table)) == std::vector<float>{2, 0, 1, 0, 0.5F, 0.5F, 1, 1, 0});
  CHECK(all(inputs_from(table, {"colour"}, {.fill = Fill::zero, .one_hot = 9})) ==
        std::vector<float>{0, 1, 0, 0, 1, 0});
  TableColumn late = text("a", {0, 1}, {"1", "x"});
  late.text_since = 9;
  CHECK(error_of([&] { inputs_from(Table("t", {late}, {8, 9}), {"a"}); }) ==
        Contains("t: column \"a\" is text since row 9, \"x\", expected numbers"));
}

TEST_CASE("another table is read as the training table was") {
  const Features features(train(), {"x", "colour"}, {.fill = Fill::mean, .one_hot = 5});
  const Table test("test.csv",
                   {text("colour", {0, 1, 2, -1}, {"blue", "red", "green"}), numbers("x", {none, 7, 8, 9})});
  CHECK(all(features.inputs(test)) == std::vector<float>{2.5F, 0, 1, 7, 1, 0, 8, 0.5F, 0.5F, 9, 0.5F, 0.5F});
  const Features strict(train(), {"colour"}, {.one_hot = 5});
  CHECK(error_of([&] { strict.inputs(test); }) ==
        "mtlx: test.csv, row 3, column \"colour\": a text that training does not have; FeatureOptions::fill says what "
        "stands in for it");
  CHECK(error_of([&] { features.inputs(Table("t", {numbers("x", {1})})); }) == Contains("t has no column \"colour\""));
  CHECK(error_of([&] { features.inputs(Table("t", {numbers("x", {1}), numbers("colour", {1})})); }) ==
        "mtlx: t: column \"colour\" has numbers, expected text as in training");
  CHECK(error_of([&] { features.inputs(Table("t", {text("x", {0}, {"a"})})); }) == Contains("column \"x\" is text"));
}

TEST_CASE("a column without a known cell is of either kind") {
  const Features features(train(), {"x", "colour"}, {.fill = Fill::zero, .one_hot = 5});
  const Table test("t", {text("x", {-1, -1}, {}), numbers("colour", {none, none})});
  CHECK(all(features.inputs(test)) == std::vector<float>(6));
  const Features strict(train(), {"colour"}, {.one_hot = 5});
  CHECK(error_of([&] { strict.inputs(test); }) == Contains("t, row 1, column \"colour\": a missing input"));
  const Targets classes = classes_from(test, "colour", {"red", "blue"});
  CHECK(classes.size() == 2);
  CHECK_FALSE(classes.present(1));
  const Targets values = values_from(test, {"x", "colour"});
  CHECK(values.size() == 2);
  CHECK_FALSE(values.present(0, 0));
  CHECK_FALSE(values.present(1, 1));
}

TEST_CASE("classes keep their names") {
  const Table table = train();
  const Classes colours = classes_from(table, "colour");
  CHECK(colours.names == Names{"red", "blue"});
  CHECK(colours.targets.value(0) == 1);
  CHECK_FALSE(colours.targets.present(1));
  CHECK(colours.targets.value(2) == 0);
  const Table test("test.csv", {text("colour", {0, 1}, {"blue", "red"})});
  CHECK(classes_from(test, "colour", colours.names).value(0) == 1);
  CHECK(classes_from(test, "colour", colours.names).value(1) == 0);
  CHECK(error_of([&] { classes_from(test, "colour", {"red"}); }) ==
        "mtlx: test.csv, row 1, column \"colour\": \"blue\" is none of the 1 classes");
  CHECK(error_of([&] { classes_from(table, "label", {"red"}); }) ==
        Contains("column \"label\" has numbers, expected text"));

  CHECK(error_of([&] { classes_from(test, "colour", {"red", "blue", "green", "red"}); }) ==
        "mtlx: test.csv: column \"colour\": the text \"red\" is named twice, expected different ones");
  CHECK(error_of([&] { classes_from(test, "colour", {"blue", "red", "", ""}); }) == Contains("the text \"\" is named"));

  const Classes labels = classes_from(table, "label");
  CHECK(labels.names.empty());
  CHECK(labels.targets.value(0) == 2);
  CHECK_FALSE(labels.targets.present(2));
  for (const double bad : {0.5, -1.0, 16777217.0, 1e300}) {
    CAPTURE(bad);
    CHECK(error_of([&] { classes_from(Table("t", {numbers("a", {0, bad})}), "a"); }) ==
          Contains("t, row 2, column \"a\": "));
  }
  CHECK(classes_from(Table("t", {numbers("a", {16777216})}), "a").targets.value(0) == 16777216);
}

TEST_CASE("columns of numbers become values") {
  const Table table = train();
  const Targets values = values_from(table, {"label", "x"});
  CHECK(values.width() == 2);
  CHECK(values.size() == 3);
  CHECK(values.value(0, 0) == 2);
  CHECK(values.value(0, 1) == 1);
  CHECK_FALSE(values.present(1, 1));
  CHECK_FALSE(values.present(2, 0));
  CHECK(error_of([&] { values_from(table, {"colour"}); }) == Contains("column \"colour\" is text, expected numbers"));
  CHECK(error_of([&] { values_from(table, {"y"}); }) ==
        Contains("row 7, column \"y\": 1e+300 is too large for a float"));
  CHECK(error_of([&] { values_from(table, {}); }) == Contains("width 0"));
}

TEST_CASE("yes and no have many names") {
  const Table table("t",
                    {numbers("a", {1, 0, none}), text("b", {0, 1, 2}, {"TRUE", "No", "y"}),
                     text("c", {1, -1, 0}, {"0", "1"}), numbers("d", {1, 0, 2}), text("e", {0, 0, 1}, {"f", "ja"})},
                    {2, 3, 4});
  const Targets targets = binary_from(table, {"a", "b", "c"});
  CHECK(targets.width() == 3);
  const float expected[3][3] = {{1, 1, 1}, {0, 0, -1}, {-1, 1, 0}};
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(targets.present(row, c) == (expected[row][c] >= 0));
      if (targets.present(row, c)) CHECK(targets.value(row, c) == expected[row][c]);
    }
  CHECK(error_of([&] { binary_from(table, {"d"}); }) ==
        "mtlx: t, row 4, column \"d\": 2 is neither 1 nor 0 (true or false, yes or no)");
  CHECK(error_of([&] { binary_from(table, {"e"}); }) == Contains("t, row 4, column \"e\": \"ja\" is neither 1 nor 0"));
  CHECK(error_of([&] { binary_from(table, {"z"}); }) == Contains("has no column \"z\""));
}
