# SPDX-License-Identifier: MIT
# The optional parts, each a target of its own; used by the build and by the installed package alike, so that a target
# exists where the user's machine has what it needs, whatever the machine had that made the package.
#
#   mtlx::native    compile for this machine's processor
#   mtlx::zlib      read gzipped data; defines MTLX_USE_ZLIB
#   mtlx::freetype  read and draw fonts (mtlx/data/glyphs.hpp); defines MTLX_USE_FREETYPE
#   mtlx::stb       read and write pictures (mtlx/data/image_file.hpp); defines MTLX_USE_STB
#   mtlx::xtensor   what mtlx/data/xtensor.hpp includes; xtensor::optimize is never used, it would add flags
#   mtlx::cuda      compute on a GPU of NVIDIA; defines MTLX_USE_CUDA. No CUDA language, no nvcc: libraries alone
#
# MTLX_WANTED names those to look for; none named are all.

# All of them, and which package a part needs.
set(MTLX_COMPONENTS native zlib freetype stb xtensor cuda)
set(MTLX_COMPONENT_zlib "ZLIB (Debian: zlib1g-dev)")
set(MTLX_COMPONENT_freetype "Freetype (Debian: libfreetype-dev)")
set(MTLX_COMPONENT_stb "stb (Debian: libstb-dev)")
set(MTLX_COMPONENT_xtensor "xtensor (Debian: libxtensor-dev)")
set(MTLX_COMPONENT_cuda "CUDAToolkit (CUDA 12.8 or later, with NVRTC)")
if(NOT MTLX_WANTED)
  set(MTLX_WANTED ${MTLX_COMPONENTS})
endif()

if("native" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::native)
  add_library(mtlx::native INTERFACE IMPORTED GLOBAL)
  set_property(TARGET mtlx::native PROPERTY INTERFACE_COMPILE_OPTIONS
    "$<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU,Clang,AppleClang>>:-march=native>")
  set_property(TARGET mtlx::native PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx)
endif()

if("zlib" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::zlib)
  find_package(ZLIB QUIET)
  if(TARGET ZLIB::ZLIB)
    add_library(mtlx::zlib INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::zlib PROPERTY INTERFACE_COMPILE_DEFINITIONS MTLX_USE_ZLIB)
    set_property(TARGET mtlx::zlib PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx ZLIB::ZLIB)
  endif()
endif()

if("freetype" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::freetype)
  find_package(Freetype QUIET)
  if(TARGET Freetype::Freetype)
    add_library(mtlx::freetype INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::freetype PROPERTY INTERFACE_COMPILE_DEFINITIONS MTLX_USE_FREETYPE)
    set_property(TARGET mtlx::freetype PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx Freetype::Freetype)
  endif()
endif()

if("stb" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::stb)
  # Headers alone: Debian has them in a folder of their own, others beside the rest.
  find_path(MTLX_STB_INCLUDE_DIR NAMES stb/stb_image.h stb_image.h)
  mark_as_advanced(MTLX_STB_INCLUDE_DIR)
  if(MTLX_STB_INCLUDE_DIR)
    add_library(mtlx::stb INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::stb PROPERTY INTERFACE_COMPILE_DEFINITIONS MTLX_USE_STB)
    set_property(TARGET mtlx::stb PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${MTLX_STB_INCLUDE_DIR}")
    set_property(TARGET mtlx::stb PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx)
  endif()
endif()

if("xtensor" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::xtensor)
  # Its configuration tries flags, and talks of it even to find_package(... QUIET).
  set(_mtlx_quiet "${CMAKE_REQUIRED_QUIET}")
  set(CMAKE_REQUIRED_QUIET TRUE)
  find_package(xtensor CONFIG QUIET)
  set(CMAKE_REQUIRED_QUIET "${_mtlx_quiet}")
  if(TARGET xtensor)
    add_library(mtlx::xtensor INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::xtensor PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx xtensor)
  endif()
endif()

if("cuda" IN_LIST MTLX_WANTED AND NOT TARGET mtlx::cuda)
  find_package(CUDAToolkit 12.8 QUIET)
  if(TARGET CUDA::cudart_static AND TARGET CUDA::nvrtc)
    add_library(mtlx::cuda INTERFACE IMPORTED GLOBAL)
    set_property(TARGET mtlx::cuda PROPERTY INTERFACE_COMPILE_DEFINITIONS MTLX_USE_CUDA)
    # The library itself: CUDA::nvrtc also names the driver's, which programs must start without.
    get_target_property(_mtlx_nvrtc CUDA::nvrtc IMPORTED_LOCATION)
    set_property(TARGET mtlx::cuda PROPERTY INTERFACE_LINK_LIBRARIES mtlx::mtlx CUDA::cudart_static "${_mtlx_nvrtc}"
      ${CMAKE_DL_LIBS})
  endif()
endif()
