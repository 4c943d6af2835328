# SPDX-License-Identifier: MIT
"""Writes tests/data/glyph_fonts.inc: small fonts, and what their tables and outlines say of them.

usage: scripts/oracle/fonts.py > tests/data/glyph_fonts.inc

Glyphs are rectangles, and o is nearly a circle, so that every pixel can be worked out. Needs fontTools; the test that reads the file
does not.
"""

import io

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.areaPen import AreaPen
from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

EM = 1000
ORDER = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Of each glyph: left, bottom, right, top, advance width. W is wider than the picture, x half pixels wide at each side.
PLAIN = {"0": (50, 0, 550, 700, 600), "A": (0, 0, 500, 700, 500), "W": (0, 0, 1500, 650, 1500),
         "j": (-100, -200, 100, 700, 250), "o": (50, -10, 550, 490, 600), "x": (0, 0, 450, 500, 500)}
EQUAL = {"A": (100, 0, 500, 650, 600), "a": (80, 0, 520, 520, 600), "x": (60, 0, 540, 510, 600)}
DIGITS = {"0": (50, 0, 450, 700, 500), "9": (50, 0, 450, 675, 500)}
# name, glyphs, CFF outlines, OS/2, post, macStyle
FONTS = [
    ("plain", PLAIN, False, dict(usWeightClass=400, fsSelection=0x40, sFamilyClass=0, panose=(2, 2)), {}, 0),
    ("cff", EQUAL, True, dict(usWeightClass=700, fsSelection=0x21, sFamilyClass=0x0801, panose=(2, 11)),
     dict(italicAngle=-12.0, isFixedPitch=1), 3),
    ("digits", DIGITS, False, dict(usWeightClass=250, fsSelection=0x200, sFamilyClass=0x0800, panose=(2, 4)), {}, 0),
    ("unsaid", EQUAL, False, dict(usWeightClass=0, fsSelection=0, sFamilyClass=0x0300, panose=(0, 0)), {}, 2),
]


def draw(pen, glyph):
    left, bottom, right, top, _ = glyph
    if glyph == PLAIN["o"]:  # four arcs of a parabola
        x, y, r = (left + right) / 2, (bottom + top) / 2, (right - left) / 2
        points = [(x + r, y), (x + r, y - r), (x, y - r), (x - r, y - r), (x - r, y), (x - r, y + r), (x, y + r),
                  (x + r, y + r)]
        pen.moveTo(points[0])
        for i in range(1, 8, 2):
            pen.qCurveTo(points[i], points[(i + 1) % 8])
    else:
        pen.moveTo((left, bottom))
        for point in (left, top), (right, top), (right, bottom):
            pen.lineTo(point)
    pen.closePath()


def build(name, glyphs, cff, os2, post, mac):
    builder = FontBuilder(EM, isTTF=not cff)
    names = [".notdef", *glyphs]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): c for c in glyphs})
    outlines = {}
    for c in names:
        pen = T2CharStringPen(glyphs[c][4] if c in glyphs else 500, None) if cff else TTGlyphPen(None)
        if c in glyphs:
            draw(pen, glyphs[c])
        outlines[c] = pen.getCharString() if cff else pen.glyph()
    if cff:
        builder.setupCFF(name, {"FullName": name}, outlines, {})
    else:
        builder.setupGlyf(outlines)
    builder.setupHorizontalMetrics({c: (glyphs[c][4], glyphs[c][0]) if c in glyphs else (500, 0) for c in names})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    family, serif = os2.pop("panose")
    builder.setupNameTable({"familyName": "Mtlx " + name, "styleName": "Regular"}, mac=False)
    builder.setupOS2(version=4, **os2)
    builder.font["OS/2"].panose.bFamilyType, builder.font["OS/2"].panose.bSerifStyle = family, serif
    builder.setupPost(keepGlyphNames=False, **post)
    builder.font["head"].macStyle = mac
    builder.font["head"].created = builder.font["head"].modified = 3786825600  # 2024-01-01
    builder.font.recalcTimestamp = False
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()


def known_serif(os2):
    """True, False or None, by both tables."""
    by_class = {**{k: True for k in (1, 2, 3, 4, 5, 7)}, 8: False}.get(os2.sFamilyClass >> 8)
    style = os2.panose.bSerifStyle if os2.panose.bFamilyType == 2 else 0
    by_panose = True if 2 <= style <= 10 else False if 11 <= style <= 15 else None
    said = {by_class, by_panose} - {None}
    return said.pop() if len(said) == 1 else None


def main():
    print("// SPDX-License-Identifier: MIT")
    print("// Written by scripts/oracle/fonts.py with fontTools.")
    print("struct StoredGlyph {\n  int character;\n  double width, left, bottom, right, top, area;  // in ems\n};")
    print("struct StoredFont {\n  const char* name;\n  std::string_view bytes;  // each as two letters, a for 0 to p for 15\n  int weight;\n"
          "  bool italic, mono;\n  int serif;\n  double x_height;  // -1: none\n  std::vector<StoredGlyph> glyphs;\n};")
    print("// clang-format off\nconst std::vector<StoredFont> stored_fonts{")
    for name, glyphs, cff, os2, post, mac in FONTS:
        data = build(name, glyphs, cff, dict(os2), post, mac)
        font = TTFont(io.BytesIO(data))
        shapes, table, cmap = font.getGlyphSet(), font["OS/2"], font.getBestCmap()
        italic = font["post"].italicAngle != 0 or table.fsSelection & 0x201 or font["head"].macStyle & 2
        widths = {font["hmtx"][glyph][0] for code, glyph in cmap.items()}
        serif = known_serif(table)
        rows = []
        x_height = -1
        for c in sorted(cmap, key=lambda code: ORDER.index(chr(code))):
            bounds, area = BoundsPen(shapes), AreaPen(shapes)
            shapes[cmap[c]].draw(bounds)
            shapes[cmap[c]].draw(area)
            left, bottom, right, top = bounds.bounds
            if chr(c) == "x":
                x_height = top / EM
            numbers = (font["hmtx"][cmap[c]][0], left, bottom, right, top)
            rows.append(f"{{{ORDER.index(chr(c))}, " + ", ".join(f"{v / EM:.6g}" for v in numbers) +
                        f", {abs(area.value) / EM / EM:.6g}}}")
        digits = "".join("abcdefghijklmnop"[int(d, 16)] for d in data.hex())
        print(f'    {{"{name}",')
        for i in range(0, len(digits), 112):
            print(f'     "{digits[i:i + 112]}"')
        weight = table.usWeightClass if 1 <= table.usWeightClass <= 1000 else 0
        print(f"     , {weight}, {str(bool(italic)).lower()}, {str(len(widths) == 1).lower()}, "
              f"{-1 if serif is None else int(serif)}, {x_height:g},")
        print("     {" + ",\n      ".join(rows) + "}},")
    print("};\n// clang-format on")


if __name__ == "__main__":
    main()
