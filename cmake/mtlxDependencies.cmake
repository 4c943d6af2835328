# SPDX-License-Identifier: MIT
# What mtlx::mtlx needs; used by the build and by the installed package alike.
#
# mtlx_find_dependencies()
#   Finds Eigen and threads. Sets MTLX_DEPENDENCIES_FOUND and, when it is false, MTLX_DEPENDENCIES_MESSAGE.
#
# Threads are no component: the only parallel code is std::thread's (core/crew.hpp), which every model includes, and
# there is no OpenMP in it. `.backend = {.threads = 1}` starts none.
#
# A macro, since find_package must speak to the caller's scope. Eigen is asked for without a version: the version file
# of 3.4 refuses every range that reaches 5, and that of 5 refuses 3.4.
macro(mtlx_find_dependencies)
  set(MTLX_DEPENDENCIES_FOUND TRUE)
  set(MTLX_DEPENDENCIES_MESSAGE "")
  find_package(Eigen3 CONFIG QUIET)
  find_package(Threads QUIET)
  if(NOT TARGET Eigen3::Eigen)
    set(MTLX_DEPENDENCIES_FOUND FALSE)
    set(MTLX_DEPENDENCIES_MESSAGE "Eigen was not found (Debian: apt-get install libeigen3-dev); set Eigen3_DIR or CMAKE_PREFIX_PATH")
  elseif(DEFINED Eigen3_VERSION AND (Eigen3_VERSION VERSION_LESS 3.4 OR Eigen3_VERSION VERSION_GREATER_EQUAL 6))
    set(MTLX_DEPENDENCIES_FOUND FALSE)
    set(MTLX_DEPENDENCIES_MESSAGE "Eigen ${Eigen3_VERSION} was found in ${Eigen3_DIR}, at least 3.4 and less than 6 is needed")
  elseif(NOT TARGET Threads::Threads)
    set(MTLX_DEPENDENCIES_FOUND FALSE)
    set(MTLX_DEPENDENCIES_MESSAGE "no thread library was found")
  endif()
endmacro()
