// SPDX-License-Identifier: MIT
// Pictures of numbers as SVG, to stand within HTML: line charts with bands, and intervals on a common scale. Colours are
// classes, c0 to c9, that the page's style defines for light and dark; lines differ by their dashes too.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <mtlx/core/error.hpp>
#include <mtlx/core/scalar.hpp>
#include <mtlx/study/findings.hpp>
#include <mtlx/study/text.hpp>
#include <string>
#include <vector>

namespace mtlx::study::detail {

/// A line of a chart, with a band where `lower` and `upper` are numbers. All have one entry for each of x.
struct Line {
  std::string name;
  std::size_t colour = 0;
  std::vector<double> x, y, lower, upper;
  std::size_t runs = 0;    ///< that it is the mean of
  bool shortened = false;  ///< whether it ends where the first of them stops, and others go on
};

struct LineChart {
  std::string title;    ///< what y is
  std::string x_label;  ///< what x is
  std::vector<Line> lines;
};

/// A range of numbers for an axis: whole steps of 1, 2 or 5 times a power of ten.
struct Scale {
  double low = 0, high = 1, step = 1;
  int decimals = 0;

  double share(double number) const { return (number - low) / (high - low); }
};

/// The scale from low to high with at most `most` steps. Whole numbers only if asked.
[[gnu::cold, gnu::noinline]] inline Scale scale(double low, double high, int most, bool whole = false) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (high - low <= 1e-9 * size || high - low < 1e-290) {
    const double around = size > 1e-280 ? 0.1 * size : 1;
    low -= around, high += around;
  }
  const double wanted = (high - low) / most;
  double step = std::pow(10, std::floor(std::log10(wanted)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (step * factor >= wanted * 0.999999) {
      step *= factor;
      break;
    }
  if (whole) step = std::max(1.0, step);
  Scale s{low, high, step, std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 9)};
  return s;
}

/// The label of a tick.
[[gnu::cold]] inline std::string tick(const Scale& scale, double number) {
  const double size = std::max(std::abs(scale.low), std::abs(scale.high));
  if (size < 1e5 && scale.decimals <= 4) return fixed(number, scale.decimals);
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3g", number);
  return buffer;
}

/// A chart of 360 by 210 units; it fills the width that it gets.
[[gnu::cold, gnu::noinline]] inline std::string svg(const LineChart& chart) {
  constexpr double left = 52, right = 350, top = 8, bottom = 172;
  const auto limited = [](double y) { return std::clamp(y, -1e300, 1e300); };  // so that differences are finite
  double x_low = 1e300, x_high = -1e300, low = 1e300, high = -1e300;
  std::string described;
  for (const Line& line : chart.lines) {
    double first = nan, last = nan;
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      if (!is_finite(line.y[i])) continue;
      if (!is_finite(first)) first = line.y[i];
      last = line.y[i];
      x_low = std::min(x_low, line.x[i]), x_high = std::max(x_high, line.x[i]);
      for (const double y : {line.y[i], line.lower[i], line.upper[i]})
        if (is_finite(y)) low = std::min(low, limited(y)), high = std::max(high, limited(y));
    }
    const int decimals = decimals_for(last);
    described +=
        join(described.empty() ? "" : "; ", line.name, " from ", fixed(first, decimals), " to ", fixed(last, decimals));
  }
  if (x_low > x_high) return "";
  const Scale xs = x_low < x_high ? scale(x_low, x_high, 6, true) : scale(x_low - 1, x_high + 1, 2, true);
  const Scale ys = scale(low, high, 5);
  const auto px = [&](double x) { return fixed(left + (right - left) * xs.share(x), 1); };
  const auto py = [&](double y) { return fixed(bottom - (bottom - top) * ys.share(limited(y)), 1); };

  std::string out = join("<svg viewBox=\"0 0 360 210\" role=\"img\"><title>", html_text(chart.title), "</title><desc>",
                         html_text(chart.x_label), " against ", html_text(chart.title), ": ", html_text(described),
                         "</desc>\n<g class=\"grid\">");
  for (double y = std::ceil(ys.low / ys.step - 1e-9) * ys.step; y <= ys.high + 1e-9 * ys.step; y += ys.step) {
    if (y + ys.step <= y) break;  // steps that are lost beside a large number
    out += join("<path d=\"M", fixed(left, 0), " ", py(y), "H", fixed(right, 0), "\"/><text x=\"46\" y=\"", py(y),
                "\" dy=\"4\" text-anchor=\"end\">", tick(ys, y), "</text>");
  }
  for (double x = std::ceil(xs.low / xs.step - 1e-9) * xs.step; x <= xs.high + 1e-9 * xs.step; x += xs.step)
    out += join("<path d=\"M", px(x), " ", fixed(bottom, 0), "v4\"/><text x=\"", px(x),
                "\" y=\"188\" text-anchor=\"middle\">", tick(xs, x), "</text>");
  out += join("<text x=\"201\" y=\"204\" text-anchor=\"middle\">", html_text(chart.x_label), "</text></g>\n");

  for (const Line& line : chart.lines) {
    const std::string colour = join("c", line.colour % 10);
    const std::size_t n = line.x.size();
    for (std::size_t begin = 0; begin < n;) {
      const auto has_band = [&](std::size_t i) {
        return i < n && is_finite(line.lower[i]) && is_finite(line.upper[i]);
      };
      std::size_t end = begin;
      while (has_band(end)) ++end;
      if (end > begin + 1) {
        std::string path;
        for (std::size_t i = begin; i < end; ++i)
          path += join(i == begin ? "M" : "L", px(line.x[i]), " ", py(line.upper[i]));
        for (std::size_t i = end; i-- > begin;) path += join("L", px(line.x[i]), " ", py(line.lower[i]));
        out += join("<path class=\"band ", colour, "\" d=\"", path, "Z\"/>\n");
      }
      begin = end + 1;
    }
  }
  for (const Line& line : chart.lines) {
    const std::string colour = join("c", line.colour % 10);
    std::string path, points;
    bool drawn = false;
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      if (!is_finite(line.y[i])) {
        drawn = false;
        continue;
      }
      const bool alone = !drawn && (i + 1 == line.x.size() || !is_finite(line.y[i + 1]));
      if (alone)
        points += join("<circle class=\"point ", colour, "\" r=\"3\" cx=\"", px(line.x[i]), "\" cy=\"", py(line.y[i]),
                       "\"/>");
      else
        path += join(drawn ? "L" : "M", px(line.x[i]), " ", py(line.y[i]));
      drawn = true;
    }
    out += join("<g><title>", html_text(line.name), "</title>");
    if (!path.empty()) out += join("<path class=\"line ", colour, "\" d=\"", path, "\"/>");
    out += points + "</g>\n";
  }
  return out + "</svg>";
}

/// The sample of a line beside its name in a legend.
[[gnu::cold]] inline std::string svg_key(std::size_t colour) {
  return join("<svg class=\"key\" viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path class=\"line c", colour % 10,
              "\" d=\"M1 5H27\"/></svg>");
}

/// An interval with its estimate, between the ends of a scale that its neighbours share; a line stands at 0.
[[gnu::cold, gnu::noinline]] inline std::string svg_interval(const Estimate& estimate, double low, double high,
                                                             const std::string& kind) {
  const auto px = [&](double x) { return fixed(4 + 152 * std::clamp((x - low) / (high - low), 0.0, 1.0), 1); };
  std::string out =
      join("<svg class=\"interval\" viewBox=\"0 0 160 20\" aria-hidden=\"true\"><path class=\"zero\" d=\"M", px(0),
           " 1V19\"/>");
  if (estimate.has_interval())
    out += join("<path class=\"whisker ", kind, "\" d=\"M", px(estimate.lower), " 10H", px(estimate.upper), "M",
                px(estimate.lower), " 6V14M", px(estimate.upper), " 6V14\"/>");
  if (is_finite(estimate.mean))
    out += join("<circle class=\"dot ", kind, "\" r=\"4\" cx=\"", px(estimate.mean), "\" cy=\"10\"/>");
  return out + "</svg>";
}

/// The style of a figure in a file of its own, which follows the reader's light or dark.
inline constexpr const char* figure_style =
    "<style>.page{fill:#ffffff}text{fill:#1b1f24;font:12px system-ui,\"DejaVu Sans\",sans-serif}.soft{fill:#57606a}"
    ".name{font-weight:600;font-size:14px}.sure{font-weight:700}.small{font-size:9.5px}.high{fill:#67a9cf}"
    ".low{fill:#ef8a62}.frame{fill:none;stroke:#57606a}.strong{fill:none;stroke:#1b1f24;stroke-width:2}"
    ".rule{stroke:#d0d7de}.grid path{stroke:#d0d7de;fill:none}.grid text{font-size:11px}"
    ".line{stroke:currentColor;stroke-width:2;fill:none;stroke-linejoin:round}.point{fill:currentColor}"
    ".band{fill:currentColor;opacity:.15}.serves{fill:currentColor;stroke:currentColor}"
    ".helps{fill:none;stroke:currentColor;stroke-width:2}"
    ".whisker{stroke:currentColor;stroke-width:1.5;fill:none}.zero{stroke:#57606a}.faint{opacity:.4}"
    ".c0{color:#57606a}.c1{color:#0a62b0;stroke-dasharray:7 2}.c2{color:#b8460e;stroke-dasharray:2 2}"
    ".c3{color:#1a7f37;stroke-dasharray:8 2 2 2}.c4{color:#8a3ab9;stroke-dasharray:4 2}"
    ".c5{color:#a8071a;stroke-dasharray:12 2}.c6{color:#6b5b00;stroke-dasharray:2 4}"
    ".c7{color:#00768a;stroke-dasharray:8 2 2 2 2 2}.c8{color:#c2185b;stroke-dasharray:5 4}"
    ".c9{color:#6d4c41;stroke-dasharray:10 4 2 4}.serves,.helps,.whisker{stroke-dasharray:none}"
    "@media (prefers-color-scheme:dark){.page{fill:#14171a}text{fill:#e8eaed}.soft{fill:#a9b1ba}.high{fill:#1f5f8b}"
    ".low{fill:#8a3b16}.frame,.zero{stroke:#a9b1ba}.strong{stroke:#e8eaed}.rule,.grid "
    "path{stroke:#3a4149}.c0{color:#b0bac5}"
    ".c1{color:#6cb6ff}.c2{color:#ff9e64}.c3{color:#7ee787}.c4{color:#d2a8ff}.c5{color:#ff8a8a}.c6{color:#e3c74d}"
    ".c7{color:#56d4dd}.c8{color:#ff8bcb}.c9{color:#d6ab94}}</style>\n";

/// How a figure in a file of its own begins.
[[gnu::cold, gnu::noinline]] inline std::string figure_head(std::size_t width, std::size_t height,
                                                            const std::string& title, const std::string& described) {
  return join("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", width, " ", height, "\" width=\"", width,
              "\" height=\"", height, "\" role=\"img\"><title>", html_text(title), "</title><desc>",
              html_text(described), "</desc>\n", figure_style,
              "<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n");
}

[[gnu::cold, gnu::noinline]] inline std::string figure_text(std::size_t x, std::size_t y, const std::string& kind,
                                                            const std::string& text, const char* anchor = "start") {
  return join("<text class=\"", kind, "\" x=\"", x, "\" y=\"", y, "\" text-anchor=\"", anchor, "\">", html_text(text),
              "</text>");
}

}  // namespace mtlx::study::detail
