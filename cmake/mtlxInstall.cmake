# SPDX-License-Identifier: MIT
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_mtlx_config_dir "${CMAKE_INSTALL_DATADIR}/cmake/mtlx")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/mtlx" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS mtlx EXPORT mtlxTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT mtlxTargets NAMESPACE mtlx:: DESTINATION "${_mtlx_config_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/mtlxConfig.cmake.in" "${PROJECT_BINARY_DIR}/mtlxConfig.cmake"
                              INSTALL_DESTINATION "${_mtlx_config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/mtlxConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/mtlxConfig.cmake" "${PROJECT_BINARY_DIR}/mtlxConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/mtlxDependencies.cmake" "${PROJECT_SOURCE_DIR}/cmake/mtlxComponents.cmake"
        DESTINATION "${_mtlx_config_dir}")

# The prefix is found from where the file lies, so that the tree can be moved; absolute folders stay as they are.
file(RELATIVE_PATH MTLX_PC_TO_PREFIX "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" MTLX_PC_TO_PREFIX "${MTLX_PC_TO_PREFIX}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(MTLX_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(MTLX_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/mtlx.pc.in" "${PROJECT_BINARY_DIR}/mtlx.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/mtlx.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
