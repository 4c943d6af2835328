#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/docs.sh [folder]
#
# Makes the site of the documentation with Doxygen (default folder: build/docs) and says where it is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh docs; fi
out=${1:-build/docs}
mkdir -p "$out"

version=$(sed -n 's/^#define MTLX_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/mtlx/core/version.hpp | paste -sd.)
style=/usr/share/doxygen-awesome-css/doxygen-awesome.css
[ -f "$style" ] || style=
MTLX_VERSION=$version MTLX_DOCS_OUT=$out MTLX_DOCS_STYLE=$style doxygen docs/Doxyfile 2>"$out/warnings"

# Doxygen 1.9.4 misreads some C++20; what it says of our own comments and links must be nothing.
if grep -E 'warning: .*(unable to resolve|unknown command|unbalanced|end of .* while|not found|multiple use of section)' \
  "$out/warnings" >&2; then
  echo "docs: the comments above need mending" >&2
  exit 1
fi
[ -f "$out/html/index.html" ] || { echo "docs: no site was made" >&2; cat "$out/warnings" >&2; exit 1; }
echo "docs: $out/html/index.html ($(find "$out/html" -name '*.html' | wc -l) pages)"
