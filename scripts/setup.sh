#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/setup.sh [run|test|lint|fuzz|docs|report]
#
# Installs what is missing of the Debian packages that
#   run    the main job needs (scripts/run.sh)
#   test   the tests need too (scripts/test.sh); the default
#   lint   the formatter and the static checks need too (scripts/lint.sh)
#   fuzz   the fuzzer of the readers needs (scripts/fuzz.sh)
#   docs   the site of the documentation needs (scripts/docs.sh)
#   report the check of the report needs (scripts/check_report.sh)
# With nothing missing it asks for neither network nor root.
set -euo pipefail

packages=(g++ cmake ninja-build libeigen3-dev zlib1g-dev dataset-fashion-mnist)
set_name=${1:-test}
case $set_name in
  run) ;;
  test) packages+=(libfreetype-dev libstb-dev libxtensor-dev doctest-dev libbenchmark-dev librandom123-dev clang libclang-rt-dev pkgconf) ;;
  lint) packages+=(libfreetype-dev libstb-dev libxtensor-dev doctest-dev libbenchmark-dev librandom123-dev clang libclang-rt-dev pkgconf clang-format-19 clang-tidy) ;;
  fuzz) packages+=(libstb-dev clang libclang-rt-dev) ;;
  docs) packages=(doxygen doxygen-awesome-css) ;;
  report) packages=(g++ libeigen3-dev libstb-dev python3 chromium chromium-driver fonts-dejavu-core pngquant) ;;
  *)
    echo "usage: scripts/setup.sh [run|test|lint|fuzz|docs|report]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is no Debian system; see to it yourself that these are there: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: everything for '$set_name' is installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "setup: missing: ${missing[*]}" >&2
    echo "setup: neither root nor sudo without a password here; run as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi

echo "setup: installing ${missing[*]}"
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 "$@" </dev/null
}
# Package lists may be old or absent: fetch them, and let the installation tell whether that was needed.
apt update || echo "setup: apt-get update failed, trying with the lists at hand" >&2
if ! apt install --no-install-recommends "${missing[@]}"; then
  echo "setup: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
