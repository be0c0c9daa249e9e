# Files that the library carries (tool manifests, recipes) become C arrays: data/NAME.json is
# `const unsigned char tfc_data_NAME[]` with `const size_t tfc_data_NAME_bytes`.
set(TFC_EMBEDDED "")
file(GLOB TFC_DATA CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/data/*.json)
foreach(file ${TFC_DATA})
  get_filename_component(name ${file} NAME_WE)
  set(out ${CMAKE_BINARY_DIR}/embedded/${name}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DNAME=${name} -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake)
  list(APPEND TFC_EMBEDDED ${out})
endforeach()
