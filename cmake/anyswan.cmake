# SPDX-License-Identifier: Apache-2.0
# How every target of the project is built.

find_program(CCACHE ccache)
if(CCACHE)
  # Paths count from the checkout, so that a second clone finds what the first one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)

add_library(anyswan_options INTERFACE)
target_include_directories(anyswan_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(anyswan_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12's optimiser warns of code that it inlined itself from std::variant, std::optional and std::vector.
  target_compile_options(anyswan_options INTERFACE
    -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-restrict)
endif()
if(ANYSWAN_SANITIZE)
  target_compile_options(anyswan_options INTERFACE
    -fsanitize=${ANYSWAN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(anyswan_options INTERFACE -fsanitize=${ANYSWAN_SANITIZE})
endif()

# What fuzz targets link reports its edges to libFuzzer, and is optimised, since it runs millions of times; the tests
# themselves, which run once, compile in half of the time without either.
function(anyswan_fuzzed target)
  if(ANYSWAN_FUZZ)
    target_compile_options(${target} PRIVATE -O1 -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# anyswan_library(NAME SOURCES a.cc ... LINK lib ...): a static library of one folder.
function(anyswan_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(anyswan_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(anyswan_${name} PUBLIC anyswan_options ${ARG_LINK})
  anyswan_fuzzed(anyswan_${name})
endfunction()

# Everything that `./test unit` runs.
add_custom_target(unit_tests)

# anyswan_test(NAME SOURCES a_test.cc ... LINK lib ... LABEL unit|store|...): one GoogleTest program,
# test_NAME, registered with CTest under the label that `./test LABEL` runs.
function(anyswan_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(test_${name} ${ARG_SOURCES})
  target_link_libraries(test_${name} PRIVATE anyswan_options ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(test_${name} PRIVATE
    ANYSWAN_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  add_test(NAME ${name} COMMAND test_${name})
  if(ARG_LABEL STREQUAL unit)
    add_dependencies(unit_tests test_${name})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300)
endfunction()
