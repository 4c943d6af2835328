#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# usage: check_test.sh COMPILER
# Tests check.sh on small cases: one good, and one for each way of being bad; and fixed.sh on the same.
set -euo pipefail

compiler=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
check=$here/check.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bad=0

# expect_result RESULT NAME: the case on standard input passes (pass) or fails, with RESULT in what check.sh says.
expect_result() {
  local wanted=$1 file=$folder/$2.cpp output status=0
  cat >"$file"
  output=$(bash "$check" "$compiler" "$file" 2>&1) || status=$?
  if [ "$wanted" = pass ]; then
    [ "$status" -eq 0 ] || { printf 'BAD %s should pass:\n%s\n' "$2" "$output"; bad=1; }
  elif [ "$status" -eq 0 ] || ! grep -qF -- "$wanted" <<<"$output"; then
    printf 'BAD %s should fail with "%s", status %s:\n%s\n' "$2" "$wanted" "$status" "$output"
    bad=1
  fi
}

expect_result pass good <<'CASE'
// expect: mtlx: three is too many
template <int N>
struct Box { static_assert(N < 3, "mtlx: three is too many"); };
#ifdef MTLX_FIXED
Box<2> box;
#else
Box<3> box;
#endif
CASE

expect_result "2 lines with 'error:'" two_errors <<'CASE'
// expect: mtlx: three is too many
template <int N>
struct Box { static_assert(N < 3, "mtlx: three is too many"); };
#ifdef MTLX_FIXED
Box<2> box;
#else
Box<3> box;
int echo = nothing_of_that_name;
#endif
CASE

expect_result "2 lines with 'error:'" the_sentence_twice <<'CASE'
// expect: mtlx: three is too many
template <int N>
struct Box { static_assert(N < 3, "mtlx: three is too many"); };
#ifdef MTLX_FIXED
Box<2> box;
#else
Box<3> box;
Box<4> another;
#endif
CASE

expect_result "the error is not" wrong_sentence <<'CASE'
// expect: mtlx: four is too many
template <int N>
struct Box { static_assert(N < 3, "mtlx: three is too many"); };
#ifdef MTLX_FIXED
Box<2> box;
#else
Box<3> box;
#endif
CASE

expect_result "must start with 'mtlx:'" foreign_sentence <<'CASE'
// expect: three is too many
static_assert(false, "three is too many");  // MTLX_FIXED
CASE

expect_result "the corrected form does not compile" no_control <<'CASE'
// expect: mtlx: never
static_assert(false, "mtlx: never");  // MTLX_FIXED
CASE

expect_result "compiles with warnings" control_warns <<'CASE'
// expect: mtlx: never
#ifdef MTLX_FIXED
int narrow(double x);
int narrow(double x) { return x; }
#else
static_assert(false, "mtlx: never");
#endif
CASE

expect_result "it compiles, and must not" no_mistake <<'CASE'
// expect: mtlx: never
int fine = 1;  // MTLX_FIXED
CASE

expect_result "no corrected form" no_fixed_form <<'CASE'
// expect: mtlx: never
static_assert(false, "mtlx: never");
CASE

expect_result "no line '// expect:" no_expectation <<'CASE'
static_assert(false, "mtlx: never");  // MTLX_FIXED
CASE

# expect_fixed SAYING NAME...: fixed.sh says so of these cases, and passes if it begins with ok.
expect_fixed() {
  local wanted=$1 output status=0
  shift
  output=$(bash "$here/fixed.sh" "$compiler" "${@/%/.cpp}" -- 2>&1) || status=$?
  if ! grep -qF -- "$wanted" <<<"$output" || { [[ $wanted == ok* ]] && [ "$status" -ne 0 ]; } ||
    { [[ $wanted != ok* ]] && [ "$status" -eq 0 ]; }; then
    printf 'BAD fixed.sh on %s should say "%s", status %s:\n%s\n' "$*" "$wanted" "$status" "$output"
    bad=1
  fi
}
cd "$folder"
expect_fixed "ok: the corrected forms of 3 cases" good two_errors the_sentence_twice
expect_fixed "a corrected form does not compile" good no_control
expect_fixed "a corrected form compiles with warnings" control_warns good
expect_fixed "control_warns.cpp" control_warns good
# With --mistake the corrected form is not looked at.
output=$(bash "$check" --mistake "$compiler" control_warns.cpp 2>&1) || { printf 'BAD --mistake: %s\n' "$output"; bad=1; }

[ "$bad" -eq 0 ] && echo "check.sh tells good cases from bad ones"
exit "$bad"
