# Warnings, sanitizers, and what keeps the arithmetic the same everywhere: no contraction of a*b+c
# into one rounding unless a kernel asks for it by name.
add_library(tfc_flags INTERFACE)
target_compile_options(tfc_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wno-sign-conversion
  -ffp-contract=off -fno-math-errno -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # Messages are cut on purpose, at a whole character.
  target_compile_options(tfc_flags INTERFACE -Wno-format-truncation)
endif()
if(TFC_WERROR)
  target_compile_options(tfc_flags INTERFACE -Werror)
endif()
if(TFC_SANITIZE)
  target_compile_options(tfc_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_link_options(tfc_flags INTERFACE -fsanitize=address,undefined)
endif()
if(TFC_FUZZ)
  target_compile_options(tfc_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
