// SPDX-License-Identifier: MIT
// A page on which people say which of two pictures is better, without knowing what made them. One HTML file: pictures as PNG within
// it, nothing from the network, no names of methods, photos or crops; the key, which says what stood where, is a file of its own.
// Pairs come in random order. For each two methods, each stands on the left as often as on the right, but for one. Some pairs see
// whether a judge looks: the same picture twice, and a picture beside itself spoilt (as blocks, lighter and darker by turns).
//
//   study::write_blind_page("blind.html", "key.csv", {.methods = {"joint", "grouped"}, .crops = crops}, {.seed = 1});
//   const study::Answers answers = study::read_answers({"answers_Ann.csv", "answers_Bob.csv"}, "key.csv");   // preference.hpp
//
// Give people the page alone. Who reads its source sees which pictures are the same and how large their files are, and no more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <mtlx/core/checksum.hpp>
#include <mtlx/core/csv.hpp>
#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/random.hpp>
#include <mtlx/data/image.hpp>
#include <mtlx/data/image_file.hpp>
#include <mtlx/study/text.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study {

/// A place of a photo, as each method shows it.
struct BlindCrop {
  std::string name;                       ///< another for each crop
  std::string photo;                      ///< whose crop it is: answers about one photo hang together
  std::vector<data::ByteImage> pictures;  ///< one for each method, all of one shape, grey or in colour
  data::ByteImage reference = {};         ///< the true picture, or none (without values)
};

/// What is compared.
struct BlindPairs {
  std::vector<std::string> methods;
  std::vector<BlindCrop> crops;
};

/// How people are asked.
struct BlindOptions {
  std::uint64_t seed = 0;  ///< of order, sides, and what is spoilt
  std::vector<std::pair<std::size_t, std::size_t>> comparisons =
      {};                  ///< methods by their places; empty: each with each
  std::size_t same = 2;    ///< pairs of the same picture
  std::size_t spoilt = 3;  ///< pairs with a spoilt picture
  bool reference = true;   ///< whether the true picture is shown, where there is one
  std::string title = "Which picture is better?";
  std::string question = "Look at both pictures and choose the one that looks better to you.";
};

/// The page and its key, a CSV text: page, place, kind (methods, same, left spoilt, right spoilt), pair, photo, left, right.
struct BlindPage {
  std::string html, key;
};

namespace detail {

inline constexpr const char* blind_style = R"css(
:root { color-scheme: light dark;
  --page: #ffffff; --text: #1b1f24; --soft: #57606a; --edge: #8c959f; --box: #f3f5f7; --link: #0a58b0; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171a; --text: #e8eaed; --soft: #a9b1ba; --edge: #6e7681; --box: #1f2428; --link: #7cb8ff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 0.5rem clamp(0.5rem, 2vw, 2rem) 2rem; max-width: 110rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.3rem; line-height: 1.25; margin: 0.5rem 0; }
p { margin: 0.5rem 0; max-width: 62rem; }
.soft { color: var(--soft); }
.views { display: grid; grid-template-columns: 1fr 1fr; grid-template-areas: "left right"; gap: 0.5rem; }
.views.three { grid-template-columns: 1fr 1fr 1fr; grid-template-areas: "left reference right"; }
@media (max-width: 40rem) { .views.three { grid-template-columns: 1fr 1fr;
  grid-template-areas: "reference reference" "left right"; } }
figure { margin: 0; min-width: 0; }
.left { grid-area: left; } .right { grid-area: right; } .reference { grid-area: reference; }
figcaption { font-weight: 600; text-align: center; }
.frame { overflow: auto; max-height: 68vh; background: var(--box); border: 1px solid var(--edge); }
.frame img { display: block; margin: 0 auto; max-width: none; image-rendering: pixelated; }
.row { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.5rem 0; align-items: center; }
.choices button { flex: 1 1 6rem; min-height: 3rem; font-weight: 600; }
button, input { font: inherit; color: var(--text); background: var(--box); border: 1px solid var(--edge);
  border-radius: 0.25rem; padding: 0.4rem 0.8rem; }
button { cursor: pointer; }
button:disabled { color: var(--soft); cursor: default; }
input { background: var(--page); min-width: 0; max-width: 100%; }
button:focus-visible, input:focus-visible, summary:focus-visible, .frame:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
summary { cursor: pointer; color: var(--link); display: inline-block; }
[hidden] { display: none !important; }
)css";

// What stands between title and data.
inline constexpr const char* blind_body = R"html(
<details id="how"><summary>How to answer</summary>
<p>Two pictures of the same place stand side by side. Choose one with a button or a key: the left arrow for the left picture, the
right arrow for the right one, the down arrow if you see no difference. Backspace takes the last answer back. There is no right
answer to most of them: trust your eyes, and take the time that you need.</p>
<p>Plus and minus change the size, 0 fits it to the window; all pictures move together when one is scrolled, or with W, A, S and D.
Your answers are kept in this browser. When you are through, download them and send the file to whoever asked you.</p></details>
<noscript><p>This page needs JavaScript.</p></noscript>
<section id="begin" hidden>
<p id="told"></p>
<div class="row"><label for="judge">Your name, or any other that you keep to</label>
<input id="judge" maxlength="40" autocomplete="off" spellcheck="false"><button id="start">Start</button></div>
</section>
<section id="ask" hidden>
<p id="progress" role="status" aria-live="polite"></p>
<div class="views" id="views"></div>
<div class="row choices"><button id="left">&larr; Left</button><button id="tie">&darr; No difference</button>
<button id="right">Right &rarr;</button></div>
<div class="row"><button id="undo">Take back</button><button id="smaller" aria-label="Smaller">&minus;</button>
<span id="zoom"></span><button id="larger" aria-label="Larger">+</button><button id="fit">Fit</button></div>
</section>
<section id="done" hidden><p>That was the last pair. Thank you! Download your answers and send the file to whoever asked you.</p>
<div class="row"><button id="back">Take the last answer back</button><button id="again">Begin anew, with no answers</button></div>
</section>
<div class="row" id="saving" hidden><button id="download">Download answers</button><span id="count" class="soft"></span></div>
</main>
)html";

inline constexpr const char* blind_script = R"js(
const $ = (id) => document.getElementById(id);
const store = 'blind ' + page;
let judge = '', answers = [], shown = 0, zoom = 0, keeps = true;
const choices = ['left', 'tie', 'right'];
const keep = () => {
  try { localStorage.setItem(store, JSON.stringify({judge, answers})); } catch { keeps = false; }
};
const load = () => {
  try {
    const kept = JSON.parse(localStorage.getItem(store) || 'null');
    if (!kept || typeof kept.judge !== 'string' || !Array.isArray(kept.answers) || kept.answers.length > places.length)
      return;
    if (!kept.answers.every((a) => choices.includes(a[0]) && Number.isFinite(a[1]))) return;
    judge = kept.judge;
    answers = kept.answers;
  } catch { keeps = false; }
};
const frames = () => [...document.querySelectorAll('.frame')];
const size = () => {
  const views = frames();
  if (!views.length) return;
  const image = views[0].firstChild;
  const fits = Math.min(Math.min(...views.map((f) => f.clientWidth)) / image.naturalWidth,
                        0.66 * innerHeight / image.naturalHeight);
  const factor = zoom || Math.max(1, Math.floor(fits));
  for (const f of views) f.firstChild.style.width = factor * f.firstChild.naturalWidth + 'px';
  $('zoom').textContent = factor + ' times' + (zoom ? '' : ', fitted');
  return factor;
};
const view = (kind, name, picture) => {
  const figure = document.createElement('figure'), caption = document.createElement('figcaption');
  const frame = document.createElement('div'), image = document.createElement('img');
  figure.className = kind;
  caption.textContent = name;
  frame.className = 'frame';
  image.alt = name + ' picture';
  image.onload = size;
  image.src = 'data:image/png;base64,' + pictures[picture];
  frame.onscroll = () => {
    for (const other of frames()) {
      if (other.scrollLeft !== frame.scrollLeft) other.scrollLeft = frame.scrollLeft;
      if (other.scrollTop !== frame.scrollTop) other.scrollTop = frame.scrollTop;
    }
  };
  frame.append(image);
  figure.append(caption, frame);
  return figure;
};
const show = () => {
  const at = answers.length, over = at === places.length, began = judge !== '';
  $('begin').hidden = began;
  $('ask').hidden = !began || over;
  $('done').hidden = !began || !over;
  $('saving').hidden = !began;
  $('undo').disabled = at === 0;
  $('download').disabled = at === 0;
  $('count').textContent = `${at} of ${places.length} answered, as ${judge}.` +
      (keeps ? '' : ' This browser keeps nothing: download before you close the page.');
  $('progress').textContent = over ? '' : `Pair ${at + 1} of ${places.length}`;
  $('views').replaceChildren();
  if (!began) {
    $('told').textContent = `There are ${places.length} pairs.`;
    return;
  }
  if (over) return;
  const [left, right, reference] = places[at];
  $('views').classList.toggle('three', reference >= 0);
  if (reference >= 0) $('views').append(view('reference', 'Reference', reference));
  $('views').append(view('left', 'Left', left), view('right', 'Right', right));
  shown = performance.now();
};
const answer = (choice) => {
  if (judge === '' || answers.length === places.length) return;
  answers.push([choice, Math.round((performance.now() - shown) / 10) / 100]);
  keep();
  show();
};
const undo = () => {
  if (judge === '' || !answers.length) return;
  answers.pop();
  keep();
  show();
};
const start = () => {
  const name = $('judge').value.trim();
  if (!/^[\p{L}\p{N}][\p{L}\p{M}\p{N} ._\-]*$/u.test(name)) {
    $('told').textContent = 'Please give a name of letters, digits, blanks, dots and dashes.';
    $('judge').focus();
    return;
  }
  judge = name;
  keep();
  show();
};
const resize = (by) => {
  if ($('ask').hidden) return;
  zoom = by === 0 ? 0 : Math.min(16, Math.max(1, size() + by));
  size();
};
const pan = (x, y) => { for (const f of frames()) f.scrollBy(x, y); };
const csv = () => 'page,judge,place,choice,seconds\n' +
    answers.map((a, i) => [page, judge, i + 1, a[0], a[1]].join(',') + '\n').join('');
const download = () => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csv()], {type: 'text/csv'}));
  link.download = 'answers_' + judge.replace(/[^A-Za-z0-9]/g, '_') + '.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
// A double click is one answer.
for (const choice of choices) $(choice).onclick = (e) => { if (e.detail < 2) answer(choice); };
$('start').onclick = start;
$('judge').onkeydown = (e) => { if (e.key === 'Enter') start(); };
$('undo').onclick = $('back').onclick = undo;
$('again').onclick = () => {
  if (!confirm('All answers of this page go. Are they downloaded?')) return;
  judge = '', answers = [];
  keep();
  show();
};
$('larger').onclick = () => resize(1);
$('smaller').onclick = () => resize(-1);
$('fit').onclick = () => resize(0);
$('download').onclick = download;
const keys = {ArrowLeft: () => answer('left'), ArrowRight: () => answer('right'), ArrowDown: () => answer('tie'),
              Backspace: undo, '+': () => resize(1), '=': () => resize(1), '-': () => resize(-1), '0': () => resize(0),
              w: () => pan(0, -40), s: () => pan(0, 40), a: () => pan(-40, 0), d: () => pan(40, 0)};
document.onkeydown = (e) => {
  if (e.target.tagName === 'INPUT' || e.ctrlKey || e.metaKey || e.altKey || $('ask').hidden && e.key !== 'Backspace') return;
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key, act = keys[key];
  if (!act) return;
  e.preventDefault();
  if (!e.repeat || 'wasd'.includes(key)) act();
};
onresize = size;
load();
show();
)js";

// Blocks of 8 x 8 pixels with their means, by turns 40 lighter and 40 darker: plain to see in any picture.
[[gnu::cold, gnu::noinline]] inline data::ByteImage spoilt(data::ByteImage picture) {
  constexpr int side = 8;
  const Shape shape = picture.shape;
  for (int c = 0; c < shape.channels; ++c)
    for (int top = 0; top < shape.height; top += side)
      for (int left = 0; left < shape.width; left += side) {
        const int bottom = std::min(top + side, shape.height), right = std::min(left + side, shape.width);
        int sum = 0;
        for (int y = top; y < bottom; ++y)
          for (int x = left; x < right; ++x) sum += picture.at(c, y, x);
        const int mean = sum / ((bottom - top) * (right - left)) + ((top / side + left / side) % 2 == 0 ? 40 : -40);
        for (int y = top; y < bottom; ++y)
          for (int x = left; x < right; ++x) picture.at(c, y, x) = static_cast<std::uint8_t>(std::clamp(mean, 0, 255));
      }
  return picture;
}

// Whether a text has a name as words of it, in capitals or not.
[[gnu::cold, gnu::noinline]] inline bool mentions(std::string text, std::string name) {
  for (std::string* const one : {&text, &name})
    for (char& c : *one)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto inside = [&](std::size_t at) {
    const char c = at < text.size() ? text[at] : ' ';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
    if ((at == 0 || !inside(at - 1)) && !inside(at + name.size())) return true;
  return false;
}

[[gnu::cold, gnu::noinline]] inline void check_blind(const BlindPairs& pairs, const BlindOptions& options) {
  const std::size_t methods = pairs.methods.size();
  if (methods < 2 || pairs.crops.empty())
    fail("blind page: ", methods, " methods and ", pairs.crops.size(),
         " crops, expected two methods and a crop or more");
  for (std::size_t m = 0; m < methods; ++m) {
    if (pairs.methods[m].empty()) fail("blind page: method ", m, " has no name");
    for (std::size_t n = 0; n < m; ++n)
      if (pairs.methods[m] == pairs.methods[n]) fail("blind page: two methods \"", pairs.methods[m], "\"");
    if (mentions(options.title, pairs.methods[m]) || mentions(options.question, pairs.methods[m]))
      fail("blind page: the title or the question names the method \"", pairs.methods[m], "\"");
  }
  std::vector<std::pair<std::size_t, std::size_t>> compared;
  for (const auto& [a, b] : options.comparisons) {
    if (a >= methods || b >= methods || a == b)
      fail("blind page: a comparison of methods ", a, " and ", b, ", expected two of ", methods);
    compared.emplace_back(std::minmax({a, b}));
    if (std::count(compared.begin(), compared.end(), compared.back()) > 1)
      fail("blind page: two comparisons of methods ", a, " and ", b, ", expected one");
  }
  std::vector<std::string_view> names;
  for (const BlindCrop& crop : pairs.crops) {
    if (crop.name.empty() || crop.photo.empty())
      fail("blind page: crop ", names.size(), " has no name, or none of its photo");
    if (std::find(names.begin(), names.end(), crop.name) != names.end())
      fail("blind page: two crops \"", crop.name, "\"");
    names.push_back(crop.name);
    if (crop.pictures.size() != methods)
      fail("blind page: the crop \"", crop.name, "\" has ", crop.pictures.size(),
           " pictures, expected one for each of ", methods, " methods");
    const bool refers = !crop.reference.values.empty();
    if (refers != !pairs.crops[0].reference.values.empty())
      fail("blind page: the crop \"", crop.name, "\" has ", refers ? "a" : "no",
           " reference, and the first crop is otherwise; give one for all, or for none");
    for (std::size_t m = 0; m < methods + refers; ++m) {
      const data::ByteImage& picture = m < methods ? crop.pictures[m] : crop.reference;
      data::check_picture("blind page", picture);
      if (picture.shape.channels != 1 && picture.shape.channels != 3)
        fail("blind page: a picture of ", picture.shape.channels, " channels of the crop \"", crop.name,
             "\", expected 1 or 3");
      if (picture.shape.height != crop.pictures[0].shape.height || picture.shape.width != crop.pictures[0].shape.width)
        fail("blind page: pictures of ", crop.pictures[0].shape, " and ", picture.shape, " of the crop \"", crop.name,
             "\", expected one size");
    }
  }
}

// What is asked: a crop, and which of its pictures stand left and right. Picture `methods` is the reference, and method m spoilt
// is methods + 1 + m.
struct BlindPlace {
  const char* kind;
  std::size_t crop, left, right;
};

[[gnu::cold, gnu::noinline]] inline std::vector<BlindPlace> blind_places(const BlindPairs& pairs,
                                                                         const BlindOptions& options) {
  const std::size_t methods = pairs.methods.size(), crops = pairs.crops.size();
  Random random(options.seed, Purpose::shuffle);
  const auto below = [&](std::size_t n) { return std::size_t{random.below(static_cast<std::uint32_t>(n))}; };
  auto comparisons = options.comparisons;
  for (std::size_t a = 0; options.comparisons.empty() && a < methods; ++a)
    for (std::size_t b = a + 1; b < methods; ++b) comparisons.emplace_back(a, b);
  std::vector<BlindPlace> places;
  for (const auto& [a, b] : comparisons) {
    std::vector<std::size_t> turned(crops);  // 1 where a stands on the right
    const std::size_t first = below(2);
    for (std::size_t c = 0; c < crops; ++c) turned[c] = (first + c) % 2;
    random.shuffle(std::span(turned));
    for (std::size_t c = 0; c < crops; ++c)
      places.push_back({"methods", c, turned[c] == 0 ? a : b, turned[c] == 0 ? b : a});
  }
  // What catches: another crop or method each time, as long as there are any.
  std::vector<std::size_t> pictures(crops * methods);
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = i;
  random.shuffle(std::span(pictures));
  const std::size_t side = below(2);
  for (std::size_t i = 0; i < options.same + options.spoilt; ++i) {
    const std::size_t picture = pictures[i % pictures.size()];
    const std::size_t crop = picture / methods, method = picture % methods, bad = methods + 1 + method;
    if (i < options.same)
      places.push_back({"same", crop, method, method});
    else if ((i + side) % 2 == 0)
      places.push_back({"left spoilt", crop, bad, method});
    else
      places.push_back({"right spoilt", crop, method, bad});
  }
  random.shuffle(std::span(places));
  return places;
}

}  // namespace detail

// Named by what they can do, as in data/image_file.hpp.
#if MTLX_DATA_STB
inline namespace with_stb {
#else
inline namespace without_stb {
#endif

/// The page and its key. The same input gives the same bytes. Throws `Error` for parts that don't fit each other, pictures of several
/// sizes of one crop, a title that names a method, and without stb.
[[gnu::cold, gnu::noinline]] inline BlindPage blind_page(const BlindPairs& pairs, const BlindOptions& options = {}) {
  detail::check_blind(pairs, options);
  const std::vector<detail::BlindPlace> places = detail::blind_places(pairs, options);
  const std::size_t methods = pairs.methods.size(), kinds = 2 * methods + 1;
  const bool refers = options.reference && !pairs.crops[0].reference.values.empty();
  // The pictures in use, in an order that says nothing.
  std::vector<std::size_t> used;
  for (const detail::BlindPlace& place : places) {
    for (const std::size_t picture : {place.left, place.right}) used.push_back(place.crop * kinds + picture);
    if (refers) used.push_back(place.crop * kinds + methods);
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  Random(options.seed, Purpose::shuffle, 1).shuffle(std::span(used));
  const auto place_of = [&](std::size_t crop, std::size_t picture) {
    return std::find(used.begin(), used.end(), crop * kinds + picture) - used.begin();
  };
  std::string content = "const pictures = [";
  for (const std::size_t at : used) {
    const BlindCrop& crop = pairs.crops[at / kinds];
    const std::size_t picture = at % kinds;
    const data::ByteImage& shown = picture == methods ? crop.reference : crop.pictures[picture % (methods + 1)];
    content += join("\n'", detail::base64(data::encode_png(picture > methods ? detail::spoilt(shown) : shown)), "',");
  }
  content += "\n];\nconst places = [";
  for (const detail::BlindPlace& place : places)
    content += join("[", place_of(place.crop, place.left), ",", place_of(place.crop, place.right), ",",
                    refers ? place_of(place.crop, methods) : -1, "],");
  content += "];\n";
  char page[24];
  std::snprintf(page, sizeof page, "p%016llx", static_cast<unsigned long long>(checksum(content)));

  BlindPage result;
  result.html = join(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
      detail::html_text(options.title), "</title>\n<style>", detail::blind_style,
      "</style>\n</head>\n<body>\n<main>\n<h1>", detail::html_text(options.title), "</h1>\n<p>",
      detail::html_text(options.question), "</p>", detail::blind_body, "<script>\nconst page = '", page, "';\n");
  result.html += content + detail::blind_script + "</script>\n</body>\n</html>\n";
  // Names are read back as they are: not for a spreadsheet, which would take some for formulas.
  result.key = "page,place,kind,pair,photo,left,right\n";
  for (std::size_t i = 0; i < places.size(); ++i) {
    const BlindCrop& crop = pairs.crops[places[i].crop];
    const auto method = [&](std::size_t picture) { return csv_text(pairs.methods[picture % (methods + 1)]); };
    result.key += join(page, ",", i + 1, ",", places[i].kind, ",", csv_text(crop.name), ",", csv_text(crop.photo), ",",
                       method(places[i].left), ",", method(places[i].right), "\n");
  }
  return result;
}

/// Writes the page, and its key into a file that those who judge must not see. Throws `Error` as `blind_page` and `write_file`.
[[gnu::cold]] inline void write_blind_page(const std::string& path, const std::string& key_path,
                                           const BlindPairs& pairs, const BlindOptions& options = {}) {
  const BlindPage page = blind_page(pairs, options);
  write_file(key_path, page.key);
  write_file(path, page.html);
}

}  // inline namespace

}  // namespace mtlx::study
