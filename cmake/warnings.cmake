# What every target of this project is compiled with.
option(INFONCE_WARNINGS_ARE_ERRORS "Off where a compiler that nobody tried may warn of more" ON)
set(INFONCE_WARNINGS
    -Wall
    -Wextra
    -Wpedantic
    -Wconversion
    -Wsign-conversion
    -Wdouble-promotion
    -Wshadow
    -Wcast-qual
    -Wformat=2
    -Wundef)
if(INFONCE_WARNINGS_ARE_ERRORS)
  list(APPEND INFONCE_WARNINGS -Werror)
  set(INFONCE_CUDA_WARNINGS -Werror=all-warnings -Xcompiler=-Wall)
else()
  set(INFONCE_CUDA_WARNINGS -Xcompiler=-Wall)
endif()
set(INFONCE_CXX_WARNINGS ${INFONCE_WARNINGS} -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)

function(infonce_warnings target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C>:${INFONCE_WARNINGS};-Wstrict-prototypes>"
                                           "$<$<COMPILE_LANGUAGE:CXX>:${INFONCE_CXX_WARNINGS}>")
endfunction()
