// SPDX-License-Identifier: MIT
// glyphs.hpp, and what data sets with many tasks are made of: parts.hpp, multi_label.hpp, tagged_text.hpp.
#include <mtlx/data/conllu.hpp>
#include <mtlx/data/csv.hpp>
#include <mtlx/data/glyphs.hpp>
#include <mtlx/data/multi_label.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/data/tagged_text.hpp>

#include "mutate.hpp"
#include "temporary.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace mtlx;
using namespace mtlx::data;
using doctest::Contains;

namespace {

std::vector<float> values(const DataSet& data, const char* task) {
  const Targets* targets = data.streams()[0].find(task);
  REQUIRE(targets != nullptr);
  std::vector<float> all;
  for (std::size_t i = 0; i < targets->size(); ++i) all.push_back(targets->present(i) ? targets->value(i) : -1);
  return all;
}

}  // namespace

#if MTLX_DATA_FREETYPE

namespace {

#include "glyph_fonts.inc"

std::string bytes_of(const StoredFont& font) {
  std::string bytes;
  for (std::size_t i = 0; i < font.bytes.size(); i += 2)
    bytes += static_cast<char>((font.bytes[i] - 'a') * 16 + (font.bytes[i + 1] - 'a'));
  return bytes;
}

}  // namespace

TEST_CASE("a font's tables become tasks, and its outlines pictures") {
  for (const StoredFont& stored : stored_fonts)
    for (const int side : {28, 9}) {
      CAPTURE(stored.name);
      CAPTURE(side);
      const Glyphs glyphs = parse_font(bytes_of(stored), stored.name, {.size = side});
      REQUIRE(glyphs.character.size() == stored.glyphs.size());
      REQUIRE(glyphs.faces.size() == 1);
      const FontFace& face = glyphs.faces[0];
      CHECK(face.file == stored.name);
      CHECK(face.family == std::string("Mtlx ") + stored.name);
      CHECK(face.weight == stored.weight);
      CHECK(face.italic == stored.italic);
      CHECK(face.mono == stored.mono);
      CHECK(face.serif == stored.serif);
      if (stored.x_height < 0)
        CHECK(is_nan(face.x_height));
      else
        CHECK(double(face.x_height) == doctest::Approx(stored.x_height));

      // An em in pixels is what FreeType makes of the nearest 64th. The fonts' units are thousandths of it.
      const double em = std::floor(double(side * 64 * 5) / 7 + 0.5) / 64;
      std::size_t cut = 0;
      double most = 0;
      for (std::size_t g = 0; g < stored.glyphs.size(); ++g) {
        const StoredGlyph& glyph = stored.glyphs[g];
        CHECK(glyphs.character[g] == glyph.character);
        CHECK(glyphs.face[g] == 0);
        CHECK(double(glyphs.width[g]) == doctest::Approx(glyph.width));
        const double left = (side - (glyph.right - glyph.left) * em) / 2, right = side - left;
        const double below = side / 4 + glyph.bottom * em, above = side / 4 + glyph.top * em;
        cut += left < -0.1 || below < -0.1 || above > side + 0.1;
        const std::uint8_t* pixel = glyphs.pixels.data() + g * std::size_t(side * side);
        double ink = 0;
        for (int y = 0; y < side; ++y)
          for (int x = 0; x < side; ++x, ++pixel) {
            ink += *pixel / 255.0;
            if (glyph.character == 50) continue;  // o is round
            const auto covered = [](double from, double to, double at) {
              return std::max(0.0, std::min(to, at + 1) - std::max(from, at));
            };
            const double share = covered(left, right, x) * covered(below, above, side - 1 - y);
            most = std::max(most, std::abs(*pixel / 255.0 - share));
          }
        if (left > 0) CHECK(ink == doctest::Approx(glyph.area * em * em).epsilon(0.03));
      }
      CHECK(most < 0.04);  // outlines are rounded to 64ths of a pixel
      CHECK(glyphs.cut == cut);
    }
}

TEST_CASE("ten tasks, missing where a font does not say") {
  const Glyphs plain = parse_font(bytes_of(stored_fonts[0]), "plain");
  const DataSet data = plain.data();
  CHECK(data.shape() == Shape{1, 28, 28});
  CHECK(values(data, "character") == std::vector<float>{0, 10, 32, 45, 50, 59});
  CHECK(values(data, "kind") == std::vector<float>{0, 1, 1, 2, 2, 2});
  CHECK(values(data, "bold") == std::vector<float>(6, 0));
  CHECK(values(data, "serif") == std::vector<float>(6, 1));
  CHECK(values(data, "width")[3] == 0.25F);
  CHECK(values(data, "x_height") == std::vector<float>(6, 0.5F));
  // A: 10 x 14 pixels of 784.
  CHECK(double(values(data, "ink")[1]) == doctest::Approx(140.0 / 784));
  CHECK(plain.pixels[784 + 20 * 28 + 9] == 255);
  CHECK(plain.pixels[784 + 20 * 28 + 8] == 0);
  CHECK(plain.pixels[784 + 21 * 28 + 9] == 0);

  const DataSet unsaid = parse_font(bytes_of(stored_fonts[3]), "unsaid").data();
  CHECK(values(unsaid, "bold") == std::vector<float>(3, -1));
  CHECK(values(unsaid, "light") == std::vector<float>(3, -1));
  const DataSet digits = parse_font(bytes_of(stored_fonts[2]), "digits").data();
  CHECK(values(digits, "light") == std::vector<float>(2, 1));
  CHECK(values(digits, "serif") == std::vector<float>(2, -1));
  CHECK(values(digits, "x_height") == std::vector<float>(2, -1));
  CHECK(Glyphs{}.groups() == Clusters(1));
}

TEST_CASE("a list of fonts, dealt out by groups") {
  const Temporary folder;
  std::string list = "# group, file\n";
  for (int i = 0; i < 12; ++i) {
    const std::string bytes = bytes_of(stored_fonts[std::size_t(i % 4)]);
    folder.file("f" + std::to_string(i) + ".ttf", {bytes.begin(), bytes.end()});
    list += join("g", i / 2, "\tf", i, ".ttf\n");
  }
  const auto listed = [&](const std::string& text) { return folder.file("fonts.txt", {text.begin(), text.end()}); };
  const Glyphs glyphs = read_glyphs(listed(list), {.size = 12});
  REQUIRE(glyphs.faces.size() == 12);
  CHECK(glyphs.faces[11].group == 5);
  const Clusters groups = glyphs.groups();
  CHECK(std::count(groups[0].begin(), groups[0].end(), 0U) == 9);  // plain and cff
  CHECK(groups[0].size() == glyphs.character.size());

  const Parts parts = glyph_parts(folder.path(), {.size = 12}, {.test = 0.33, .validation = 0.25, .seed = 1});
  CHECK(parts.train.size() + parts.validation.size() + parts.test.size() == glyphs.character.size());
  // Numbers are in deviations of the training data; x_height is missing for fonts of digits alone.
  for (const char* task : {"width", "x_height", "ink"}) {
    const Targets& targets = *parts.train.streams()[0].find(task);
    double sum = 0, squares = 0, n = 0;
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (targets.present(i)) sum += double(targets.value(i)), squares += std::pow(double(targets.value(i)), 2), n += 1;
    CHECK(std::abs(sum / n) < 1e-5);
    CHECK(squares / n == doctest::Approx(1).epsilon(1e-4));
  }

  const auto error = [&](const std::string& text) { return error_of([&] { read_glyphs(listed(text)); }); };
  CHECK(error("") == Contains("names no font"));
  CHECK(error("a\tf0.ttf\nf1.ttf\n") == Contains("fonts.txt, row 2: \"f1.ttf\", expected a group, a tab and a file"));
  CHECK(error("a\tf0.ttf\t1\n") == Contains("row 1"));
  CHECK(error("a\tf0.ttf\nb\tf0.ttf\n") == Contains("is there twice"));
  CHECK(error("a\tnone.ttf\n") == Contains("none.ttf"));
  CHECK(error_of([&] { glyph_parts(folder.path() + "/none"); }) == Contains("scripts/data/glyphs.sh"));
}

TEST_CASE("what is no font is an error, and a broken one an error or sound") {
  const auto error = [](const std::string& bytes, const GlyphOptions& options = {}) {
    return error_of([&] { parse_font(bytes, "f", options); });
  };
  CHECK(error("") == Contains("f is empty"));
  CHECK(error("no font") == Contains("f is no font that FreeType reads"));
  CHECK(error(bytes_of(stored_fonts[0]), {.size = 7}) == Contains("size 7, expected 8 to 128"));
  CHECK(
      error("STARTFONT 2.1\nFONT -a-b-medium-r-normal--8-80-75-75-c-80-iso10646-1\nSIZE 8 75 75\n"
            "FONTBOUNDINGBOX 8 8 0 0\nSTARTPROPERTIES 2\nFONT_ASCENT 8\nFONT_DESCENT 0\nENDPROPERTIES\nCHARS 1\n"
            "STARTCHAR A\nENCODING 65\nSWIDTH 1000 0\nDWIDTH 8 0\nBBX 8 8 0 0\nBITMAP\n18\n24\n42\n42\n7E\n42\n42\n42\n"
            "ENDCHAR\nENDFONT\n") == Contains("expected TrueType or OpenType"));
  Random random(7, Purpose::user);
  std::size_t refused = 0, read = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::string bytes = mutated(bytes_of(stored_fonts[i % 4]), random);
    try {
      const Glyphs glyphs = parse_font(bytes, "f", {.size = 16});
      CHECK(glyphs.pixels.size() == glyphs.character.size() * 256);
      CHECK(glyphs.data().size() == glyphs.character.size());
      ++read;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 200);
  CHECK(read > 100);
}

#else

TEST_CASE("without FreeType a font is an error that says so") {
  CHECK(error_of([] { parse_font("", "f"); }) == Contains("link mtlx::freetype"));
}

#endif

TEST_CASE("select: the samples with some tasks alone") {
  const DataSet all(Inputs(Shape{1, 1, 1}, std::vector<float>{1, 2}), {{"a", Targets::classes(std::vector{0, 1})},
                                                                       {"b", Targets::classes(std::vector{2, 3})},
                                                                       {"c", Targets::classes(std::vector{4, -1})}});
  const auto of = [&](std::vector<std::string_view> tasks) { return select(all, tasks); };
  const DataSet some = of({"c", "a"});
  REQUIRE(some.streams()[0].columns.size() == 2);
  CHECK(some.streams()[0].columns[0].task == "c");
  CHECK(values(some, "c") == std::vector<float>{4, -1});
  CHECK(values(some, "a") == std::vector<float>{0, 1});
  CHECK(select(Parts{all, all, some}, std::array<std::string_view, 1>{"a"}).test.streams()[0].columns.size() == 1);
  CHECK(error_of([&] { of({"a", "d"}); }) == Contains("no targets for a task \"d\""));
  CHECK(error_of([&] { of({"a", "a"}); }) == Contains("named twice"));
  // A stream without any of them is left out.
  DataSet two = all;
  two.add(Inputs(Shape{1, 1, 1}, std::vector<float>{3}), {{"d", Targets::classes(std::vector{5})}});
  CHECK(select(two, std::array<std::string_view, 1>{"d"}).size() == 1);
}

TEST_CASE("standardise: the training data's unit, for all parts") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const auto set = [](std::vector<float> numbers) {
    const std::size_t n = numbers.size() / 2;
    return DataSet(
        Inputs(Shape{1, 1, 1}, std::vector<float>(n)),
        {{"y", Targets::values(2, std::move(numbers))}, {"z", Targets::values(1, std::vector<float>(n, 3))}});
  };
  // First numbers 1, 3, 5 (mean 3, deviation sqrt(8/3)); second numbers 4, 4 and a missing one.
  DataSet train = set({1, 4, 3, 4, 5, nan}), test = set({3, 6});
  standardise(train, {&test}, std::array<std::string_view, 1>{"y"});
  const Targets& y = *train.streams()[0].find("y");
  CHECK(double(y.value(0, 0)) == doctest::Approx(-std::sqrt(1.5)));
  CHECK(y.value(1, 0) == 0);
  CHECK(y.value(0, 1) == 0);
  CHECK(!y.present(2, 1));
  CHECK(double(test.streams()[0].find("y")->value(0, 1)) == 2);  // one that never varies keeps its unit
  CHECK(values(train, "z") == std::vector<float>(3, 3));
  CHECK(error_of([&] { standardise(train, {}, std::array<std::string_view, 1>{"w"}); }) == Contains("\"w\""));
  // Another width is an error; sequences stay.
  DataSet wide(Inputs(Shape{1, 1, 1}, std::vector<float>(1)), {{"y", Targets::values(3, {1, 2, 3})}});
  CHECK(error_of([&] { standardise(train, {&wide}, std::array<std::string_view, 1>{"y"}); }) ==
        Contains("targets of width 3 for the task \"y\", expected 2"));
  const std::array<std::size_t, 2> lengths{2, 1};
  DataSet words(Inputs(Shape{1, 1, 1}, std::vector<float>(3)),
                {{"y", Targets::values(1, {1, 2, 3}).in_sequences(lengths)}});
  standardise(words, {}, std::array<std::string_view, 1>{"y"});
  const Targets& marked = *words.streams()[0].find("y");
  CHECK((!marked.goes_on(0) && marked.goes_on(1) && !marked.goes_on(2)));
  DataSet none = set({1, nan, 2, nan});
  CHECK(error_of([&] { standardise(none, {}, std::array<std::string_view, 1>{"y"}); }) == Contains("no targets"));
}

TEST_CASE("a table's columns as tasks of yes or no") {
  const Table table = parse_csv("x1,label1,x2,label2\n1,1,2,0\n3,0,4,\n", "t");
  const DataSet data = multi_label(table, names_with(table, "label"));
  CHECK(data.shape() == Shape{2, 1, 1});
  CHECK(data.streams()[0].inputs.floats(1)[1] == 4);
  CHECK(values(data, "label1") == std::vector<float>{1, 0});
  CHECK(values(data, "label2") == std::vector<float>{0, -1});
  CHECK(error_of([&] { names_with(table, "y"); }) == Contains("no column whose name begins with \"y\""));
  CHECK(error_of([&] { multi_label(table, {"label1"}); }) == Contains("column \"label2\": a missing input"));
  CHECK(error_of([&] { multi_label(table, {}); }) != "");
  const Parts parts = split_in_three(
      DataSet(Inputs(Shape{1, 1, 1}, std::vector<float>(20)), {{"a", Targets::classes(std::vector<int>(20))}}), 0.25,
      0.2, 1);
  CHECK(parts.test.size() == 5);
  CHECK(parts.validation.size() == 3);
  CHECK(parts.train.size() == 12);
}

TEST_CASE("fields of a text as tasks, missing where a word has none") {
  const Corpus text = parse_conllu(
      "1\tShe\tshe\tPRON\tPRP\tNumber=Sing|Person=3\t2\tnsubj\t_\tNER=O\n"
      "2\tsaw\tsee\tVERB\tVBD\tTense=Past|VerbForm=Fin\t0\troot\t_\tNER=O\n"
      "3\tAnn\tAnn\tPROPN\tNNP\tNumber=Sing\t2\tobj\t_\tNER=B-person\n\n",
      "text");
  const TaggedText tagged(text, gum_tasks(), {.minimum_count = 1});
  const DataSet data = tagged.data(text);
  CHECK(data.streams()[0].columns.size() == 10);
  CHECK(values(data, "upos") == std::vector<float>{0, 2, 1});
  CHECK(values(data, "feats.Number") == std::vector<float>{0, -1, 0});
  CHECK(values(data, "feats.Tense") == std::vector<float>{-1, 0, -1});
  CHECK(values(data, "feats.Degree") == std::vector<float>{-1, -1, -1});  // the text has none
  CHECK(tagged.tagset(6).size() == 0);
  CHECK(values(data, "misc.NER") == std::vector<float>{0, 0, 1});
  CHECK(data.streams()[0].find("upos")->goes_on(1));
  // A tag that training does not have is missing, or an error.
  const Corpus other = parse_conllu("1\tBob\tBob\tX\tNNP\t_\t0\troot\t_\tNER=B-dog\n\n", "other");
  CHECK(values(tagged.data(other), "upos") == std::vector<float>{-1});
  CHECK(error_of([&] { tagged.data(other, UnknownTag::error); }) == Contains("other, row 1"));
  CHECK(error_of([&] { TaggedText(text, {{"upos"}, {"upos"}}); }) == Contains("named twice"));
  CHECK(error_of([&] { TaggedText(text, {}); }) == Contains("no field"));
  CHECK(error_of([&] { TaggedText(text, {{"none"}}); }) == Contains("no column"));
}
