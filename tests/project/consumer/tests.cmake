# SPDX-License-Identifier: MIT
# Install, move the tree, then use it by find_package and by pkg-config; a wrong version, an unknown component and one
# that can't be had are refused; use as a subdirectory and by FetchContent.
set(consumer_dir "${CMAKE_CURRENT_BINARY_DIR}/consumer")
set(consumer_source "${CMAKE_CURRENT_SOURCE_DIR}/project/consumer")
set(consumer_prefix "${consumer_dir}/prefix")
file(MAKE_DIRECTORY "${consumer_dir}")
set(mtlx_project_tests "")

add_test(NAME project/install
  COMMAND "${CMAKE_COMMAND}" "-DBUILD=${PROJECT_BINARY_DIR}" "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DPREFIX=${consumer_prefix}"
          "-DVERSION=${PROJECT_VERSION}" -P "${consumer_source}/install.cmake")
set_tests_properties(project/install PROPERTIES FIXTURES_SETUP mtlx_installed)
list(APPEND mtlx_project_tests project/install)

# mtlx_add_consumer_test(<name> <source> <program> [cmake options]...)
#   Configures and builds a project and runs its program.
function(mtlx_add_consumer_test name source program)
  add_test(NAME project/${name}
    COMMAND "${CMAKE_CTEST_COMMAND}" --build-and-test "${source}" "${consumer_dir}/${name}"
            --build-generator "${CMAKE_GENERATOR}" --build-makeprogram "${CMAKE_MAKE_PROGRAM}" --build-noclean
            --build-options "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF ${ARGN}
            --test-command ${program})
  set_tests_properties(project/${name} PROPERTIES FIXTURES_REQUIRED mtlx_installed)
  set(mtlx_project_tests ${mtlx_project_tests} project/${name} PARENT_SCOPE)
endfunction()

# mtlx_add_refused_test(<name> <what CMake must say> [cmake options]...)
function(mtlx_add_refused_test name message)
  mtlx_add_consumer_test(${name} "${consumer_source}" consumer "-DCMAKE_PREFIX_PATH=${consumer_prefix}" ${ARGN})
  set_tests_properties(project/${name} PROPERTIES PASS_REGULAR_EXPRESSION "${message}")
  set(mtlx_project_tests ${mtlx_project_tests} PARENT_SCOPE)
endfunction()

set(installed "-DCMAKE_PREFIX_PATH=${consumer_prefix}")
set(this_version "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
mtlx_add_consumer_test(consumer_installed "${consumer_source}" consumer ${installed} "-DMTLX_VERSION_WANTED=${this_version}")
mtlx_add_consumer_test(consumer_subdirectory "${consumer_source}" consumer "-DMTLX_SUBDIRECTORY=${PROJECT_SOURCE_DIR}"
                       -DCMAKE_CXX_STANDARD=17)
mtlx_add_consumer_test(consumer_newer_standard "${consumer_source}" consumer "-DMTLX_SUBDIRECTORY=${PROJECT_SOURCE_DIR}"
                       -DCMAKE_CXX_STANDARD=23)
mtlx_add_refused_test(consumer_wrong_version "considered but not accepted"
                      "-DMTLX_VERSION_WANTED=${PROJECT_VERSION_MAJOR}.99")
mtlx_add_refused_test(consumer_unknown_component "component nonesuch is unknown, there are native, zlib"
                      -DMTLX_COMPONENTS_WANTED=nonesuch)
mtlx_add_refused_test(consumer_missing_component "component xtensor needs the package xtensor"
                      -DMTLX_COMPONENTS_WANTED=xtensor -DCMAKE_DISABLE_FIND_PACKAGE_xtensor=ON)
mtlx_add_refused_test(consumer_without_cuda "component cuda needs the package CUDAToolkit"
                      -DMTLX_COMPONENTS_WANTED=cuda -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON)
if(TARGET mtlx::cuda)
  # Configured, not built: no other code than without it.
  add_test(NAME project/consumer_cuda
    COMMAND "${CMAKE_COMMAND}" -S "${consumer_source}" -B "${consumer_dir}/consumer_cuda" -G "${CMAKE_GENERATOR}"
            "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DCMAKE_MAKE_PROGRAM=${CMAKE_MAKE_PROGRAM}"
            -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF ${installed} -DMTLX_COMPONENTS_WANTED=cuda)
  set_tests_properties(project/consumer_cuda PROPERTIES FIXTURES_REQUIRED mtlx_installed)
  list(APPEND mtlx_project_tests project/consumer_cuda)
endif()
mtlx_add_refused_test(consumer_without_eigen "Eigen was not found" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON)

# The example of a project takes the installed package, or else the sources.
set(example "${PROJECT_SOURCE_DIR}/examples/06_cmake_project")
if(NOT CMAKE_VERSION VERSION_LESS 3.24)
  mtlx_add_consumer_test(example_installed "${example}" app ${installed} -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=ALWAYS
                         -DMTLX_SOURCE=nowhere)
  mtlx_add_consumer_test(example_fetched "${example}" app -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=NEVER)
endif()

find_program(MTLX_PKG_CONFIG NAMES pkg-config pkgconf DOC "pkg-config, for the tests")
if(MTLX_PKG_CONFIG AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  add_test(NAME project/consumer_pkg_config
    COMMAND "${CMAKE_COMMAND}" "-DPKG_CONFIG=${MTLX_PKG_CONFIG}" "-DPREFIX=${consumer_prefix}" "-DVERSION=${PROJECT_VERSION}"
            "-DCOMPILER=${CMAKE_CXX_COMPILER}" -P "${consumer_source}/pkg_config.cmake"
    WORKING_DIRECTORY "${consumer_dir}")
  set_tests_properties(project/consumer_pkg_config PROPERTIES FIXTURES_REQUIRED mtlx_installed)
  list(APPEND mtlx_project_tests project/consumer_pkg_config)
else()
  message(STATUS "mtlx: pkg-config is not there, its test is left out")
endif()

set_tests_properties(${mtlx_project_tests} PROPERTIES LABELS project TIMEOUT ${MTLX_TEST_TIMEOUT})
