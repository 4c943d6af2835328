# SPDX-License-Identifier: MIT
# One header of the whole library, mtlx_single.hpp, for those who copy a file rather than install:
#
#   cmake -DOUTPUT=mtlx_single.hpp -P cmake/amalgamate.cmake
#
# include/mtlx/mtlx.hpp, then what that leaves out but for xtensor's and CUDA's parts, with every header of ours in the place
# where it is first included. Includes of others stay where they are, since some stand under a condition. A program may use it in
# one file and mtlx/mtlx.hpp in another, not both in one.
cmake_minimum_required(VERSION 3.22...3.31)

if(NOT OUTPUT)
  message(FATAL_ERROR "amalgamate: -DOUTPUT=FILE is missing")
endif()
get_filename_component(_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
set_property(GLOBAL PROPERTY mtlx_text "")
set_property(GLOBAL PROPERTY mtlx_done "")

# amalgamate_text(<text>)
#   Adds a text without what stands once at the top.
function(amalgamate_text text)
  string(REPLACE "// SPDX-License-Identifier: MIT\n" "" text "${text}")
  string(REPLACE "#pragma once\n" "" text "${text}")
  set_property(GLOBAL APPEND_STRING PROPERTY mtlx_text "${text}")
endfunction()

# amalgamate_header(<name>)
#   Adds a header, such as mtlx/core/shape.hpp, after those that it includes, unless it is there already.
function(amalgamate_header name)
  get_property(done GLOBAL PROPERTY mtlx_done)
  if(name IN_LIST done)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY mtlx_done "${name}")
  if(NOT EXISTS "${_root}/include/${name}")
    message(FATAL_ERROR "amalgamate: there is no include/${name}")
  endif()
  file(READ "${_root}/include/${name}" text)
  if(text MATCHES "\n[ \t]*#[ \t]*include[ \t]*\"")
    message(FATAL_ERROR "amalgamate: ${name} includes a file in quotes, not <mtlx/...>")
  endif()
  set_property(GLOBAL APPEND_STRING PROPERTY mtlx_text "\n// ---- ${name} ----\n")
  set(depth 0)
  while(text MATCHES "\n([ \t]*#[ \t]*include[ \t]*<(mtlx/[^>]+)>[^\n]*)\n")
    set(line "${CMAKE_MATCH_1}")
    set(included "${CMAKE_MATCH_2}")
    string(FIND "${text}" "\n${line}\n" at)
    math(EXPR at "${at} + 1")
    string(SUBSTRING "${text}" 0 ${at} before)
    string(LENGTH "${line}\n" length)
    math(EXPR at "${at} + ${length}")
    string(SUBSTRING "${text}" ${at} -1 text)
    set(text "\n${text}")  # so that a line always begins after a break
    # What one condition brings in would be missing where it does not hold.
    string(REGEX MATCHALL "\n[ \t]*#[ \t]*if" opened "\n${before}")
    string(REGEX MATCHALL "\n[ \t]*#[ \t]*endif" closed "\n${before}")
    list(LENGTH opened opened)
    list(LENGTH closed closed)
    math(EXPR depth "${depth} + ${opened} - ${closed}")
    if(NOT depth EQUAL 0)
      message(FATAL_ERROR "amalgamate: ${name} includes ${included} under a condition")
    endif()
    amalgamate_text("${before}")
    amalgamate_header("${included}")
  endwhile()
  amalgamate_text("${text}")
endfunction()

foreach(part MAJOR MINOR PATCH)
  file(STRINGS "${_root}/include/mtlx/core/version.hpp" line REGEX "^#define MTLX_VERSION_${part} [0-9]+$")
  string(REGEX REPLACE "^.* " "" version_${part} "${line}")
endforeach()
amalgamate_header(mtlx/mtlx.hpp)
file(GLOB optional RELATIVE "${_root}/include" "${_root}/include/mtlx/data/*.hpp" "${_root}/include/mtlx/testing/*.hpp")
list(REMOVE_ITEM optional mtlx/data/xtensor.hpp mtlx/testing/device_laws.hpp mtlx/testing/emulated_device.hpp)
list(SORT optional)
foreach(header IN LISTS optional)
  amalgamate_header("${header}")
endforeach()
get_property(text GLOBAL PROPERTY mtlx_text)
string(REGEX REPLACE "\n\n\n+" "\n\n" text "${text}")
file(WRITE "${OUTPUT}" "// SPDX-License-Identifier: MIT
// mtlx ${version_MAJOR}.${version_MINOR}.${version_PATCH}, the whole library but for xtensor's and CUDA's parts in one header. \
Made by cmake/amalgamate.cmake: change the headers, not this.
#pragma once
${text}")
