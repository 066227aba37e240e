# Tests that read what compilers make of the sources, rather than run it; see docs/verification.md.

if(INFONCE_SANITIZE)
  return()
endif()
find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_FOUND)
  message(STATUS "infonce: Python 3 not found: the compile gates, the enqueue gate and the mutations are left out")
  return()
endif()
set(gates ${PROJECT_SOURCE_DIR}/tools/gates)

if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  set(tiles $<TARGET_OBJECTS:infonce_objects>)
  # By its path: the imported interpreter would be run by the emulator.
  add_test(NAME neon_sums_stay_in_registers
           COMMAND ${Python3_EXECUTABLE} ${gates}/neon_gate.py --objdump ${CMAKE_OBJDUMP}
                   "$<FILTER:${tiles},INCLUDE,/tiles_portable\\.cpp>")
endif()

# `./infonce test --gates` runs these as steps of its own; here only where they are asked for.
option(INFONCE_GATES "Compile gates and seeded bugs as tests (needs nvcc, clang-19 and many minutes)" OFF)
if(INFONCE_GATES)
  add_test(NAME kernels_keep_their_table COMMAND Python3::Interpreter ${gates}/compile_gate.py --self-test --cache
                                                 ${CMAKE_BINARY_DIR}/gates)
  add_test(NAME kernels_compile_with_clang COMMAND Python3::Interpreter ${gates}/clang_gate.py)
  set_tests_properties(kernels_keep_their_table kernels_compile_with_clang
                       PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500 RUN_SERIAL TRUE LABELS gate)
endif()

function(infonce_enqueue_gate target)
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${target}_objects.txt)
  file(GENERATE OUTPUT ${list} CONTENT "$<JOIN:${ARGN},\n>\n")
  add_test(NAME ${target}_only_enqueues COMMAND Python3::Interpreter ${gates}/enqueue_gate.py --objects ${list}
                                                ${self_test})
  set_tests_properties(${target}_only_enqueues PROPERTIES TIMEOUT 600 LABELS gate)
endfunction()

# Each function in a section of its own, so that what it refers to is its own too.
if(INFONCE_EMULATION)
  foreach(target infonce_emulated_kernels infonce_emulated_objects)
    target_compile_options(${target} PRIVATE -ffunction-sections -fdata-sections)
  endforeach()
  set(self_test --self-test ${CMAKE_BINARY_DIR}/compile_commands.json)
  infonce_enqueue_gate(infonce_emulated
                       "$<TARGET_OBJECTS:infonce_emulated_objects>;$<TARGET_OBJECTS:infonce_emulated_kernels>")
endif()
if(INFONCE_CUDA)
  target_compile_options(infonce_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-ffunction-sections;-fdata-sections>"
                                              "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-ffunction-sections,-fdata-sections>")
  set(self_test "")
  infonce_enqueue_gate(infonce_cuda "$<TARGET_OBJECTS:infonce_cuda>")
endif()

if(TARGET infonce_emulation_tests)
  if(INFONCE_GATES)
    add_test(NAME mutations_are_caught COMMAND Python3::Interpreter ${gates}/mutation_gate.py --build ${CMAKE_BINARY_DIR})
    set_tests_properties(mutations_are_caught PROPERTIES TIMEOUT 1500 RUN_SERIAL TRUE LABELS gate)
  endif()
endif()
