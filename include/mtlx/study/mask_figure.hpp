// SPDX-License-Identifier: MIT
// How the masks of tasks overlap, as a picture: for each layer a heat map of intersection over union between tasks, in one
// SVG file that follows the reader's light or dark, and as matrices for a study's report.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/sharing/mask_analysis.hpp>
#include <mtlx/study/record.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study {

namespace detail {

// The layers of an analysis, then all of them as one.
[[gnu::cold]] inline std::vector<const sharing::MaskOverlap*> overlaps(const sharing::MaskAnalysis& analysis) {
  std::vector<const sharing::MaskOverlap*> all;
  for (const sharing::MaskOverlap& layer : analysis.layers) all.push_back(&layer);
  all.push_back(&analysis.total);
  return all;
}

inline constexpr const char* mask_figure_style =
    "<style>.page{fill:#ffffff}text{fill:#1b1f24;font:11px system-ui,\"DejaVu Sans\",sans-serif}.name{font-weight:600}"
    ".cell{fill:#67a9cf}.frame{fill:none;stroke:#57606a}"
    "@media (prefers-color-scheme:dark){.page{fill:#14171a}text{fill:#e8eaed}.cell{fill:#1f5f8b}"
    ".frame{stroke:#a9b1ba}}</style>\n";

}  // namespace detail

/// A heat map a layer, and one of all layers: intersection over union of two tasks' masks, from 0 (the page's colour) to 1.
/// Columns count tasks as the rows' names do. An SVG file; write_file writes it.
[[gnu::cold, gnu::noinline]] inline std::string mask_figure(const sharing::MaskAnalysis& analysis) {
  const std::size_t tasks = analysis.tasks.size();
  const auto all = detail::overlaps(analysis);
  const std::size_t cell = std::clamp<std::size_t>(176 / std::max<std::size_t>(tasks, 1), 6, 40);
  const bool labelled = cell >= 11, numbers = cell >= 29;
  std::size_t longest = 20;
  for (const std::string& task : analysis.tasks)
    longest = std::max(longest, std::min<std::size_t>(task.size(), 16) * 7 + 30);
  const std::size_t left = labelled ? longest : 12, top = 52, map = tasks * cell;
  const std::size_t width = left + std::max<std::size_t>(map, 190) + 12, height = top + map + 20;
  const std::size_t columns = std::clamp<std::size_t>(900 / width, 1, all.size());
  const std::size_t rows = (all.size() + columns - 1) / columns;
  std::string out =
      join("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", columns * width, " ", rows * height + 40,
           "\" role=\"img\"><title>Overlap of the tasks' masks</title><desc>Intersection over union between two tasks' "
           "masks, layer by layer, from 0 to 1.</desc>\n",
           detail::mask_figure_style, "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const sharing::MaskOverlap& layer = *all[i];
    const auto box = [&](const char* kind, std::size_t row, std::size_t column, const std::string& rest) {
      return join("<rect class=\"", kind, "\" x=\"", left + column * cell, "\" y=\"", top + row * cell, "\" width=\"",
                  cell, "\" height=\"", cell, "\"", rest);
    };
    out += join("<g transform=\"translate(", i % columns * width, " ", i / columns * height,
                ")\"><text class=\"name\" x=\"", left, "\" y=\"16\">",
                detail::html_text(i + 1 < all.size() ? layer.layer : "all layers"), "</text><text x=\"", left,
                "\" y=\"31\">", detail::grouped(static_cast<double>(layer.weights)), " weights, joint overlap ",
                is_finite(layer.joint_overlap()) ? detail::fixed(layer.joint_overlap(), 2) : "-", "</text>\n");
    for (std::size_t a = 0; a < tasks; ++a) {
      if (labelled)
        out += join("<text x=\"", left - 5, "\" y=\"", top + a * cell + cell / 2 + 4, "\" text-anchor=\"end\">",
                    detail::html_text(detail::shortened(analysis.tasks[a], 16)), " ", a + 1, "</text><text x=\"",
                    left + a * cell + cell / 2, "\" y=\"", top - 5, "\" text-anchor=\"middle\">", a + 1, "</text>\n");
      for (std::size_t b = 0; b < tasks; ++b) {
        const double overlap = layer.overlap(a, b);
        const std::string number = is_finite(overlap) ? detail::fixed(overlap, 2) : "-";
        out += box("cell", a, b,
                   join(" fill-opacity=\"", is_finite(overlap) ? number : "0", "\"><title>",
                        detail::html_text(analysis.tasks[a]), ", ", detail::html_text(analysis.tasks[b]), ": ", number,
                        "</title></rect>"));
        if (numbers)
          out += join("<text x=\"", left + b * cell + cell / 2, "\" y=\"", top + a * cell + cell / 2 + 4,
                      "\" text-anchor=\"middle\">", number, "</text>");
        out += '\n';
      }
    }
    out +=
        join("<rect class=\"frame\" x=\"", left, "\" y=\"", top, "\" width=\"", map, "\" height=\"", map, "\"/></g>\n");
  }
  // The scale.
  out += join("<g transform=\"translate(12 ", rows * height + 8, ")\">");
  for (std::size_t i = 0; i <= 4; ++i) {
    const std::string share = detail::fixed(static_cast<double>(i) / 4, 2);
    out += join("<rect class=\"cell\" x=\"", i * 40, "\" width=\"40\" height=\"20\" fill-opacity=\"", share,
                "\"/><text x=\"", i * 40 + 20, "\" y=\"14\" text-anchor=\"middle\">", share, "</text>");
  }
  return out +
         "<rect class=\"frame\" width=\"200\" height=\"20\"/><text x=\"210\" y=\"14\">intersection over "
         "union</text></g>\n</svg>\n";
}

/// The same for a report, where they are drawn under "Affinities and masks": put them into Study::matrices. `name` says
/// whose masks they are, such as the strategy's.
[[gnu::cold, gnu::noinline]] inline std::vector<MatrixRecord> mask_matrices(const sharing::MaskAnalysis& analysis,
                                                                            const std::string& name = "") {
  std::vector<MatrixRecord> matrices;
  const auto all = detail::overlaps(analysis);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string layer = i + 1 < all.size() ? all[i]->layer : "all layers";
    MatrixRecord& matrix = matrices.emplace_back();
    matrix.title = join(name, name.empty() ? "" : ": ", "overlap of masks, ", layer);
    matrix.rows = matrix.columns = "task";
    matrix.row_names = matrix.column_names = analysis.tasks;
    for (std::size_t a = 0; a < analysis.tasks.size(); ++a)
      for (std::size_t b = 0; b < analysis.tasks.size(); ++b) matrix.values.push_back(all[i]->overlap(a, b));
  }
  return matrices;
}

}  // namespace mtlx::study
