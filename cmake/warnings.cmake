# The warnings every target is clean under, on gcc and clang.
function(rep_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                         -Wstrict-prototypes -Wno-sign-conversion)
  if(REP_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()
