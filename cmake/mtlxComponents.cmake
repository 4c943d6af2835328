# SPDX-License-Identifier: MIT
# The optional parts, each a target of its own; used by the build and by the installed package alike, so that a target
# exists where the user's machine has what it needs, whatever the machine had that made the package.
#
#   mtlx::native    compile for this machine's processor
#   mtlx::zlib      read gzipped data; defines MTLX_USE_ZLIB
#   mtlx::xtensor   what mtlx/data/xtensor.hpp includes; xtensor::optimize is never used, it would add flags

if(NOT TARGET mtlx::native)
  add_library(mtlx::native INTERFACE IMPORTED GLOBAL)
  set_property(TARGET mtlx::native PROPERTY INTERFACE_COMPILE_OPTIONS
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-march=native>")
  set_property(TARGET mtlx::native PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx)
endif()

if(NOT TARGET mtlx::zlib)
  find_package(ZLIB QUIET)
  if(TARGET ZLIB::ZLIB)
    add_library(mtlx::zlib INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::zlib PROPERTY INTERFACE_COMPILE_DEFINITIONS MTLX_USE_ZLIB)
    set_property(TARGET mtlx::zlib PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx ZLIB::ZLIB)
  endif()
endif()

if(NOT TARGET mtlx::xtensor)
  find_package(xtensor CONFIG QUIET)
  if(TARGET xtensor)
    add_library(mtlx::xtensor INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::xtensor PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx xtensor)
  endif()
endif()
