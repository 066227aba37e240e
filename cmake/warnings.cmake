# What every target of this project is compiled with.
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
    -Wundef
    -Werror)
set(INFONCE_CXX_WARNINGS ${INFONCE_WARNINGS} -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual)

function(infonce_warnings target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:C>:${INFONCE_WARNINGS};-Wstrict-prototypes>"
                                           "$<$<COMPILE_LANGUAGE:CXX>:${INFONCE_CXX_WARNINGS}>")
endfunction()
