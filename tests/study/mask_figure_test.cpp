// SPDX-License-Identifier: MIT
#include <mtlx/study/mask_figure.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

using namespace mtlx;

namespace {

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Two layers; the tasks share one of three weights in the first, and the second is dead.
sharing::MaskAnalysis analysis(std::string name) {
  const TaskSet both = TaskSet::first(2);
  return sharing::analyse({{std::move(name), "right"},
                           {{"trunk.0.weight", {"weight", {3}}, 0}, {"trunk.1.weight", {"weight", {2}}, 3}},
                           {both, TaskSet::only(0), TaskSet::only(1), {}, {}}});
}

}  // namespace

TEST_CASE("a heat map for each layer and for all") {
  const std::string svg = study::mask_figure(analysis("<left & long enough to be cut>"));
  CHECK(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0) == 0);
  CHECK(svg.substr(svg.size() - 7) == "</svg>\n");
  CHECK(count(svg, "<g ") == count(svg, "</g>"));
  CHECK(count(svg, "<rect class=\"cell\"") == 3 * 4 + 5);
  CHECK(count(svg, "<title>&lt;left &amp; long enough to be cut&gt;, right: 0.33</title>") == 2);
  CHECK(count(svg, "right: -</title>") == 2);
  CHECK(count(svg, ">3 weights, joint overlap 0.33<") == 1);
  CHECK(count(svg, ">2 weights, joint overlap -<") == 1);
  CHECK(count(svg, "&lt;left &amp; long eno\u2026 1<") == 3);
  // Too many tasks for numbers and names: they stand in the cells' titles.
  sharing::Masks many{{}, {{"w", {"weight", {40}}, 0}}, {}};
  for (std::size_t t = 0; t < 40; ++t) many.tasks.push_back(join("t", t)), many.owners.push_back(TaskSet::only(t));
  const std::string large = study::mask_figure(sharing::analyse(many));
  CHECK(count(large, "<title>t3, t3: 1.00</title>") == 2);
  CHECK(count(large, "text-anchor=\"end\"") == 0);
}

TEST_CASE("matrices for a report") {
  const auto found = analysis("left");
  study::Study results;
  for (auto& matrix : study::mask_matrices(found, "sparse")) results.matrices.push_back(std::move(matrix));
  const auto& matrices = results.matrices;
  REQUIRE(matrices.size() == 3);
  CHECK(matrices[0].title == "sparse: overlap of masks, trunk.0.weight");
  CHECK(matrices[2].title == "sparse: overlap of masks, all layers");
  CHECK(matrices[0].row_names == std::vector<std::string>{"left", "right"});
  CHECK(matrices[0].values[1] == doctest::Approx(1.0 / 3));
  CHECK(is_nan(matrices[1].values[1]));
}
