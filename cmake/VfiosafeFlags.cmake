# SPDX-License-Identifier: MIT
# Flags for our own targets: link to vfiosafe_flags, privately.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# As part of another tree, the build type is that tree's business.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_library(vfiosafe_flags INTERFACE)
target_compile_options(vfiosafe_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wundef
  -Wmissing-prototypes -Wstrict-prototypes -Wcast-qual -Wformat=2
  -Wwrite-strings -Wpointer-arith -fno-common -fno-strict-overflow
  $<$<BOOL:${VFIOSAFE_WERROR}>:-Werror>)
target_compile_definitions(vfiosafe_flags INTERFACE _GNU_SOURCE)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_FLAGS MATCHES "-fsanitize=thread")
  # gcc warns that it does not follow fences. What a drain relies on is also said by
  # an acquire and a release on the slot, and those it follows.
  target_compile_options(vfiosafe_flags INTERFACE -Wno-tsan)
endif()

# A shared library whose exports are exactly what its map names.
function(vfiosafe_shared_library target map)
  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${map})
  target_link_options(${target} PRIVATE
    LINKER:--version-script=${map} LINKER:-z,relro LINKER:-z,now
    # Threads that outlive a dlclose still run our key destructor.
    LINKER:-z,nodelete)
  if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
endfunction()

# Shared and static library NAME out of one set of objects.
function(vfiosafe_library name map)
  add_library(${name}_objects OBJECT ${ARGN})
  set_target_properties(${name}_objects PROPERTIES C_VISIBILITY_PRESET hidden)
  target_include_directories(${name}_objects PUBLIC
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)
  target_link_libraries(${name}_objects PRIVATE vfiosafe_flags)
  add_library(${name} SHARED $<TARGET_OBJECTS:${name}_objects>)
  vfiosafe_shared_library(${name} ${map})
  add_library(${name}_static STATIC $<TARGET_OBJECTS:${name}_objects>)
  set_target_properties(${name}_static PROPERTIES OUTPUT_NAME ${name})
  foreach(lib ${name} ${name}_static)
    target_include_directories(${lib} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endforeach()
  add_library(vfiosafe::${name} ALIAS ${name})
  add_library(vfiosafe::${name}_static ALIAS ${name}_static)
endfunction()
