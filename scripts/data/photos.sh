#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/data/photos.sh FOLDER
#
# Fetches 38 photos for super-resolution from Debian's packages, which are unpacked but not installed: into FOLDER/train (13),
# FOLDER/validation (13) and FOLDER/test (12), with FOLDER/photos.csv beside them: split, file, package, licence, author. The
# licences are the files' own, as the packages name them; they are free, most ask for the author's name, and those of
# mate-backgrounds are GPL-2+. Drawn wallpapers and patterns are left out.
#   train       lomiri-wallpapers-16.04
#   validation  the photo of lomiri-wallpapers-20.04, the nature photos of mate-backgrounds
#   test        photos of scikit-image (python3-skimage) and scikit-learn (python3-sklearn) that are known by name
# Photos that are there and right are not fetched again.
set -euo pipefail

if [ $# -ne 1 ]; then
  sed -n '3,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 2
fi
wanted=c8f869d9190626e7731672b442e1bfa92b01441f82f4115f6cf1be32a35e318c

lomiri16=lomiri-wallpapers-16.04 lomiri20=lomiri-wallpapers-20.04
backgrounds=usr/share/backgrounds
nature=$backgrounds/mate/nature
python=usr/lib/python3/dist-packages

# photo SPLIT PACKAGE FOLDER FILE LICENCE AUTHOR, for each of them.
photos() {
  photo train $lomiri16 $backgrounds Bridge_by_Sander_Klootwijk.jpg CC-BY-SA-4.0 "Sander Klootwijk"
  photo train $lomiri16 $backgrounds Dragonfly_by_Bolly.jpg CC-BY-SA-4.0 Bolly
  photo train $lomiri16 $backgrounds Picture_0B_by_freespace.jpg CC-BY-4.0 "Trevor Freespace"
  photo train $lomiri16 $backgrounds Picture_1A_by_freespace.jpg CC-BY-4.0 "Trevor Freespace"
  photo train $lomiri16 $backgrounds Wine_by_Jakkub_Mede.jpg CC-BY-4.0 "Jakub Mede"
  photo train $lomiri16 $backgrounds aitzgorri_by_Aitzol_Berasategi.jpg CC-BY-4.0 "Aitzol Berasategi"
  photo train $lomiri16 $backgrounds free_by_Peter_Nerlich.jpg CC-BY-SA-4.0 "Peter Nerlich"
  photo train $lomiri16 $backgrounds friends_by_Aitzol_Berasategi.jpg CC-BY-4.0 "Aitzol Berasategi"
  photo train $lomiri16 $backgrounds greentock_by_Peter_Nerlich.jpg CC-BY-SA-4.0 "Peter Nerlich"
  photo train $lomiri16 $backgrounds life_by_Aitzol_Berasategi.jpg CC-BY-4.0 "Aitzol Berasategi"
  photo train $lomiri16 $backgrounds picosdeeuropa_by_Aitzol_Berasategi.jpg CC-BY-4.0 "Aitzol Berasategi"
  photo train $lomiri16 $backgrounds seeding_by_Clements_Engelhardt.jpg CC0-1.0 "Clemens Engelhardt"
  photo train $lomiri16 $backgrounds sunset_by_Aitzol_Berasategi.jpg CC-BY-4.0 "Aitzol Berasategi"

  photo validation $lomiri20 $backgrounds Kleiber_by_Lukas_Baubkus.jpg CC-BY-SA-3.0 "Lukas Baubkus"
  photo validation mate-backgrounds $nature Aqua.jpg GPL-2+ "Charles Barbin"
  photo validation mate-backgrounds $nature Blinds.jpg GPL-2+ "Lennart Poettering and Andrea Cimitan"
  photo validation mate-backgrounds $nature Dune.jpg GPL-2+ "Marco Cogoni and Hylke Bons"
  photo validation mate-backgrounds $nature FreshFlower.jpg GPL-2+ "Jens Ansorg"
  photo validation mate-backgrounds $nature Garden.jpg GPL-2+ "Charles Barbin"
  photo validation mate-backgrounds $nature GreenMeadow.jpg GPL-2+ "Timothy Schellhase and Lapo Calamandrei"
  photo validation mate-backgrounds $nature LadyBird.jpg GPL-2+ "Charles Barbin"
  photo validation mate-backgrounds $nature RainDrops.jpg GPL-2+ blackcombwhistler07
  photo validation mate-backgrounds $nature Storm.jpg GPL-2+ "Sergey Nazarov"
  photo validation mate-backgrounds $nature TwoWings.jpg GPL-2+ "Charles Barbin and Hylke Bons"
  photo validation mate-backgrounds $nature Wood.jpg GPL-2+ "Jean-François Fortin Tam"
  photo validation mate-backgrounds $nature YellowFlower.jpg GPL-2+ "Charles Barbin"

  photo test python3-skimage $python/skimage/data astronaut.png "public domain" NASA
  photo test python3-skimage $python/skimage/data brick.png CC0 CC0Textures
  photo test python3-skimage $python/skimage/data camera.png CC0 "Lav Varshney"
  photo test python3-skimage $python/skimage/data chelsea.png CC0 "Stefan van der Walt"
  photo test python3-skimage $python/skimage/data coffee.png CC0 "Rachel Michetti"
  photo test python3-skimage $python/skimage/data grass.png CC0 linolafett
  photo test python3-skimage $python/skimage/data gravel.png CC0 CC0Textures
  photo test python3-skimage $python/skimage/data hubble_deep_field.jpg "public domain" NASA
  photo test python3-skimage $python/skimage/data retina.jpg CC0 "Mikael Häggström"
  photo test python3-skimage $python/skimage/data rocket.jpg "public domain" SpaceX
  photo test python3-sklearn $python/sklearn/datasets/images china.jpg CC-BY-2.0 danielbuechele
  photo test python3-sklearn $python/sklearn/datasets/images flower.jpg CC-BY-2.0 vultilion
}

# sum FOLDER: one checksum of all photos there, in the order of the list.
sum() {
  (
    cd "$1" || exit 1
    photo() { sha256sum <"$1/$4"; }
    photos
  ) 2>/dev/null | sha256sum
}

to=$(realpath -m "$1")
if [ -e "$to/photos.csv" ] && [ "$(sum "$to")" = "$wanted  -" ]; then
  echo "photos: $to (already there)"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(
  photo() { echo "$2"; }
  photos
) | sort -u >"$work/packages"
while read -r package; do
  (cd "$work" && apt-get -q download "$package" >&2 && dpkg-deb -x "$package"_*.deb "$package")
done <"$work/packages"

photo() {
  mkdir -p "$work/photos/$1"
  cp "$work/$2/$3/$4" "$work/photos/$1/$4"
  echo "$1,$1/$4,$2,$5,$6" >>"$work/photos/photos.csv"
}
mkdir "$work/photos"
echo split,file,package,licence,author >"$work/photos/photos.csv"
photos
if [ "$(sum "$work/photos")" != "$wanted  -" ]; then
  echo "photos: other photos than docs/ was written with (sha256 $(sum "$work/photos"))" >&2
  exit 1
fi
mkdir -p "$to"
cp -r "$work/photos/." "$to/"
echo "photos: $to"
