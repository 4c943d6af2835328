#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: scripts/fuzz.sh [seconds]
#
# Feeds every reader of files with hostile ones, for so many seconds each (60), and prints a table. A reader may answer
# with an mtlx::Error or a sound result; a crash, a fault that a sanitizer finds, more than 16 MiB asked for at once
# (inputs have at most 4096 bytes) or ten seconds for one input is a failure, and its input is kept in
# build/fuzz/<reader>/; the next run moves it to that reader's seeds and tries it first. The readers are tests/fuzz/<reader>_fuzz.cpp, built with clang's libFuzzer and the address and
# undefined-behaviour sanitizers. What was found in earlier runs is where the next begins. Knobs, by environment:
#   MTLX_FUZZ      the readers                        (all)
#   MTLX_SEED      of the fuzzer's random numbers     (1)
#   MTLX_JOBS      readers at a time                  (the number of processors)
#   MTLX_SETUP=0   install nothing
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

seconds=${1:-60}
if [ $# -gt 1 ] || ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: scripts/fuzz.sh [seconds]" >&2
  exit 2
fi
jobs=${MTLX_JOBS:-$(nproc)}
build=build/fuzz
if [ "${MTLX_SETUP:-1}" != 0 ]; then scripts/setup.sh fuzz; fi
mkdir -p "$build"

# seed READER NAME TEXT: one small file to begin with, TEXT as printf reads it.
seed() {
  # The text has printf's escapes on purpose.
  # shellcheck disable=SC2059
  printf -- "$3" >"$build/$1/seeds/$2"
}

seeds() {
  local zero='\0\0\0\0\0\0\0'
  case $1 in
    idx)
      seed idx images '\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x01abcd'
      seed idx labels '\0\0\x08\x01\0\0\0\x03\x01\x02\x03'
      gzip -n <"$build/idx/seeds/images" >"$build/idx/seeds/packed"
      ;;
    npy)
      seed npy floats "\x93NUMPY\x01\0\x3B\0{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} \n01234567"
      seed npy whole "\x93NUMPY\x02\0\x3D\0\0\0{'descr': '>i2', 'fortran_order': True, 'shape': (2, 1, 2),}\n01234567"
      seed npy bools "\x93NUMPY\x03\0\x37\0\0\0{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}\x01\0"
      ;;
    csv)
      seed csv plain 'x,colour,y\n1.5,red,-2\n,blue,3e2\n0,red,+4\n'
      seed csv quotes '"a","b,c"\r\n"1","x ""y"""\r\n2,"two\r\nlines"\r\nNA,","\r\n'
      seed csv other 'a;b\n1;yes\n0;no\n'
      seed csv large 'a\n10e9223372036854775807\n'
      seed csv small 'a\n0.001e-9223372036854775808\n'
      ;;
    arff)
      seed arff dense "@relation r\n@attribute x numeric\n@attribute 'a b' {red,'light blue'}\n@data\n1.5,red\n?,?\n"
      seed arff sparse '%% comment\n@RELATION r\n@ATTRIBUTE x real\n@attribute y {0,1}\n@attribute s string\n@data\n{0 2,1 1,2 "a\\n"}\n{2 ?}\n'
      ;;
    conllu)
      seed conllu words '# text = a b\n1\ta\ta\tDET\t_\t_\t2\tdet\t_\tNER=O|X=1\n2\tb\tb\tNOUN\t_\t_\t0\troot\t_\t_\n\n'
      seed conllu ranges '1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n1\ta\t_\tDET\t_\t_\t2\tdet\t_\t_\n1.1\tc\t_\t_\t_\t_\t_\t_\t_\t_\n2\tb\t_\tX\t_\t_\t0\troot\t_\t_\n\n'
      ;;
    columns)
      seed columns plain 'a DT B-NP\nb NN I-NP\n\nc\tVB\tO\n'
      seed columns start '-DOCSTART- -X- O\n\na DT O\n'
      ;;
    image)
      # Those that the test has stored.
      local file
      for file in png palette_png bmp jpeg progressive_jpeg; do
        seed image "$file" "$(sed -n "/ file_$file\\[\\]/,/};/p" tests/data/image_oracle.inc | sed 1d | grep -oE '[0-9]+' |
          awk '{ printf "\\%03o", $1 }')"
      done
      ;;
    safetensors)
      seed safetensors one "\x40$zero{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}        01234567"
      seed safetensors metadata "\x60$zero{\"__metadata__\":{\"k\":\"v\\\\u00e9\"},\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}            01234567"
      ;;
    checkpoint)
      # The content alone: the target puts head and checksum around it.
      seed checkpoint idle "\x01${zero}m\x07$zero\x02$zero\x01$zero\x03${zero}abc\0$zero\0$zero"
      seed checkpoint fit "\x01${zero}m\x07$zero\x02$zero\x01$zero\x03${zero}abc\x01${zero}f\x01$zero\x01$zero\x02$zero\x01${zero}8765432\x40\0${zero}8765432\x40\0$zero"
      ;;
    *) seed "$1" empty '' ;;
  esac
}

# one READER: builds it and runs it. Its last line of the table goes to row, its log to log.
run() {
  local name=$1 folder=$build/$1 status=0
  rm -f "$folder"/slow-unit-*
  # What failed before is tried again, in every run from now on.
  local kept
  for kept in "$folder"/{crash,oom,timeout,leak}-*; do
    if [ -e "$kept" ]; then mv -f "$kept" "$folder/seeds/"; fi
  done
  "$folder/fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=10 -malloc_limit_mb=16 -rss_limit_mb=2048 \
    -seed="${MTLX_SEED:-1}" -print_final_stats=1 -artifact_prefix="$folder/" \
    "$folder/corpus" "$folder/seeds" >"$folder/log" 2>&1 || status=$?
  awk -v name="$name" -v status="$status" '
    /^#[0-9]+/ { for (i = 1; i < NF; ++i) if ($i == "cov:") covered = $(i + 1) }
    /number_of_executed_units/ { runs = $2 }
    /average_exec_per_sec/ { speed = $2 }
    /peak_rss_mb/ { memory = $2 }
    END { printf "%-12s %12s %10s %9s %10s  %s\n", name, runs, speed, covered, memory, status == 0 ? "ok" : "FAILED" }
  ' "$folder/log" >"$folder/row"
  return "$status"
}

names=()
for source in tests/fuzz/*_fuzz.cpp; do
  name=$(basename "$source" _fuzz.cpp)
  if [ -n "${MTLX_FUZZ-}" ] && [[ " $MTLX_FUZZ " != *" $name "* ]]; then continue; fi
  names+=("$name")
  mkdir -p "$build/$name/corpus" "$build/$name/seeds"
  seeds "$name"
  echo "fuzz: building $name"
  "${CLANGXX:-clang++}" -std=c++20 -O1 -g1 -Iinclude -isystem "${MTLX_EIGEN_INCLUDE:-/usr/include/eigen3}" \
    -DMTLX_USE_ZLIB -DMTLX_USE_STB -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "$source" \
    -o "$build/$name/fuzz" -lz
done
if [ ${#names[@]} -eq 0 ]; then
  echo "fuzz: no such reader: ${MTLX_FUZZ-}" >&2
  exit 2
fi

failed=0 running=0
for name in "${names[@]}"; do
  if [ $running -ge "$jobs" ]; then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
  echo "fuzz: $name, $seconds s"
  run "$name" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
done

printf '\n%-12s %12s %10s %9s %10s  %s\n' reader inputs per-second edges peak-MB result
for name in "${names[@]}"; do cat "$build/$name/row"; done
for name in "${names[@]}"; do
  if grep -q FAILED "$build/$name/row"; then
    printf '\n==== %s (%s)\n' "$name" "$build/$name"
    grep -E 'ERROR|SUMMARY|runtime error|Test unit written|libFuzzer: ' "$build/$name/log" | head -n 8
  fi
done
if [ $failed -ne 0 ]; then
  echo "fuzz: $failed of ${#names[@]} readers FAILED" >&2
  exit 1
fi
echo "fuzz: ${#names[@]} readers, no failure"
