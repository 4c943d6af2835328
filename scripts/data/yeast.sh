#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/data/yeast.sh FILE.csv
#
# Writes yeast as CSV: 2417 genes, 103 numbers of each (x1 to x103), 14 functional classes as 0 or 1 (label1 to label14);
# Elisseeff and Weston, "A kernel method for multi-labelled classification", NIPS 2001. It is in Debian's r-cran-mlr
# (BSD-2-clause), whose package is fetched and unpacked but not installed; R alone (r-base-core) is needed to read it.
set -euo pipefail

if [ $# -ne 1 ]; then
  sed -n '3,/^set /s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
to=$(realpath -m "$1")
wanted=b5146acc95f325f87d7472e198d03b34d93f5402e749c10a670d60668f19d186
if ! command -v Rscript >/dev/null; then
  echo "yeast: R is missing; run as root: apt-get install --no-install-recommends r-base-core" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -q download r-cran-mlr >&2
dpkg-deb -x r-cran-mlr_*.deb .
Rscript - >&2 <<'R'
found <- new.env()
invisible(lazyLoad("usr/lib/R/site-library/mlr/data/Rdata", envir = found))
data <- found$yeast.task$env$data
labels <- paste0("label", 1:14)
data[labels] <- lapply(data[labels], as.integer)
write.csv(data[c(paste0("x", 1:103), labels)], "yeast.csv", row.names = FALSE, quote = FALSE)
R
if [ "$(sha256sum <yeast.csv)" != "$wanted  -" ]; then
  echo "yeast: the file is another one than docs/results.md was made with (sha256 $(sha256sum <yeast.csv))" >&2
  exit 1
fi
mv yeast.csv "$to"
echo "yeast: $to"
