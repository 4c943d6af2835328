# SPDX-License-Identifier: MIT
# Builds and runs the stranger's program with COMPILER and what PKG_CONFIG says of the tree at PREFIX, without CMake's
# package. VERSION is what must be installed there; the program goes to the working directory.
cmake_minimum_required(VERSION 3.22)
set(ENV{PKG_CONFIG_PATH} "${PREFIX}/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
foreach(question --modversion --cflags --libs)
  execute_process(COMMAND "${PKG_CONFIG}" ${question} mtlx OUTPUT_VARIABLE answer${question} RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    message(FATAL_ERROR "${PKG_CONFIG} ${question} mtlx failed")
  endif()
endforeach()
if(NOT "${answer--modversion}" STREQUAL VERSION)
  message(FATAL_ERROR "pkg-config says version ${answer--modversion}, expected ${VERSION}")
endif()
separate_arguments(flags UNIX_COMMAND "${answer--cflags}")
separate_arguments(libs UNIX_COMMAND "${answer--libs}")
execute_process(COMMAND "${COMPILER}" -std=c++20 ${flags} "${CMAKE_CURRENT_LIST_DIR}/main.cpp" -o consumer_pkg_config ${libs}
                RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "the program does not build with: ${answer--cflags} ${answer--libs}")
endif()
execute_process(COMMAND ./consumer_pkg_config RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "the program failed")
endif()
