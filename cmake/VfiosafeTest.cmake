# SPDX-License-Identifier: MIT
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# vfiosafe_add_test(NAME name SOURCES file... [LABELS label...] [TIMEOUT seconds]
#                   [SIM] [LIBRARIES target...] [LINK_OPTIONS option...])
#
# One test program on cmocka, linked to the static library, so that the library's
# internals are within reach; with SIM, to the simulated device too. The label is
# "unit" unless others are given.
#
# Tests of internals see our copies of the kernel's headers (by "uapi.h"); a program
# on the simulated device sees the system's, as those of our users do.
function(vfiosafe_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg
    "SIM" "NAME;TIMEOUT" "SOURCES;LABELS;LIBRARIES;LINK_OPTIONS")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_include_directories(${arg_NAME} PRIVATE
    ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/lib)
  if(arg_SIM)
    target_link_libraries(${arg_NAME} PRIVATE vfiosafe_sim_static)
  else()
    target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/lib/uapi)
  endif()
  target_link_libraries(${arg_NAME} PRIVATE
    ${arg_LIBRARIES} vfiosafe_static vfiosafe_flags PkgConfig::CMOCKA)
  # Tests check by assertions, in every build type.
  target_compile_options(${arg_NAME} PRIVATE -UNDEBUG)
  target_link_options(${arg_NAME} PRIVATE ${arg_LINK_OPTIONS})
  add_test(NAME ${arg_NAME} COMMAND ${arg_NAME})
  set_tests_properties(${arg_NAME} PROPERTIES
    LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
