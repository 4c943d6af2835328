// SPDX-License-Identifier: MIT
// A report as one HTML file: no script, nothing from elsewhere (its policy forbids both), light and dark, printable. What
// is wider than the page scrolls in a box of its own, which the keyboard reaches.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/core/version.hpp>
#include <mtlx/study/document.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/svg.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study::detail {

// Colours: text has a contrast of at least 4.5 to what it stands on, lines of charts at least 3.
inline constexpr const char* html_style = R"css(
:root { color-scheme: light dark;
  --page: #ffffff; --text: #1b1f24; --soft: #57606a; --edge: #d0d7de; --box: #f3f5f7; --link: #0a58b0;
  --better: #116329; --worse: #b42318; --open: #57606a; --low: #ef8a62; --high: #67a9cf;
  --c0: #57606a; --c1: #0a62b0; --c2: #b8460e; --c3: #1a7f37; --c4: #8a3ab9;
  --c5: #a8071a; --c6: #6b5b00; --c7: #00768a; --c8: #c2185b; --c9: #6d4c41; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171a; --text: #e8eaed; --soft: #a9b1ba; --edge: #3a4149; --box: #1f2428; --link: #7cb8ff;
  --better: #6fdc8c; --worse: #ff9b8f; --open: #a9b1ba; --low: #8a3b16; --high: #1f5f8b;
  --c0: #b0bac5; --c1: #6cb6ff; --c2: #ff9e64; --c3: #7ee787; --c4: #d2a8ff;
  --c5: #ff8a8a; --c6: #e3c74d; --c7: #56d4dd; --c8: #ff8bcb; --c9: #d6ab94; } }
@media print { :root { color-scheme: light;
  --page: #ffffff; --text: #000000; --soft: #444444; --edge: #bbbbbb; --box: #ffffff; --link: #000000;
  --better: #116329; --worse: #b42318; --open: #444444; --low: #ef8a62; --high: #67a9cf;
  --c0: #57606a; --c1: #0a62b0; --c2: #b8460e; --c3: #1a7f37; --c4: #8a3ab9;
  --c5: #a8071a; --c6: #6b5b00; --c7: #00768a; --c8: #c2185b; --c9: #6d4c41; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem clamp(0.75rem, 3vw, 2rem) 3rem; max-width: 76rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; padding-top: 0.5rem; border-top: 1px solid var(--edge); }
p { margin: 0.5rem 0; max-width: 62rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
h3 { font-size: 0.95rem; font-weight: 600; margin: 1.25rem 0 0.25rem; overflow-wrap: anywhere; }
.soft, .note { color: var(--soft); }
.answer { margin: 1rem 0; padding: 0.5rem 1rem; background: var(--box); border-left: 4px solid var(--link); }
.answer p { font-size: 1.05rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 1rem 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: 0.25rem 0; }
.scroll { overflow-x: auto; margin: 0.25rem 0 0.75rem; max-width: 100%; width: fit-content; }
.tables { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.tables > div { min-width: 0; max-width: 100%; }
.tables h3 { max-width: 26rem; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--edge); text-align: right; vertical-align: top; }
thead th { vertical-align: bottom; background: var(--box); min-width: 5rem; max-width: 14rem; }
th:first-child, td.words, th.words { text-align: left; }
th.centre { text-align: center; }
tbody th { font-weight: 600; min-width: 8.5rem; max-width: 14rem; }
th:first-child { position: sticky; left: 0; }
tbody th { background: var(--page); }
td { white-space: nowrap; }
td.words { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; max-width: 44rem; }
.note { display: block; font-size: 0.88em; font-weight: 400; }
.mark { display: block; font-size: 0.88em; font-weight: 600; color: var(--open); }
.mark.better { color: var(--better); }
.mark.worse { color: var(--worse); }
.heat td { text-align: center; min-width: 3.6rem; }
.heat td .note { color: inherit; }
.heat thead th { min-width: 3.6rem; text-align: center; }
.heat thead th:first-child { text-align: left; font-weight: 400; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1rem 1.5rem;
  margin: 1rem 0; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { font-weight: 600; overflow-wrap: anywhere; }
figure img { max-width: 100%; height: auto; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; font-family: inherit; }
.grid path { stroke: var(--edge); fill: none; }
.line { stroke: currentColor; stroke-width: 2; fill: none; stroke-linejoin: round; }
.point { fill: currentColor; }
.band { fill: currentColor; opacity: 0.15; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); stroke-dasharray: 7 2; } .c2 { color: var(--c2); stroke-dasharray: 2 2; }
.c3 { color: var(--c3); stroke-dasharray: 8 2 2 2; } .c4 { color: var(--c4); stroke-dasharray: 4 2; }
.c5 { color: var(--c5); stroke-dasharray: 12 2; } .c6 { color: var(--c6); stroke-dasharray: 2 4; }
.c7 { color: var(--c7); stroke-dasharray: 8 2 2 2 2 2; } .c8 { color: var(--c8); stroke-dasharray: 5 4; }
.c9 { color: var(--c9); stroke-dasharray: 10 4 2 4; }
svg.key { width: 28px; height: 10px; flex: none; margin-right: 0.4rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.5rem 0; padding: 0; list-style: none; }
.legend li { display: flex; align-items: center; overflow-wrap: anywhere; }
svg.interval { width: 160px; height: 20px; }
.interval .zero { stroke: var(--soft); }
.interval .whisker { stroke: currentColor; stroke-width: 2; fill: none; }
.interval .dot { fill: currentColor; }
.interval .better { color: var(--better); } .interval .worse { color: var(--worse); } .interval .open { color: var(--open); }
.gains .zero { stroke: var(--soft); } .gains .rule { stroke: var(--edge); } .gains .sure { font-weight: 600; }
.gains .whisker { stroke: currentColor; stroke-width: 1.5; stroke-dasharray: none; fill: none; }
.gains .faint { opacity: 0.4; }
details { font-size: 0.9rem; margin: 0.25rem 0; }
summary { cursor: pointer; color: var(--link); display: inline-block; padding: 0.15rem 0; }
footer { margin-top: 2.5rem; padding-top: 0.5rem; border-top: 1px solid var(--edge); color: var(--soft); }
@media print {
  @page { margin: 14mm; }
  body { font-size: 9.5pt; max-width: none; padding: 0; }
  nav, details { display: none; }
  .scroll { overflow: visible; }
  th:first-child { position: static; }
  .answer p { font-size: 10.5pt; }
  table { font-size: 7.5pt; }
  table.many { font-size: 6.5pt; }
  th, td { padding: 0.15rem 0.25rem; }
  thead th, tbody th, .heat td, .heat thead th { min-width: 4.6em; }
  table.many th, table.many td { min-width: 0; padding: 0.1rem; overflow-wrap: anywhere; }
  table.many tbody th { min-width: 8em; }
  td .note, td .mark { white-space: normal; }
  tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .figures { grid-template-columns: repeat(2, 1fr); }
  .heat td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

[[gnu::cold]] inline std::string html_note(const std::string& text) {
  return text.empty() ? "" : join("<span class=\"note\">", html_text(text), "</span>");
}

/// Long words may break, short ones don't: what heads a column decides how wide that is.
[[gnu::cold, gnu::noinline]] inline std::string html_breakable(const std::string& text) {
  std::string out, part;
  std::size_t word = 0;
  for (const char c : valid_utf8(text)) {
    const bool begins = (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // a character of UTF-8
    if (begins && word == 14) {
      out += html_text(part) + "<wbr>";
      part.clear(), word = 0;
    }
    word = c == ' ' || c == '\n' ? 0 : word + begins;
    part += c;
  }
  return out + html_text(part);
}

[[gnu::cold, gnu::noinline]] inline std::string html_cell(const Cell& cell, bool names_row) {
  std::string attributes, text = names_row ? html_breakable(cell.text) : html_text(cell.text);
  if (!cell.is_number) attributes += " class=\"words\"";
  if (is_finite(cell.heat))
    attributes += join(" style=\"background:color-mix(in srgb,var(--", cell.heat < 0 ? "low" : "high", ") ",
                       fixed(100 * std::min(1.0, std::abs(cell.heat)), 0), "%,var(--page))\"");
  text += cell.svg + html_note(cell.note);
  if (!cell.mark.empty())
    text += join("<span class=\"mark ", cell.mark == "better" || cell.mark == "worse" ? cell.mark : "open", "\">",
                 cell.mark, "</span>");
  return names_row ? join("<th scope=\"row\"", attributes, ">", text, "</th>")
                   : join("<td", attributes, ">", text, "</td>");
}

[[gnu::cold]] inline bool is_heat_map(const Table& table) {
  for (const auto& row : table.rows)
    for (const Cell& cell : row)
      if (is_finite(cell.heat)) return true;
  return false;
}

/// A table in a box that scrolls; its caption stands above, where it does not scroll.
[[gnu::cold, gnu::noinline]] inline std::string html(const Table& table, const std::string& label = "") {
  const std::string caption = html_text(table.caption);
  std::string out = caption.empty() ? "" : join("<h3>", caption, "</h3>\n");
  out += join("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
              caption.empty() ? html_text(label) : caption, "\"><table",
              is_heat_map(table)         ? " class=\"heat\""
              : table.header.size() > 11 ? " class=\"many\""
                                         : "",
              ">\n<thead><tr>");
  for (std::size_t c = 0; c < table.header.size(); ++c) {
    const bool left = !table.rows.empty() && c < table.rows[0].size() && !table.rows[0][c].is_number;
    const bool centre = !table.rows.empty() && c < table.rows[0].size() && !table.rows[0][c].svg.empty();
    out += join("<th scope=\"col\"",
                left     ? " class=\"words\">"
                : centre ? " class=\"centre\">"
                         : ">",
                html_breakable(table.header[c]), "</th>");
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) out += html_cell(row[c], c == 0);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

[[gnu::cold, gnu::noinline]] inline std::string html(const Figure& figure) {
  return join("<figure><figcaption>", html_text(figure.chart.title), "</figcaption>\n",
              figure.svg.empty() ? svg(figure.chart) : figure.svg, "\n<details><summary>Numbers</summary>",
              html(figure.numbers, join("Numbers of ", figure.chart.title)), "</details></figure>\n");
}

[[gnu::cold, gnu::noinline]] inline std::string html(const PictureRecord& picture) {
  return join("<figure><figcaption>", html_text(picture.title), "</figcaption>\n<img alt=\"", html_text(picture.title),
              "\" src=\"data:image/png;base64,", base64(picture.png), "\">", "\n<p class=\"soft\">",
              html_text(picture.caption), "</p></figure>\n");
}

[[gnu::cold, gnu::noinline]] inline std::string html(const Section& section, const Study& study) {
  std::string out = join("\n<section id=\"", section.id, "\" aria-labelledby=\"", section.id, "-title\">\n<h2 id=\"",
                         section.id, "-title\">", html_text(section.title), "</h2>\n");
  for (const std::string& text : section.paragraphs) out += join("<p>", html_text(text), "</p>\n");
  if (!section.figures.empty()) {
    std::vector<bool> shown(study.candidates.size(), false);
    for (const Figure& figure : section.figures)
      for (const Line& line : figure.chart.lines) shown[line.colour] = true;
    const bool any = std::find(shown.begin(), shown.end(), true) != shown.end();
    if (any) out += "<ul class=\"legend\" aria-label=\"strategies\">";
    for (std::size_t c = 0; c < shown.size(); ++c)
      if (shown[c]) out += join("<li>", svg_key(c), "<span>", html_text(study.candidates[c].name), "</span></li>");
    out += any ? "</ul>\n<div class=\"figures\">\n" : "<div class=\"figures\">\n";
    for (const Figure& figure : section.figures) out += html(figure);
    out += "</div>\n";
  }
  bool heat = false;
  for (const Table& table : section.tables) heat = heat || is_heat_map(table);
  if (heat) out += "<div class=\"tables\">\n";
  for (const Table& table : section.tables) out += heat ? join("<div>", html(table), "</div>\n") : html(table);
  if (heat) out += "</div>\n";
  if (section.pictures) {
    out += "<div class=\"figures\">\n";
    for (const PictureRecord& picture : study.pictures) out += html(picture);
    out += "</div>\n";
  }
  for (const std::string& text : section.notes) out += join("<p class=\"soft\">", html_text(text), "</p>\n");
  return out + "</section>\n";
}

/// The report as HTML.
[[gnu::cold, gnu::noinline]] inline std::string html(const Document& document, const Study& study) {
  std::string out = join(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
      html_text(document.title), "</title>\n<style>", html_style, "</style>\n</head>\n<body>\n<header>\n<h1>",
      html_text(document.title), "</h1>\n");
  if (!document.data.empty()) out += join("<p class=\"soft\">", html_text(document.data), "</p>\n");
  out += "</header>\n<main>\n<section class=\"answer\" id=\"answer\" aria-label=\"The answer\">\n";
  for (const std::string& sentence : document.answer) out += join("<p>", html_text(sentence), "</p>\n");
  out += "</section>\n";
  for (const std::string& remark : document.remarks) out += join("<p>", html_text(remark), "</p>\n");
  out += "<nav aria-label=\"Contents\"><ul>";
  for (const Section& section : document.sections)
    out += join("<li><a href=\"#", section.id, "\">", html_text(section.title), "</a></li>");
  out += "</ul></nav>\n";
  for (const Section& section : document.sections) out += html(section, study);
  return out + join("</main>\n<footer>Written by mtlx ", MTLX_VERSION_MAJOR, ".", MTLX_VERSION_MINOR, ".",
                    MTLX_VERSION_PATCH, ".</footer>\n</body>\n</html>\n");
}

}  // namespace mtlx::study::detail
