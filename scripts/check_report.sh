#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/check_report.sh [DIRECTORY]
#        scripts/check_report.sh --screenshot REPORT.html OUT.png [WIDTH [HEIGHT]]
#
# Are a study's reports fit to be looked at? Writes some of invented numbers (tests/report/demo.cpp) into DIRECTORY
# (build/report) and opens them in headless Chromium: nothing on the console, nothing asked of the network, nothing over
# anything else at the width of a phone and of a desk, light and dark, contrast, the keyboard, the same words without script,
# paper. So for a page that asks which picture is better: it is walked through by the keyboard, no name of what is compared may
# be found in it, and its answers must be those that were given. TensorBoard must read the event files and find what the CSV files say. Screenshots and PDFs lie beside the reports.
#
# With --screenshot it only makes a picture of a report, WIDTH (1280) by HEIGHT (all of it), with few colours.
# Knobs, by environment:
#   MTLX_SETUP=0         install nothing
#   MTLX_TENSORBOARD=0   leave TensorBoard out
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh report; fi
export PYTHONDONTWRITEBYTECODE=1

case ${1-} in
  --screenshot)
    if [ $# -lt 3 ]; then
      echo "usage: scripts/check_report.sh --screenshot REPORT.html OUT.png [WIDTH [HEIGHT]]" >&2
      exit 2
    fi
    python3 scripts/report/pages.py screenshot "${@:2}"
    pngquant --force --ext .png --strip 32 -- "$3"
    echo "$3: $(stat -c %s "$3") bytes"
    exit 0
    ;;
  -*)
    echo "usage: scripts/check_report.sh [DIRECTORY | --screenshot REPORT.html OUT.png [WIDTH [HEIGHT]]]" >&2
    exit 2
    ;;
esac

out=${1:-build/report}
mkdir -p "$out"
rm -rf "$out/pages"
"${CXX:-g++}" -std=c++20 -O1 -Iinclude -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" -DMTLX_USE_STB \
  tests/report/demo.cpp -o "$out/demo" -pthread
"$out/demo" "$out/pages"
python3 scripts/report/pages.py self-test "$out/pages/one/report.html"
python3 scripts/report/pages.py self-test "$out/pages/blind/blind.html"
python3 scripts/report/pages.py check "$out/pages"
# The browser answered for one method wherever it stood, and saw what was spoilt.
"$out/demo" answers "$out/pages/blind/key.csv" "$out/pages/blind/answers_A_Tester.csv" | tee "$out/answers"
grep -q '"adaptive_groups" was preferred over "plain_continued" in 4 of 4 answers' "$out/answers"
grep -q 'Nobody missed a spoilt picture' "$out/answers"

if [ "${MTLX_TENSORBOARD:-1}" != 0 ]; then
  python=$(scripts/oracle/venv.sh)
  # Debian has no package of it: without pip this is left out, and said so.
  if "$python" -c 'import tensorboard' 2>/dev/null; then
    TF_CPP_MIN_LOG_LEVEL=3 "$python" scripts/report/events.py "$out/pages"
  else
    echo "TensorBoard: not checked, its Python package is not there"
  fi
fi
echo "report: everything passed in $SECONDS s"
