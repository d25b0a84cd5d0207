# SPDX-License-Identifier: MIT
# Headers, libraries, pkg-config files and the CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS vfiosafe vfiosafe_static vfiosafe_sim vfiosafe_sim_static
        EXPORT vfiosafeTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/vfiosafe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/vfiosafe/version.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vfiosafe)

# The prefix is known for good at install time only (cmake --install --prefix),
# so the files say where they are relative to themselves. A folder given as an
# absolute path stays one: cmake_path(APPEND) sees to that.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
           BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
           OUTPUT_VARIABLE pc_prefix)
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(pc vfiosafe vfiosafe_sim)
  configure_file(${pc}.pc.in ${PROJECT_BINARY_DIR}/${pc}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${pc}.pc DESTINATION ${pc_dir})
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vfiosafe)
configure_package_config_file(cmake/vfiosafeConfig.cmake.in
  ${PROJECT_BINARY_DIR}/vfiosafeConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/vfiosafeConfigVersion.cmake
  COMPATIBILITY SameMinorVersion) # SOVERSION 0: no promise beyond that
install(EXPORT vfiosafeTargets NAMESPACE vfiosafe:: DESTINATION ${package_dir})
install(FILES ${PROJECT_BINARY_DIR}/vfiosafeConfig.cmake
              ${PROJECT_BINARY_DIR}/vfiosafeConfigVersion.cmake
        DESTINATION ${package_dir})
