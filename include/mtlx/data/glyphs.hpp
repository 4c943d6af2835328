// SPDX-License-Identifier: MIT
// Pictures of letters and digits from font files, and ten questions about each: as CelebA's faces have attributes, here the
// same picture says which letter it is and how its font looks. Fonts are read and drawn by FreeType (MTLX_USE_FREETYPE; with
// CMake, mtlx::freetype), unhinted, so that one version of it gives one picture everywhere.
//
//   task       answers                    from
//   character  0-9, A-Z, a-z: 62 classes  which letter was drawn
//   kind       digit, capital, small      which letter was drawn
//   bold       yes: 600 or more           usWeightClass of the table OS/2, where that is 1 to 1000; else missing
//   light      yes: 300 or less           the same
//   italic     yes                        an angle in the table post, or italic or oblique in OS/2's fsSelection or in
//                                         head's macStyle
//   mono       yes                        all 62 characters have one advance width (table hmtx)
//   serif      yes or no                  sFamilyClass and panose of OS/2; missing where neither says, or they disagree
//   width      a number                   the character's advance width, in ems
//   x_height   a number                   the top of the letter x's outline, in ems; missing where there is no x
//   ink        a number                   the mean of the picture's pixels, 0 to 1
//
// Which family a face belongs to is no task: what is tested on should be families that training has not seen.
// Reference: OpenType specification 1.9, tables OS/2, post, head and hmtx.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(MTLX_USE_FREETYPE) && __has_include(<ft2build.h>)
#include <ft2build.h>
// A macro of FreeType's names each of its headers.
#include FT_FREETYPE_H
#include FT_FONT_FORMATS_H
#include FT_MODULE_H
#include FT_OUTLINE_H
#include FT_TRUETYPE_TABLES_H
#define MTLX_DATA_FREETYPE 1
#else
#define MTLX_DATA_FREETYPE 0
#endif

#include <mtlx/core/error.hpp>
#include <mtlx/core/file.hpp>
#include <mtlx/core/shape.hpp>
#include <mtlx/data/clusters.hpp>
#include <mtlx/data/data_set.hpp>
#include <mtlx/data/detail/reading.hpp>
#include <mtlx/data/inputs.hpp>
#include <mtlx/data/parts.hpp>
#include <mtlx/data/targets.hpp>

namespace mtlx::data {

/// The characters that are drawn; character i is class i.
inline constexpr std::string_view glyph_characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a font file says of itself.
struct FontFace {
  std::string file, family, style;
  std::size_t group = 0;       ///< faces of one number are relatives; see `read_glyphs`
  int weight = 0;              ///< 400 is regular, 700 bold; 0: not known
  bool italic = false;         ///< or oblique
  bool mono = false;           ///< all characters are of one width
  int serif = missing_label;   ///< 1 or 0
  float x_height = 0;          ///< in ems; NaN: not known
  std::size_t characters = 0;  ///< how many of the 62 it has
};

/// How glyphs are drawn.
struct GlyphOptions {
  /// Side of a picture in pixels, 8 to 128. An em is 5/7 of it, the baseline lies a quarter of it above the lower edge, and
  /// the glyph's box in the middle between left and right. What reaches beyond the picture is cut off.
  int size = 28;
};

/// Glyphs of some faces, one after the other, each in the order of `glyph_characters`; a character that a face lacks has
/// none.
struct Glyphs {
  int size = 0;                      ///< side of a picture
  std::vector<std::uint8_t> pixels;  ///< (glyphs, size, size), 255 is ink
  std::vector<int> character;        ///< of each glyph
  std::vector<float> width;          ///< of each glyph, in ems
  std::vector<std::size_t> face;     ///< of each glyph
  std::vector<FontFace> faces;
  std::size_t cut = 0;  ///< glyphs that reach beyond their picture

  /// The ten tasks above. Throws `Error` if there is no glyph.
  [[gnu::cold, gnu::noinline]] DataSet data() const {
    const std::size_t n = character.size(), area = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
    constexpr float none = std::numeric_limits<float>::quiet_NaN();
    const auto known = [](bool is_known, bool yes) { return !is_known ? none : yes ? 1.0F : 0.0F; };
    std::vector<int> kinds;
    std::array<std::vector<float>, 8> numbers;
    for (std::size_t i = 0; i < n; ++i) {
      const FontFace& of = faces.at(face[i]);
      double sum = 0;
      for (std::size_t p = i * area; p < (i + 1) * area; ++p) sum += pixels[p];
      kinds.push_back(character[i] < 10 ? 0 : character[i] < 36 ? 1 : 2);
      const std::array all{known(of.weight != 0, of.weight >= 600),
                           known(of.weight != 0, of.weight <= 300),
                           known(true, of.italic),
                           known(true, of.mono),
                           known(of.serif != missing_label, of.serif == 1),
                           width[i],
                           of.x_height,
                           static_cast<float>(sum / 255 / static_cast<double>(area))};
      for (std::size_t a = 0; a < all.size(); ++a) numbers[a].push_back(all[a]);
    }
    std::vector<Column> columns{{"character", Targets::classes(character)}, {"kind", Targets::classes(kinds)}};
    constexpr std::array names{"bold", "light", "italic", "mono", "serif", "width", "x_height", "ink"};
    for (std::size_t a = 0; a < names.size(); ++a)
      columns.push_back({names[a], Targets::values(1, std::move(numbers[a]))});
    return DataSet(Inputs(Shape{1, size, size}, pixels), std::move(columns));
  }

  /// The group of each glyph's face, as `split` takes it.
  [[gnu::cold]] Clusters groups() const {
    Clusters all(1);
    for (const std::size_t of : face) all[0].push_back(faces.at(of).group);
    return all;
  }
};

// Named by what they can read, since programs mix translation units built with FreeType and without.

namespace detail {
#if MTLX_DATA_FREETYPE
inline namespace with_freetype {
#else
inline namespace without_freetype {
#endif

#if MTLX_DATA_FREETYPE
// FreeType's library, and one face of it, closed with what opened it.
class FontLibrary {
 public:
  [[gnu::cold]] FontLibrary() {
    if (FT_Init_FreeType(&library_) != 0) fail("glyphs: FreeType does not start");
    FT_Bool none = 1;  // else the environment could ask for bolder stems
    FT_Property_Set(library_, "cff", "no-stem-darkening", &none);
  }
  FontLibrary(const FontLibrary&) = delete;
  FontLibrary& operator=(const FontLibrary&) = delete;
  ~FontLibrary() { FT_Done_FreeType(library_); }
  FT_Library get() const { return library_; }

 private:
  FT_Library library_ = nullptr;
};

class OpenFont {
 public:
  // The bytes must outlive it.
  [[gnu::cold]] OpenFont(const FontLibrary& library, std::string_view bytes, const std::string& name) {
    constexpr auto most = static_cast<std::size_t>(std::numeric_limits<FT_Long>::max());
    if (bytes.empty() || bytes.size() > most) fail(name, " is empty or too large, expected a font file");
    const FT_Error error = FT_New_Memory_Face(library.get(), reinterpret_cast<const FT_Byte*>(bytes.data()),
                                              static_cast<FT_Long>(bytes.size()), 0, &face_);
    if (error != 0) fail(name, " is no font that FreeType reads (its error ", error, ")");
    const std::string_view format = FT_Get_Font_Format(face_);
    if (!FT_IS_SFNT(face_) || !FT_IS_SCALABLE(face_) || (format != "TrueType" && format != "CFF")) {
      FT_Done_Face(face_);
      fail(name, " is a font of the format ", format, ", expected TrueType or OpenType with outlines");
    }
  }
  OpenFont(const OpenFont&) = delete;
  OpenFont& operator=(const OpenFont&) = delete;
  ~OpenFont() { FT_Done_Face(face_); }
  FT_Face get() const { return face_; }

 private:
  FT_Face face_ = nullptr;
};

// 1, 0 or missing_label. The high byte of sFamilyClass: 1 to 5 and 7 are serifs, 8 is sans serif. Panose of a Latin text
// face (family 2): serif styles 2 to 10 are serifs, 11 to 15 are not.
[[gnu::cold]] inline int serif_of(const TT_OS2& os2) {
  const int family = (os2.sFamilyClass >> 8) & 0xFF, style = os2.panose[0] == 2 ? os2.panose[1] : 0;
  const int by_class = (family >= 1 && family <= 5) || family == 7 ? 1 : family == 8 ? 0 : missing_label;
  const int by_panose = style >= 2 && style <= 10 ? 1 : style >= 11 && style <= 15 ? 0 : missing_label;
  if (by_class == missing_label || by_panose == missing_label) return by_class == missing_label ? by_panose : by_class;
  return by_class == by_panose ? by_class : missing_label;
}

// Loads a character's outline, at the face's present size in 64ths of pixels, or in units of the font; false if it has none.
[[gnu::cold]] inline bool load_outline(FT_Face face, std::string_view character, bool in_units,
                                       const std::string& name) {
  const FT_UInt glyph = FT_Get_Char_Index(face, static_cast<unsigned char>(character[0]));
  if (glyph == 0) return false;
  const FT_Int32 scale = in_units ? FT_LOAD_NO_SCALE : FT_LOAD_LINEAR_DESIGN;
  const FT_Error error = FT_Load_Glyph(face, glyph, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP | scale);
  if (error != 0 || face->glyph->format != FT_GLYPH_FORMAT_OUTLINE || face->glyph->outline.n_points < 1)
    fail(name, ": the outline of ", character, " is broken or empty (FreeType's error ", error, ")");
  return true;
}

// Draws the loaded outline into side * side bytes, which are 0. Gives whether it reaches beyond.
[[gnu::cold]] inline bool draw(const FontLibrary& library, FT_Outline& outline, int side, std::uint8_t* to,
                               const std::string& name, std::string_view character) {
  FT_BBox box;
  FT_Outline_Get_CBox(&outline, &box);
  constexpr FT_Pos far = FT_Pos{1} << 20;  // 16384 pixels: no letter, and far from what FreeType's sums hold
  if (box.xMin < -far || box.xMax > far || box.yMin < -far || box.yMax > far)
    fail(name, ": the outline of ", character, " reaches further than 16384 pixels");
  const FT_Pos edge = FT_Pos{side} * 64, right = (edge - box.xMin - box.xMax) / 2, up = FT_Pos{side / 4} * 64;
  FT_Outline_Translate(&outline, right, up);
  FT_Bitmap picture{};
  picture.rows = picture.width = static_cast<unsigned>(side);
  picture.pitch = side;
  picture.buffer = to;
  picture.num_grays = 256;
  picture.pixel_mode = FT_PIXEL_MODE_GRAY;
  if (const FT_Error error = FT_Outline_Get_Bitmap(library.get(), &outline, &picture); error != 0)
    fail(name, ": ", character, " can't be drawn (FreeType's error ", error, ")");
  return box.xMin + right < 0 || box.xMax + right > edge || box.yMin + up < 0 || box.yMax + up > edge;
}

// What the tables say of the face as a whole.
[[gnu::cold]] inline FontFace described(FT_Face face, const std::string& name, std::size_t group) {
  FontFace found{.file = name, .family = {}, .style = {}, .group = group};
  if (face->family_name != nullptr) found.family = face->family_name;
  if (face->style_name != nullptr) found.style = face->style_name;
  const auto* os2 = static_cast<const TT_OS2*>(FT_Get_Sfnt_Table(face, FT_SFNT_OS2));
  const auto* post = static_cast<const TT_Postscript*>(FT_Get_Sfnt_Table(face, FT_SFNT_POST));
  const auto* head = static_cast<const TT_Header*>(FT_Get_Sfnt_Table(face, FT_SFNT_HEAD));
  constexpr FT_UShort absent = 0xFFFF, italic = 1, oblique = 1 << 9, mac_italic = 2;
  found.italic =
      (post != nullptr && post->italicAngle != 0) || (head != nullptr && (head->Mac_Style & mac_italic) != 0);
  if (os2 != nullptr && os2->version != absent) {
    if (os2->usWeightClass >= 1 && os2->usWeightClass <= 1000) found.weight = os2->usWeightClass;
    found.italic = found.italic || (os2->fsSelection & (italic | oblique)) != 0;
    found.serif = serif_of(*os2);
  }
  const auto em = static_cast<float>(face->units_per_EM);
  found.x_height = std::numeric_limits<float>::quiet_NaN();
  if (load_outline(face, "x", true, name)) {
    FT_BBox box;
    FT_Outline_Get_CBox(&face->glyph->outline, &box);
    found.x_height = static_cast<float>(box.yMax) / em;
  }
  return found;
}

[[gnu::cold, gnu::noinline]] inline void add_face(const FontLibrary& library, Glyphs& to, std::string_view bytes,
                                                  const std::string& name, std::size_t group) {
  const OpenFont font(library, bytes, name);
  FT_Face face = font.get();
  if (FT_Select_Charmap(face, FT_ENCODING_UNICODE) != 0) fail(name, " has no table of Unicode characters");
  if (face->units_per_EM == 0) fail(name, " has an em of 0 units");
  FontFace found = described(face, name, group);
  // In 64ths of points; at 72 dots an inch a point is a pixel.
  if (FT_Set_Char_Size(face, 0, (FT_F26Dot6{to.size} * 64 * 5 + 3) / 7, 72, 72) != 0)
    fail(name, " can't be drawn in this size");
  const std::size_t area = static_cast<std::size_t>(to.size) * static_cast<std::size_t>(to.size);
  FT_Fixed width_of_all = 0;
  found.mono = true;
  for (std::size_t c = 0; c < glyph_characters.size(); ++c) {
    const std::string_view character = glyph_characters.substr(c, 1);
    if (!load_outline(face, character, false, name)) continue;
    const FT_Fixed width = face->glyph->linearHoriAdvance;  // in units of the font
    to.pixels.resize(to.pixels.size() + area);
    to.cut += draw(library, face->glyph->outline, to.size, to.pixels.data() + to.pixels.size() - area, name, character);
    to.character.push_back(static_cast<int>(c));
    to.face.push_back(to.faces.size());
    to.width.push_back(static_cast<float>(width) / static_cast<float>(face->units_per_EM));
    if (found.characters++ == 0) width_of_all = width;
    found.mono = found.mono && width == width_of_all;
  }
  if (found.characters == 0) fail(name, " has none of the characters ", glyph_characters);
  to.faces.push_back(std::move(found));
}
#else
class FontLibrary {};
[[noreturn, gnu::cold]] inline void add_face(const FontLibrary&, Glyphs&, std::string_view, const std::string& name,
                                             std::size_t) {
  fail(name, " is a font, and this program was built without FreeType: link mtlx::freetype (it defines ",
       "MTLX_USE_FREETYPE)");
}
#endif

}  // inline namespace

[[gnu::cold]] inline Glyphs no_glyphs(const GlyphOptions& options) {
  if (options.size < 8 || options.size > 128) fail("glyphs: size ", options.size, ", expected 8 to 128 pixels");
  Glyphs none;
  none.size = options.size;
  return none;
}

}  // namespace detail

#if MTLX_DATA_FREETYPE
inline namespace with_freetype {
#else
inline namespace without_freetype {
#endif

/// The glyphs of one font in memory; `name` is what errors call it. Throws `Error` if it is no TrueType or OpenType font with
/// outlines (Type 1 and bitmaps are refused), is broken, or has none of the characters.
[[gnu::cold, gnu::noinline]] inline Glyphs parse_font(std::string_view bytes, const std::string& name,
                                                      const GlyphOptions& options = {}) {
  Glyphs glyphs = detail::no_glyphs(options);
  detail::add_face(detail::FontLibrary(), glyphs, bytes, name, 0);
  return glyphs;
}

/// The glyphs of the fonts of a list, in its order: a text of lines GROUP, a tab, FILE, with paths from the list's folder; a
/// line that begins with # is a comment. Faces of one group are relatives: one family in its widths and weights, or designs
/// that go back to one. Groups are numbered as they first appear. Throws `Error` as `parse_font` does, for a line of another
/// form or a file named twice (naming the row), and for a list without fonts.
[[gnu::cold, gnu::noinline]] inline Glyphs read_glyphs(const std::string& list, const GlyphOptions& options = {}) {
  Glyphs glyphs = detail::no_glyphs(options);
  const detail::FontLibrary library;
  const std::string text = read_file(list), folder = list.substr(0, list.rfind('/') + 1);
  std::vector<std::string_view> groups;
  for (detail::Lines lines(text, list); lines.next();) {
    const std::string_view line = lines.line();
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t tab = line.find('\t');
    if (tab == 0 || tab == std::string_view::npos || tab + 1 == line.size() || line.find('\t', tab + 1) != line.npos)
      fail(list, ", row ", lines.row(), ": ", detail::shown(line), ", expected a group, a tab and a file");
    std::size_t group = 0;
    while (group < groups.size() && groups[group] != line.substr(0, tab)) ++group;
    if (group == groups.size()) groups.push_back(line.substr(0, tab));
    const std::string path = folder + std::string(line.substr(tab + 1));
    for (const FontFace& face : glyphs.faces)
      if (face.file == path) fail(list, ", row ", lines.row(), ": ", path, " is there twice");
    detail::add_face(library, glyphs, read_file(path), path, group);
  }
  if (glyphs.faces.empty()) fail(list, " names no font");
  return glyphs;
}

/// How groups of fonts are dealt out.
struct GlyphSplit {
  double test = 0.25, validation = 0.2;  ///< shares of the groups, and of those that are left
  /// Of Debian's fonts, 3 is the first seed with which each answer of yes or no is at least 9 % of every part.
  std::uint64_t seed = 3;
};

/// The fonts of FOLDER/fonts.txt, which scripts/data/glyphs.sh makes, in three parts: a group of fonts is in one of them.
/// "width", "x_height" and "ink" are measured in deviations from the mean of the training data (`standardise`). Throws
/// `Error` as `read_glyphs` and `split` do.
[[gnu::cold, gnu::noinline]] inline Parts glyph_parts(const std::string& folder, const GlyphOptions& options = {},
                                                      const GlyphSplit& deal = {}) {
  const std::string list = folder + "/fonts.txt";
  if (!file_exists(list)) fail(list, " is not there; scripts/data/glyphs.sh FOLDER brings fonts of Debian's packages");
  const Glyphs glyphs = read_glyphs(list, options);
  Parts parts = split_in_three(glyphs.data(), glyphs.groups(), deal.test, deal.validation, deal.seed);
  constexpr std::array<std::string_view, 3> numbers{"width", "x_height", "ink"};
  standardise(parts.train, {&parts.validation, &parts.test}, numbers);
  return parts;
}

}  // inline namespace

}  // namespace mtlx::data
