// SPDX-License-Identifier: MIT
// A contact sheet: rows of pictures side by side, such as a task's low-resolution input, what several methods make of it and the
// truth, each with a caption for its scores, and below it a piece of it enlarged. The sheet is a picture itself:
//
//   data::write_png("sheet.png", study::contact_sheet(sheet));                                      // data/image_file.hpp
//   study.pictures.push_back({"Title", "What is to be seen.", data::encode_png(contact_sheet(sheet))});  // into a report
//
// Pictures are enlarged by whole factors and the nearest pixel, so that what is shown is what is there. Letters are our own, 5 x 8
// points, ASCII; any other character is a box.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mtlx/core/error.hpp>
#include <mtlx/data/image.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mtlx::study {

/// A picture of a sheet, grey or in colour.
struct SheetCell {
  data::ByteImage picture;
  std::string caption = {};  ///< below it; lines are parted by \n, longer ones are broken
};

/// A piece of a picture, in pixels of its row's largest one. Nothing if `height` is 0.
struct SheetPiece {
  int top = 0, left = 0, height = 0, width = 0;
};

/// Pictures that stand side by side. A smaller one is enlarged by the largest whole factor with which it is no larger than the
/// largest.
struct SheetRow {
  std::string title;
  std::vector<SheetCell> cells;
  SheetPiece piece = {};  ///< framed in each picture, and shown below it as large as the column allows
};

/// All of a sheet.
struct ContactSheet {
  std::string title = {};
  std::vector<std::string> columns;  ///< their titles, one for each cell of a row
  std::vector<SheetRow> rows;
};

/// How a sheet is drawn.
struct ContactSheetOptions {
  int zoom = 1;                                    ///< of all pictures, at least 1
  int text = 2;                                    ///< pixels to a point of a letter, at least 1
  std::size_t most_pixels = std::size_t{1} << 26;  ///< of the sheet
};

namespace detail {

// Eight rows of five points for each character from ' ' to '~', the first in the highest bits.
inline constexpr std::uint64_t letters[] = {
    0x0000000000, 0x2108420080, 0x5294000000, 0x52BEAFA940, 0x23E8E2F880, 0xCE44444E60, 0x64A88AC9A0, 0x2108000000,
    0x1110841040, 0x4104211100, 0x012AEA9000, 0x0109F21000, 0x0000003088, 0x0001F00000, 0x0000003180, 0x0844444200,
    0x74675CC5C0, 0x23084211C0, 0x74426443E0, 0x744260C5C0, 0x11952F8840, 0xFC3C10C5C0, 0x7421E8C5C0, 0xF844221080,
    0x7462E8C5C0, 0x7462F085C0, 0x0318063000, 0x0018C03088, 0x1111041040, 0x003E0F8000, 0x4104111100, 0x7442220080,
    0x746F5B41E0, 0x7463F8C620, 0xF463E8C7C0, 0x74610845C0, 0xF46318C7C0, 0xFC21E843E0, 0xFC21E84200, 0x746178C5E0,
    0x8C63F8C620, 0x71084211C0, 0x3884214980, 0x8CA98A4A20, 0x84210843E0, 0x8EEB58C620, 0x8E6B38C620, 0x746318C5C0,
    0xF463E84200, 0x74631AC9A0, 0xF463EA4A20, 0x7C20E087C0, 0xF908421080, 0x8C6318C5C0, 0x8C63152880, 0x8C635AEE20,
    0x8C54454620, 0x8C54421080, 0xF8444443E0, 0x72108421C0, 0x8410410420, 0x70842109C0, 0x22A2000000, 0x00000003E0,
    0x4100000000, 0x001C17C5E0, 0x843D18C7C0, 0x001D0841C0, 0x085F18C5E0, 0x001D1FC1C0, 0x323C842100, 0x001F18BC2E,
    0x843D18C620, 0x20184211C0, 0x0080610A4C, 0x84254C5240, 0x61084211C0, 0x00355AD6A0, 0x003D18C620, 0x001D18C5C0,
    0x003D18FA10, 0x001F18BC21, 0x002D884200, 0x001F0707C0, 0x423C8420C0, 0x002318C5E0, 0x002318A880, 0x00231AD540,
    0x0022A22A20, 0x002318BC2E, 0x003E2223E0, 0x1908821060, 0x2108421080, 0xC108221300, 0x0011510000,
};
inline constexpr std::uint64_t box_letter = 0xfc6318c7e0;

using Colour = std::uint8_t[3];
inline constexpr Colour ink = {27, 31, 36}, soft_ink = {87, 96, 106}, frame_inside = {255, 214, 10},
                        frame_outside = {0, 0, 0};

/// Lines of at most `most` characters, broken at blanks where there are any. Each is ASCII; what is not is '\x7F'.
[[gnu::cold, gnu::noinline]] inline std::vector<std::string> sheet_lines(std::string_view text, std::size_t most) {
  std::vector<std::string> lines;
  if (text.empty()) return lines;
  std::string line;
  const auto put = [&] {
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(line);
    line.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // the rest of a character of UTF-8
    if (c == '\n') {
      put();
      continue;
    }
    if (c == ' ' && line.empty() && !lines.empty()) continue;
    line += byte >= 32 && byte < 127 ? c : '\x7F';
    if (line.size() <= most) continue;
    const std::size_t blank = line.find_last_of(' ', most);
    const bool breaks = blank != std::string::npos && blank > 0;
    std::string rest = line.substr(breaks ? blank + 1 : most);
    line.resize(breaks ? blank : most);
    put();
    line = std::move(rest);
  }
  put();
  return lines;
}

/// Draws on a picture of three channels; what lies outside of it is left out.
struct SheetPainter {
  data::ByteImage sheet;
  int text = 2;

  int letter_width() const { return 6 * text; }
  int line_height() const { return 10 * text; }
  std::size_t per_line(int width) const { return static_cast<std::size_t>(std::max(width / letter_width(), 1)); }
  int height_of(std::size_t lines) const { return static_cast<int>(lines) * line_height(); }

  void point(int y, int x, const Colour& colour) {
    if (y < 0 || x < 0 || y >= sheet.shape.height || x >= sheet.shape.width) return;
    for (int c = 0; c < 3; ++c) sheet.at(c, y, x) = colour[c];
  }
  void box(int top, int left, int height, int width, const Colour& colour) {
    for (int y = top; y < top + height; ++y)
      for (int x = left; x < left + width; ++x) point(y, x, colour);
  }
  /// An outline of `thick` pixels, outside of the box.
  void frame(int top, int left, int height, int width, int thick, const Colour& colour) {
    box(top - thick, left - thick, thick, width + 2 * thick, colour);
    box(top + height, left - thick, thick, width + 2 * thick, colour);
    box(top, left - thick, height, thick, colour);
    box(top, left + width, height, thick, colour);
  }
  void write(int top, int left, const std::vector<std::string>& lines, const Colour& colour) {
    for (std::size_t l = 0; l < lines.size(); ++l)
      for (std::size_t i = 0; i < lines[l].size(); ++i) {
        const auto sign = static_cast<std::size_t>(static_cast<unsigned char>(lines[l][i]));
        const std::uint64_t points = sign < 127 ? letters[sign - 32] : box_letter;
        for (int p = 0; p < 40; ++p)
          if ((points >> (39 - p) & 1) != 0)
            box(top + height_of(l) + p / 5 * text, left + static_cast<int>(i) * letter_width() + p % 5 * text, text,
                text, colour);
      }
  }
  void show(int top, int left, const data::ByteImage& picture, int factor) {
    for (int y = 0; y < picture.shape.height * factor; ++y)
      for (int x = 0; x < picture.shape.width * factor; ++x) {
        const int row = y / factor, column = x / factor;
        const Colour colour = {picture.at(0, row, column), picture.at(1, row, column), picture.at(2, row, column)};
        point(top + y, left + x, colour);
      }
  }
};

/// A picture enlarged by a whole factor, in colour.
[[gnu::cold, gnu::noinline]] inline data::ByteImage enlarged(const data::ByteImage& picture, int factor) {
  const data::ByteImage colour = data::in_colour(picture);
  SheetPainter painter{{{3, colour.shape.height * factor, colour.shape.width * factor}, {}}};
  painter.sheet.values.resize(painter.sheet.shape.size());
  painter.show(0, 0, colour, factor);
  return std::move(painter.sheet);
}

}  // namespace detail

/// The sheet as a picture of three channels, dark letters on white. Throws `Error` for no rows or columns, a row with other than a
/// cell for each column, a picture that is none, a piece that is not within, and a sheet of too many pixels.
[[gnu::cold, gnu::noinline]] inline data::ByteImage contact_sheet(const ContactSheet& sheet,
                                                                  const ContactSheetOptions& options = {}) {
  if (options.zoom < 1 || options.zoom > 64 || options.text < 1 || options.text > 16)
    fail("contact sheet: zoom ", options.zoom, " and text ", options.text, ", expected 1 to 64 and 1 to 16");
  if (sheet.columns.empty() || sheet.rows.empty())
    fail("contact sheet: ", sheet.rows.size(), " rows and ", sheet.columns.size(), " columns, expected one or more");

  constexpr int margin = 12, gap = 4;
  detail::SheetPainter painter{{}, options.text};
  std::vector<Shape> largest;  // of each row
  int width = 14 * painter.letter_width();
  for (std::size_t r = 0; r < sheet.rows.size(); ++r) {
    const SheetRow& row = sheet.rows[r];
    if (row.cells.size() != sheet.columns.size())
      fail("contact sheet: row ", r, ", \"", row.title, "\", has ", row.cells.size(),
           " pictures, expected one for each of ", sheet.columns.size(), " columns");
    largest.push_back({3, 0, 0});
    Shape& most = largest.back();
    for (const SheetCell& cell : row.cells) {
      data::check_picture("contact sheet", cell.picture);
      const Shape& shape = cell.picture.shape;
      if (shape.channels != 1 && shape.channels != 3)
        fail("contact sheet: a picture of ", shape.channels, " channels in row ", r, ", expected 1 or 3");
      if (shape.height > 1 << 15 || shape.width > 1 << 15)
        fail("contact sheet: a picture of ", shape, " in row ", r, ", expected sides up to ", 1 << 15);
      most.height = std::max(most.height, shape.height), most.width = std::max(most.width, shape.width);
    }
    width = std::max(width, most.width * options.zoom);
    const SheetPiece& p = row.piece;
    if (p.height != 0 && (p.height < 1 || p.width < 1 || p.top < 0 || p.left < 0 || p.top > most.height - p.height ||
                          p.left > most.width - p.width))
      fail("contact sheet: in row ", r, " a piece of ", p.height, " x ", p.width, " pixels from (", p.top, ", ", p.left,
           ") on, of pictures of ", most.height, " x ", most.width);
  }
  const auto factor_of = [&](std::size_t r, const SheetCell& cell) {
    return std::min(largest[r].height / cell.picture.shape.height, largest[r].width / cell.picture.shape.width);
  };
  const auto piece_factor = [&](const SheetPiece& p) { return std::max(width / p.width, 1); };

  // Where everything stands.
  const std::size_t columns = sheet.columns.size(), rows = sheet.rows.size();
  const double whole_width = 2.0 * margin + static_cast<double>(columns) * (width + margin) - margin;
  const auto line_width = static_cast<int>(std::min(whole_width - 2 * margin, 1e8));
  const std::vector<std::string> title = detail::sheet_lines(sheet.title, painter.per_line(line_width));
  std::vector<std::vector<std::string>> heads, titles;
  std::size_t head_lines = 0;
  for (const std::string& column : sheet.columns) {
    heads.push_back(detail::sheet_lines(column, painter.per_line(width)));
    head_lines = std::max(head_lines, heads.back().size());
  }
  const int below_title = title.empty() ? 0 : margin;
  double height = margin + painter.height_of(title.size()) + below_title + painter.height_of(head_lines);
  std::vector<std::size_t> caption_lines(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const SheetRow& row = sheet.rows[r];
    titles.push_back(detail::sheet_lines(row.title, painter.per_line(line_width)));
    for (const SheetCell& cell : row.cells)
      caption_lines[r] = std::max(caption_lines[r], detail::sheet_lines(cell.caption, painter.per_line(width)).size());
    height += margin + painter.height_of(titles[r].size()) + largest[r].height * options.zoom + gap +
              painter.height_of(caption_lines[r]);
    if (row.piece.height > 0) height += static_cast<double>(row.piece.height) * piece_factor(row.piece) + gap;
  }
  height += margin;
  if (whole_width * height > static_cast<double>(options.most_pixels))
    fail("contact sheet: ", whole_width, " x ", height, " pixels, expected at most ", options.most_pixels,
         " (ContactSheetOptions::most_pixels)");

  painter.sheet.shape = {3, static_cast<int>(height), static_cast<int>(whole_width)};
  painter.sheet.values.assign(painter.sheet.shape.size(), 255);
  int top = margin;
  painter.write(top, margin, title, detail::ink);
  top += painter.height_of(title.size()) + below_title;
  const auto left_of = [&](std::size_t c) { return margin + static_cast<int>(c) * (width + margin); };
  for (std::size_t c = 0; c < columns; ++c) painter.write(top, left_of(c), heads[c], detail::ink);
  top += painter.height_of(head_lines);
  for (std::size_t r = 0; r < rows; ++r) {
    const SheetRow& row = sheet.rows[r];
    const SheetPiece& p = row.piece;
    top += margin;
    painter.write(top, margin, titles[r], detail::ink);
    top += painter.height_of(titles[r].size());
    int below = top;
    for (std::size_t c = 0; c < columns; ++c) {
      const int left = left_of(c);
      const data::ByteImage full = detail::enlarged(row.cells[c].picture, factor_of(r, row.cells[c]));
      painter.show(top, left, full, options.zoom);
      below = top + largest[r].height * options.zoom + gap;
      if (p.height > 0) {
        if (p.top > full.shape.height - p.height || p.left > full.shape.width - p.width)
          fail("contact sheet: in row ", r, " the piece is not within picture ", c, ", which is ", full.shape.height,
               " x ", full.shape.width, " when enlarged");
        painter.show(below, left, data::crop(full, p.top, p.left, p.height, p.width), piece_factor(p));
        const int y = top + p.top * options.zoom, x = left + p.left * options.zoom;
        painter.frame(y, x, p.height * options.zoom, p.width * options.zoom, 1, detail::frame_inside);
        painter.frame(y - 1, x - 1, p.height * options.zoom + 2, p.width * options.zoom + 2, 1, detail::frame_outside);
        below += p.height * piece_factor(p) + gap;
      }
      painter.write(below, left, detail::sheet_lines(row.cells[c].caption, painter.per_line(width)), detail::soft_ink);
    }
    top = below + painter.height_of(caption_lines[r]);
  }
  return std::move(painter.sheet);
}

}  // namespace mtlx::study
