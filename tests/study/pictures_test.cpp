// SPDX-License-Identifier: MIT
// Contact sheets, figures of gains, blind pages, and what a report has of them.
#include <mtlx/study/blind.hpp>
#include <mtlx/study/contact_sheet.hpp>
#include <mtlx/study/gain_figure.hpp>
#include <mtlx/study/preference.hpp>
#include <mtlx/study/report.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/temporary.hpp"

using namespace mtlx;

namespace {

using Contains = doctest::Contains;

const double missing = std::numeric_limits<double>::quiet_NaN();

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}
bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

/// Pixels that tell pictures apart.
data::ByteImage picture(int channels, int height, int width, int seed) {
  data::ByteImage made{{channels, height, width}, {}};
  Random random(static_cast<std::uint64_t>(seed), Purpose::sample);
  for (std::size_t i = 0; i < made.shape.size(); ++i)
    made.values.push_back(static_cast<std::uint8_t>(60 + random.below(120)));
  return made;
}

/// The letters of a piece of a sheet, as rows of # and blanks.
std::string drawn(const data::ByteImage& sheet, int top, int left, int height, int width) {
  std::string out;
  for (int y = top; y < top + height; ++y) {
    for (int x = left; x < left + width; ++x) out += sheet.at(0, y, x) < 128 ? '#' : '.';
    out += '\n';
  }
  return out;
}

study::GainRecord gains() {
  return {.title = "Gain & loss",
          .unit = "dB",
          .baseline = "joint",
          .tasks = {"a", "<b>", "c", "=d"},
          .methods = {"tgsr", "adaptive"},
          .gains = {0.125, 0.5, -0.25, missing, 0.25, 0.25, 0.25, 0.75},
          .lower = {0, 0.25, -0.5, 0, 0.125, missing, 0, 0.5},
          .upper = {0.25, 0.75, 0, 0, 0.375, missing, 0.5, 1},
          .groups = {"easy", "hard", "hard", "easy"}};
}

study::BlindPairs pairs(std::size_t crops, bool references = true) {
  study::BlindPairs made{.methods = {"method_one", "method_two", "method_three"}, .crops = {}};
  for (std::size_t c = 0; c < crops; ++c) {
    study::BlindCrop& crop = made.crops.emplace_back();
    crop.name = join("crop_", c), crop.photo = join("photo_", c / 2);
    for (int m = 0; m < 3; ++m) crop.pictures.push_back(picture(3, 16, 24, 10 * static_cast<int>(c) + m));
    if (references) crop.reference = picture(3, 16, 24, 10 * static_cast<int>(c) + 9);
  }
  return made;
}

}  // namespace

TEST_CASE("letters of a contact sheet") {
  // One point to a letter's point; title and column's title stand in the margin's corner.
  study::ContactSheet sheet{.title = "Ag\u00e9", .columns = {"i"}, .rows = {{"", {{picture(1, 4, 4, 1), ""}}}}};
  const data::ByteImage drawing = study::contact_sheet(sheet, {.text = 1});
  CHECK(drawn(drawing, 12, 12, 8, 17) ==
        ".###........#####\n"
        "#...#.......#...#\n"
        "#...#..####.#...#\n"
        "#####.#...#.#...#\n"
        "#...#.#...#.#...#\n"
        "#...#..####.#...#\n"
        "#...#.....#.#####\n"
        ".......###.......\n");
  CHECK(drawn(drawing, 34, 12, 7, 5) == "..#..\n.....\n.##..\n..#..\n..#..\n..#..\n.###.\n");
}

TEST_CASE("pictures of a contact sheet stand where they should, enlarged by the nearest pixel") {
  const data::ByteImage low = picture(3, 10, 15, 1), high = picture(1, 40, 60, 2);
  study::ContactSheet sheet{.columns = {"low", "truth"},
                            .rows = {{"", {{low, "x"}, {high, ""}}, {.top = 8, .left = 4, .height = 5, .width = 20}}}};
  const int width = 14 * 6;  // the least of a column: 14 letters of one point
  const data::ByteImage drawing = study::contact_sheet(sheet, {.text = 1});
  // margin, a line of titles, margin, picture, gap, the piece 84 / 20 = 4 times as large, gap, a caption, margin
  REQUIRE(drawing.shape == Shape{3, 12 + 10 + 12 + 40 + 4 + 5 * 4 + 4 + 10 + 12, 12 + width + 12 + width + 12});
  const int top = 34, left = 12, second = left + width + 12, below = top + 44;
  for (int c = 0; c < 3; ++c) {
    CHECK(drawing.at(c, top, left) == low.at(c, 0, 0));
    CHECK(drawing.at(c, top + 39, left + 59) == low.at(c, 9, 14));
    CHECK(drawing.at(c, top + 3, left + 4) == low.at(c, 0, 1));
    CHECK(drawing.at(c, top + 39, second + 59) == high.at(0, 39, 59));
    CHECK(drawing.at(c, top, left + 60) == 255);
    // The piece: pixel (8, 4) of the larger one, and of the smaller one enlarged four times.
    CHECK(drawing.at(c, below + 3, second + 3) == high.at(0, 8, 4));
    CHECK(drawing.at(c, below + 19, second + 79) == high.at(0, 12, 23));
    CHECK(drawing.at(c, below, left) == low.at(c, 2, 1));
    CHECK(drawing.at(c, below + 19, left + 79) == low.at(c, 3, 5));
    CHECK(drawing.at(c, top + 7, second + 3) == study::detail::frame_inside[c]);
    CHECK(drawing.at(c, top + 6, second + 2) == study::detail::frame_outside[c]);
    CHECK(drawing.at(c, top + 8, second + 4) == high.at(0, 8, 4));
  }
  CHECK(study::contact_sheet(sheet, {.zoom = 2, .text = 1}).at(1, top + 79, left + 119) == low.at(1, 9, 14));
  CHECK(study::contact_sheet(sheet) == study::contact_sheet(sheet));

  const auto error = [&](const auto& change) {
    study::ContactSheet other = sheet;
    change(other);
    return error_of([&] { study::contact_sheet(other); });
  };
  CHECK(error([](auto& s) { s.rows.clear(); }) == Contains("0 rows and 2 columns"));
  CHECK(error([](auto& s) { s.rows[0].cells.pop_back(); }) == Contains("has 1 pictures, expected one for each of 2"));
  CHECK(error([](auto& s) { s.rows[0].piece.top = 36; }) == Contains("a piece of 5 x 20 pixels from (36, 4) on"));
  CHECK(error([](auto& s) { s.rows[0].piece.height = -1; }) == Contains("a piece of -1 x 20"));
  CHECK(error([](auto& s) { s.rows[0].cells[0].picture.values.pop_back(); }) == Contains("449 values, expected 450"));
  CHECK(error([](auto& s) { s.rows[0].cells[0].picture = {{2, 1, 1}, {0, 0}}; }) == Contains("2 channels in row 0"));
  CHECK(error([](auto& s) {
          s.rows[0].cells[0].picture = picture(1, 10, 50, 1);
          s.rows[0].piece = {30, 0, 5, 5};
        }) == Contains("not within picture 0, which is 10 x 50 when enlarged"));
  // A piece of 2^15 pixels, 2^17 times as large.
  const data::ByteImage tall{{1, 1 << 15, 1}, std::vector<std::uint8_t>(1 << 15)};
  const data::ByteImage wide{{1, 1, 1 << 15}, std::vector<std::uint8_t>(1 << 15)};
  const study::ContactSheet vast{.columns = {"c"},
                                 .rows = {{"", {{tall, ""}}, {0, 0, 1 << 15, 1}}, {"", {{wide, ""}}}}};
  CHECK(error_of([&] { study::contact_sheet(vast, {.zoom = 4}); }) == Contains("131096 x 4.2951e+09 pixels"));
  CHECK(error_of([&] { study::contact_sheet(sheet, {.most_pixels = 100}); }) == Contains("expected at most 100"));
  CHECK(error_of([&] { study::contact_sheet(sheet, {.zoom = 0}); }) == Contains("zoom 0"));

  // Lines break at blanks, else anywhere; nothing is lost.
  using study::detail::sheet_lines;
  CHECK(sheet_lines("one two three", 7) == std::vector<std::string>{"one two", "three"});
  CHECK(sheet_lines("abcdefgh i\n\nj", 3) == std::vector<std::string>{"abc", "def", "gh", "i", "", "j"});
  CHECK(sheet_lines("", 3).empty());
  CHECK(sheet_lines("\u00e9\u20ac\tz", 9) == std::vector<std::string>{"\x7F\x7F\x7Fz"});
}

TEST_CASE("gains are drawn in order, with their groups") {
  const study::GainRecord record = gains();
  CHECK(study::detail::gain_order(record) == std::vector<std::size_t>{0, 3, 1, 2});
  const std::string figure = study::gain_figure(record);
  CHECK(figure.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(has(figure, "Gain &amp; loss"));
  CHECK(has(figure, "&lt;b&gt;: tgsr +0.500 (+0.250 to +0.750); adaptive +0.250</title>"));
  CHECK(has(figure, "=d: tgsr n/a; adaptive +0.750"));
  CHECK(has(figure, "tgsr: 2 gain, 1 lose; adaptive: 4 gain, 0 lose."));
  CHECK(has(figure, "easy, 2 tasks"));
  CHECK(count(figure, "class=\"point c1\"") == 3 + 1);  // and one in the legend
  CHECK(count(figure, "class=\"point c2\"") == 4 + 1);
  CHECK(count(figure, "class=\"whisker c1\"") == 3);
  CHECK(count(figure, "class=\"whisker c2\"") == 3);
  CHECK(figure.find(">a: tgsr") < figure.find(">=d: tgsr"));
  CHECK(figure.find(">=d: tgsr") < figure.find(">&lt;b&gt;: tgsr"));
  CHECK(study::csv(record) ==
        "task,group,method,over,gain_positive_is_better,lower,upper,unit\n"
        "a,easy,tgsr,joint,0.125,0,0.25,dB\n<b>,hard,tgsr,joint,0.5,0.25,0.75,dB\n"
        "c,hard,tgsr,joint,-0.25,-0.5,0,dB\n'=d,easy,tgsr,joint,,0,0,dB\n"
        "a,easy,adaptive,joint,0.25,0.125,0.375,dB\n<b>,hard,adaptive,joint,0.25,,,dB\n"
        "c,hard,adaptive,joint,0.25,0,0.5,dB\n'=d,easy,adaptive,joint,0.75,0.5,1,dB\n");
  // Without intervals and groups; and more tasks than have room for names.
  study::GainRecord many{.title = "many", .unit = "", .baseline = "joint", .tasks = {}, .methods = {"m"}, .gains = {}};
  for (std::size_t t = 0; t < 100; ++t) many.tasks.push_back(join("task", t)), many.gains.push_back(0);
  const std::string dense = study::gain_figure(many);
  CHECK(count(dense, "class=\"point c1\"") == 101);
  CHECK(count(dense, ">task") == 100);  // titles, and no texts
  CHECK(count(dense, "whisker") == count(study::detail::figure_style, "whisker"));
  const auto error = [&](const auto& change) {
    study::GainRecord other = record;
    change(other);
    return error_of([&] { study::gain_figure(other); });
  };
  CHECK(error([](auto& g) { g.tasks.clear(); }) == Contains("0 tasks and 2 methods"));
  CHECK(error([](auto& g) { g.gains.pop_back(); }) == Contains("7 gains"));
  CHECK(error([](auto& g) { g.lower.clear(); }) == Contains("0 and 8 ends of intervals"));
  CHECK(error([](auto& g) { g.groups.pop_back(); }) == Contains("3 names of groups for 4 tasks"));
}

TEST_CASE("a report has gains and pictures, and says whether people have judged") {
  study::Study s;
  s.tasks = {{"a", "psnr"}};
  s.candidates = {{"joint", "", {}}};
  s.runs = {{0, 0, 1, "", {30}, {0.1}, {}, 1.0}};
  CHECK_FALSE(has(study::report_html(s), study::no_people));
  s.task_gains = {gains()};
  s.pictures = {{"Sheet", "What is to be seen.", "\x89PNG\r\n\x1A\n"}};
  const std::string html = study::report_html(s), markdown = study::report_markdown(s);
  CHECK(has(html, "<section id=\"task-gains\""));
  CHECK(has(html, "<svg class=\"gains\" viewBox=\"0 0 360 "));
  CHECK(count(html, "class=\"whisker c1\"") == 3);
  CHECK(count(html, "<ul class=\"legend\"") == 0);
  CHECK(has(html, "alt=\"Sheet\" src=\"data:image/png;base64,iVBORw0KGgo=\""));
  CHECK(has(html, study::no_people));
  CHECK(has(markdown, "| c (hard) | -0.250 (-0.500 to 0.000) | +0.250 (0.000 to +0.500) |"));
  CHECK(has(markdown, study::no_people));
  CHECK(has(study::report_json(s), "\"gains\": [0.125, 0.5, -0.25, null, 0.25, 0.25, 0.25, 0.75]"));
  CHECK(has(study::detail::gains_csv(s), "Gain & loss,c,hard,tgsr,joint,-0.25,-0.5,0,dB\n"));
  CHECK(has(markdown, "Pictures stand in report.html."));
  s.people = {"They preferred <it>."};
  s.pictures.clear();
  CHECK_FALSE(has(study::report_markdown(s), "Pictures stand in report.html."));
  CHECK(has(study::report_html(s), "<p>They preferred &lt;it&gt;.</p>"));
  CHECK_FALSE(has(study::report_html(s), study::no_people));
  CHECK(has(study::report_json(s), "\"people\": [\"They preferred <it>.\"]"));
  s.task_gains[0].gains.pop_back();
  CHECK(error_of([&] { study::report_html(s); }) == Contains("7 gains"));
}

#if MTLX_DATA_STB
TEST_CASE("a blind page names nothing, is balanced, and its key fits what it shows") {
  const study::BlindPairs asked = pairs(7);
  const study::BlindPage page = study::blind_page(asked, {.seed = 5});
  for (const char* const name : {"method_", "crop_", "photo_", "spoilt", "methods"}) {
    CAPTURE(name);
    CHECK_FALSE(has(page.html.substr(page.html.find("const page")), name));
    CHECK(has(page.key, name));
  }
  CHECK_FALSE(has(page.html, "http://"));
  CHECK_FALSE(has(page.html, "https://"));
  CHECK(study::blind_page(asked, {.seed = 5}).html == page.html);
  CHECK(study::blind_page(asked, {.seed = 6}).html != page.html);

  // The pictures and places that the page has.
  std::vector<data::ByteImage> shown;
  const std::string list = page.html.substr(page.html.find("const pictures = ["));
  for (std::size_t at = list.find('\''); at < list.find("];"); at = list.find('\'', list.find('\'', at + 1) + 1)) {
    const std::string text = list.substr(at + 1, list.find('\'', at + 1) - at - 1);
    std::string bytes;
    unsigned word = 0, bits = 0;
    for (const char c : text) {
      const auto digit = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
      if (digit == std::string_view::npos) break;
      word = (word << 6 | static_cast<unsigned>(digit)) & 0xFFFF, bits += 6;
      if (bits >= 8) bytes += static_cast<char>(word >> (bits -= 8) & 0xFF);
    }
    shown.push_back(data::parse_image(bytes, "shown", {.channels = 0}));
  }
  std::vector<std::vector<std::size_t>> places;
  const std::string numbers = page.html.substr(page.html.find("const places = [") + 16);
  for (std::size_t at = 0; numbers[at] == '['; at += 2) {  // "],"
    auto& place = places.emplace_back();
    while (numbers[at] != ']') {
      if (numbers[at] == '[' || numbers[at] == ',') place.push_back(std::stoul(numbers.substr(at + 1)));
      ++at;
    }
  }
  REQUIRE(places.size() == 7 * 3 + 2 + 3);

  // Answers that go by what is shown become judgements that go by methods: the first method is always preferred.
  const std::string id = page.key.substr(page.key.find('\n') + 1, 17);
  std::string answers = "page,judge,place,choice,seconds\n";
  std::map<std::string, std::vector<std::size_t>> sides;
  std::set<std::vector<std::size_t>> seen;
  std::size_t same = 0, spoilt = 0;
  study::detail::NamedRows key(page.key, "key", {"page", "place", "kind", "pair", "photo", "left", "right"});
  for (const auto& place : places) {
    REQUIRE(key.next());
    const auto crop = static_cast<std::size_t>(key[3].back() - '0');
    const auto method = [&](std::string_view name) {
      return static_cast<std::size_t>(std::find(asked.methods.begin(), asked.methods.end(), name) -
                                      asked.methods.begin());
    };
    CHECK(key[4] == asked.crops[crop].photo);
    const bool left_spoilt = key[2] == "left spoilt", right_spoilt = key[2] == "right spoilt";
    CHECK((shown.at(place.at(0)) == asked.crops[crop].pictures[method(key[5])]) == !left_spoilt);
    CHECK((shown.at(place.at(1)) == asked.crops[crop].pictures[method(key[6])]) == !right_spoilt);
    CHECK(shown.at(place.at(2)) == asked.crops[crop].reference);
    same += key[2] == "same", spoilt += left_spoilt || right_spoilt;
    if (key[2] == "same") CHECK(place[0] == place[1]);
    if (key[2] == "methods") {
      const std::string_view low = std::min(key[5], key[6]), high = std::max(key[5], key[6]);
      sides[join(low, high)].push_back(low == key[5]);
      CHECK(seen.insert({crop, method(low), method(high)}).second);
    }
    const char* said = left_spoilt           ? "right"
                       : right_spoilt        ? "left"
                       : key[2] == "same"    ? "tie"
                       : method(key[5]) == 0 ? "left"
                       : method(key[6]) == 0 ? "right"
                                             : "tie";
    answers += join(id, ",Ann,", key[1], ",", said, ",1\n");
  }
  CHECK(same == 2);
  CHECK(spoilt == 3);
  for (const auto& [methods, left] : sides) {
    const auto times = std::count(left.begin(), left.end(), 1U);
    CHECK((times == 3 || times == 4));
  }
  const study::Answers read = study::parse_answers({answers}, {"Ann"}, page.key, "key");
  CHECK(read.judges[0].looked());
  CHECK(read.judges[0].tied == 2);
  const study::Preference found = study::preference(read.judgements, "method_one", "method_two");
  CHECK(found.wins == 7);
  CHECK(found.photos.first == 4);
  CHECK(study::preference(read.judgements, "method_two", "method_three").ties == 7);

  // Spoilt is plain: every block is 40 off its mean.
  const data::ByteImage whole{{1, 9, 16}, std::vector<std::uint8_t>(144, 100)};
  const data::ByteImage bad = study::detail::spoilt(whole);
  CHECK(bad.at(0, 0, 0) == 140);
  CHECK(bad.at(0, 7, 8) == 60);
  CHECK(bad.at(0, 8, 0) == 60);
  CHECK(bad.at(0, 8, 15) == 140);
}

TEST_CASE("what does not fit a blind page") {
  const auto error = [](const auto& change) {
    study::BlindPairs asked = pairs(2);
    study::BlindOptions options;
    change(asked, options);
    return error_of([&] { study::blind_page(asked, options); });
  };
  using P = study::BlindPairs&;
  using O = study::BlindOptions&;
  CHECK(error([](P, O) {}) == "");
  CHECK(error([](P p, O) { p.methods.resize(1); }) == Contains("1 methods and 2 crops"));
  CHECK(error([](P p, O) { p.methods[1] = "method_one"; }) == Contains("two methods \"method_one\""));
  CHECK(error([](P p, O) { p.methods[1] = ""; }) == Contains("method 1 has no name"));
  CHECK(error([](P, O o) { o.title = "Is method_two better?"; }) == Contains("names the method \"method_two\""));
  CHECK(error([](P, O o) { o.question = "METHOD_TWO or not?"; }) == Contains("names the method \"method_two\""));
  CHECK(error([](P p, O o) { p.methods[0] = "other", o.question = "None or another?"; }) == "");
  CHECK(error([](P, O o) { o.comparisons = {{0, 3}}; }) == Contains("a comparison of methods 0 and 3"));
  CHECK(error([](P, O o) { o.comparisons = {{0, 1}, {0, 2}, {1, 0}}; }) ==
        Contains("two comparisons of methods 1 and 0"));
  CHECK(error([](P p, O) { p.crops[1].name = "crop_0"; }) == Contains("two crops \"crop_0\""));
  CHECK(error([](P p, O) { p.crops[1].photo = ""; }) == Contains("crop 1 has no name, or none of its photo"));
  CHECK(error([](P p, O) { p.crops[1].pictures.pop_back(); }) == Contains("has 2 pictures"));
  CHECK(error([](P p, O) { p.crops[1].reference = {}; }) == Contains("has no reference"));
  CHECK(error([](P p, O) { p.crops[1].pictures[2] = picture(3, 16, 23, 1); }) == Contains("expected one size"));
  CHECK(error([](P p, O) { p.crops[1].pictures[2] = picture(4, 16, 24, 1); }) == Contains("4 channels"));
  // Only what was asked for, without references and pairs that catch; grey pictures.
  study::BlindPairs few = pairs(3, false);
  for (study::BlindCrop& crop : few.crops)
    for (data::ByteImage& one : crop.pictures) one = data::crop(picture(1, 8, 8, 3), 0, 0, 8, 8);
  const study::BlindPage page = study::blind_page(few, {.comparisons = {{0, 2}}, .same = 0, .spoilt = 0});
  CHECK(count(page.key, "\n") == 4);
  CHECK(count(page.key, "method_two") == 0);
  CHECK(count(page.html, ",-1],") == 3);
  // Names come back from the key as they are, even those that a spreadsheet takes for formulas.
  few.methods = {"=a", "b,\n\"c\"", "-d"};
  few.crops.resize(1);
  const std::string key = study::blind_page(few, {.comparisons = {{0, 2}, {0, 1}}, .same = 0, .spoilt = 0}).key;
  const std::string row = key.substr(key.find('\n') + 1, 17) + ",Ann,", head = "page,judge,place,choice,seconds\n";
  const auto judgements =
      study::parse_answers({head + row + "1,left,1\n" + row + "2,left,1\n"}, {"ann"}, key, "key").judgements;
  for (const std::string other : {"-d", "b,\n\"c\""}) {
    const study::Preference found = study::preference(judgements, "=a", other);
    CHECK(found.wins + found.losses == 1);
  }
}

TEST_CASE("from a page in a file to what its answers say") {
  const Temporary folder;
  const std::string page = folder.path() + "/blind.html", key = folder.path() + "/key.csv";
  const study::BlindPairs asked = pairs(6);
  study::write_blind_page(page, key, asked, {.seed = 9, .same = 0, .spoilt = 1});
  CHECK(read_file(page) == study::blind_page(asked, {.seed = 9, .same = 0, .spoilt = 1}).html);
  // Ann and Bob choose the third method beside the first, and the left one beside others; Bob also what is spoilt.
  std::vector<std::string> files;
  const std::string places = read_file(key);
  for (const std::string judge : {"Ann", "Bob"}) {
    study::detail::NamedRows rows(places, key, {"page", "place", "kind", "pair", "photo", "left", "right"});
    std::string text = "page,judge,place,choice,seconds\n";
    while (rows.next()) {
      const bool wanted = rows[2] == "right spoilt" || (rows[2] == "methods" && rows[6] != "method_one");
      text += join(rows[0], ",", judge, ",", rows[1], ",",
                   wanted != (judge == "Bob" && rows[2] != "methods") ? "left" : "right", ",2.5\n");
    }
    files.push_back(folder.path() + "/" + judge + ".csv");
    write_file(files.back(), text);
  }
  const study::Answers answers = study::read_answers(files, key);
  const std::vector<study::Judgement> judgements = study::attentive(answers);  // of those who saw what was spoilt
  const study::Preference preference = study::preference(judgements, "method_one", "method_three");
  const study::BradleyTerry strengths = study::bradley_terry(judgements, {.clusters = study::Clustered::photos});
  CHECK(answers.judgements.size() == 36);
  CHECK(judgements.size() == 18);
  CHECK_FALSE(answers.judges[1].looked());
  CHECK(preference.wins + preference.losses == 6);
  CHECK(preference.judges.first + preference.judges.second + preference.judges.even == 1);
  CHECK(strengths.methods.size() == 3);
  CHECK(strengths.clusters == 3);
}
#endif
