# SPDX-License-Identifier: MIT
# Install, then use the installed package; a wrong version and an unknown component are refused; use as a subdirectory.
set(consumer_dir "${CMAKE_CURRENT_BINARY_DIR}/consumer")
set(consumer_source "${CMAKE_CURRENT_SOURCE_DIR}/project/consumer")

add_test(NAME project/install COMMAND "${CMAKE_COMMAND}" --install "${PROJECT_BINARY_DIR}" --prefix "${consumer_dir}/prefix")
set_tests_properties(project/install PROPERTIES FIXTURES_SETUP mtlx_installed)

# mtlx_add_consumer_test(<name> [cmake options]...)
function(mtlx_add_consumer_test name)
  add_test(NAME project/${name}
    COMMAND "${CMAKE_CTEST_COMMAND}" --build-and-test "${consumer_source}" "${consumer_dir}/${name}"
            --build-generator "${CMAKE_GENERATOR}" --build-makeprogram "${CMAKE_MAKE_PROGRAM}" --build-noclean
            --build-options "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" ${ARGN}
            --test-command consumer)
  set_tests_properties(project/${name} PROPERTIES FIXTURES_REQUIRED mtlx_installed)
endfunction()

set(installed "-DCMAKE_PREFIX_PATH=${consumer_dir}/prefix" "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF")
mtlx_add_consumer_test(consumer_installed ${installed}
                       "-DMTLX_VERSION_WANTED=${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
mtlx_add_consumer_test(consumer_subdirectory "-DMTLX_SUBDIRECTORY=${PROJECT_SOURCE_DIR}")
mtlx_add_consumer_test(consumer_wrong_version ${installed} "-DMTLX_VERSION_WANTED=${PROJECT_VERSION_MAJOR}.99")
set_tests_properties(project/consumer_wrong_version PROPERTIES PASS_REGULAR_EXPRESSION "considered but not accepted")
mtlx_add_consumer_test(consumer_unknown_component ${installed} -DMTLX_COMPONENTS_WANTED=nonesuch)
set_tests_properties(project/consumer_unknown_component PROPERTIES PASS_REGULAR_EXPRESSION "component nonesuch is unknown")

set_tests_properties(project/install project/consumer_installed project/consumer_subdirectory
                     project/consumer_wrong_version project/consumer_unknown_component
                     PROPERTIES LABELS project TIMEOUT ${MTLX_TEST_TIMEOUT})
