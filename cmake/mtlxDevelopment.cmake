# SPDX-License-Identifier: MIT
# How our own tests, examples and benchmarks are compiled. Nothing here touches mtlx::mtlx.

add_library(mtlx_development INTERFACE)
target_link_libraries(mtlx_development INTERFACE mtlx::mtlx)
foreach(_optional mtlx::zlib mtlx::freetype mtlx::stb mtlx::xtensor)
  if(TARGET ${_optional})
    target_link_libraries(mtlx_development INTERFACE ${_optional})
  endif()
endforeach()
if(MTLX_NATIVE)
  target_link_libraries(mtlx_development INTERFACE mtlx::native)
endif()

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(mtlx_development INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(MTLX_WARNINGS_AS_ERRORS)
    target_compile_options(mtlx_development INTERFACE -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # These guess from the optimiser's view of inlined code, with false alarms inside Eigen and std::string: shown,
      # not fatal. (Clang's -Wuninitialized stays fatal.)
      foreach(_warning uninitialized maybe-uninitialized array-bounds stringop-overflow stringop-overread restrict null-dereference
                       free-nonheap-object)
        target_compile_options(mtlx_development INTERFACE -Wno-error=${_warning})
      endforeach()
    endif()
  endif()
endif()

# mtlx_add_program(<name> <source>...)
#   An executable of this repository with our warnings.
function(mtlx_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE mtlx_development)
endfunction()
