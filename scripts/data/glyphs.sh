#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/data/glyphs.sh FOLDER
#
# Puts text fonts of 20 of Debian's packages into FOLDER, which is made: the .ttf and .otf files (no Type 1), fonts.txt for
# data::read_glyphs, a line "group<tab>file" for each, and licences/PACKAGE, the packages' copyright files. The packages are
# fetched and unpacked but not installed (46 MB). All are free; the packages name SIL OFL 1.1 (Cantarell, Carlito, CMU, EB
# Garamond, Fantasque Sans, Fira Code, Inter, Lato, Liberation, Vollkorn), OFL or Apache 2.0 (Caladea, Inter), Apache 2.0
# (JetBrains Mono, Open Sans, Roboto), Bitstream Vera (DejaVu), GUST Font License (TeX Gyre), GPL with the font exception
# (FreeFont, Linux Libertine, also OFL), AGPL with it (URW base 35). What counts is the file in licences/.
#
# A group is what must not be on both sides of a split: the widths, weights and slants of one family, and families that go
# back to one design. URW's, TeX Gyre's and GNU's fonts are redrawn from the same thirty-five, and Carlito is Lato. Symbols,
# initials and keyboard keys are left out, and of Fantasque Sans all but one of its variants.
set -euo pipefail

if [ $# -ne 1 ]; then
  sed -n '3,/^set /s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1/licences"
to=$(realpath "$1")
wanted=9f8c15d6a8ee960bfa0287820f0853daee431d6c2d528d440c01b25f15dc0080

# package  group  the files' names
fonts='
fonts-cantarell          cantarell   Cantarell-*.otf
fonts-cmu                computer    cmun*.ttf
fonts-crosextra-caladea  caladea     Caladea-*.ttf
fonts-crosextra-carlito  lato        Carlito-*.ttf
fonts-dejavu-core        dejavu      DejaVuS*.ttf
fonts-dejavu-extra       dejavu      DejaVuS*.ttf
fonts-ebgaramond         garamond    EBGaramond*.otf
fonts-fantasque-sans     fantasque   Normal/*.otf
fonts-firacode           fira        FiraCode-*.ttf
fonts-freefont-ttf       courier     FreeMono*.ttf
fonts-freefont-ttf       helvetica   FreeSans*.ttf
fonts-freefont-ttf       times       FreeSerif*.ttf
fonts-inter              inter       Inter*.otf
fonts-jetbrains-mono     jetbrains   JetBrainsMono-*.ttf
fonts-lato               lato        Lato-*.ttf
fonts-liberation2        liberation  Liberation*.ttf
fonts-linuxlibertine     libertine   Lin*_[DMR]*.otf
fonts-open-sans          opensans    OpenSans-*.ttf
fonts-roboto-unhinted    roboto      Roboto*.ttf
fonts-texgyre            avantgarde  texgyreadventor-*.otf
fonts-texgyre            bookman     texgyrebonum-*.otf
fonts-texgyre            chancery    texgyrechorus-*.otf
fonts-texgyre            courier     texgyrecursor-*.otf
fonts-texgyre            helvetica   texgyreheros*.otf
fonts-texgyre            palatino    texgyrepagella-*.otf
fonts-texgyre            schoolbook  texgyreschola-*.otf
fonts-texgyre            times       texgyretermes-*.otf
fonts-urw-base35         avantgarde  URWGothic-*.otf
fonts-urw-base35         bookman     URWBookman-*.otf
fonts-urw-base35         chancery    Z003-*.otf
fonts-urw-base35         courier     NimbusMono*.otf
fonts-urw-base35         helvetica   NimbusSans*.otf
fonts-urw-base35         palatino    P052-*.otf
fonts-urw-base35         schoolbook  C059-*.otf
fonts-urw-base35         times       NimbusRoman-*.otf
fonts-vollkorn           vollkorn    Vollkorn-*.ttf
'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
packages=$(awk 'NF { print $1 }' <<<"$fonts" | sort -u)
# The names are words on purpose.
# shellcheck disable=SC2086
apt-get -q download $packages >&2
for package in $packages; do
  dpkg-deb -x "$package"_*.deb "$package"
  cp "$package/usr/share/doc/$package/copyright" "$to/licences/$package"
done
LC_ALL=C
{
  echo "# group<tab>file: text fonts of Debian's packages, by scripts/data/glyphs.sh"
  while read -r package group name; do
    [ -n "$package" ] || continue
    # Links to the same file, and to other packages' ones, are passed over.
    files=$(find "$package/usr/share" -type f -path "*/$name" | sort)
    if [ -z "$files" ]; then
      echo "glyphs: $package has no $name" >&2
      exit 1
    fi
    for file in $files; do
      cp "$file" "$to/"
      printf '%s\t%s\n' "$group" "$(basename "$file")"
    done
  done <<<"$fonts"
} >fonts.txt
got=$(cut -f2 fonts.txt | grep -v '^#' | (cd "$to" && xargs sha256sum) | sha256sum | cut -d' ' -f1)
if [ "$got" != "$wanted" ]; then
  echo "glyphs: note: these are other fonts than the documentation's figures were made with (sha256 $got)" >&2
fi
mv fonts.txt "$to/"
echo "glyphs: $(grep -cv '^#' "$to/fonts.txt") fonts in $(grep -v '^#' "$to/fonts.txt" | cut -f1 | sort -u | wc -l) groups: $to/fonts.txt"
