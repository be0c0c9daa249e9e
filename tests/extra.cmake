add_subdirectory(fuzz)

# Cases of the command line: a script and what it prints (tests/cli/run.sh).
if(TARGET toolformer)
  file(GLOB cases CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/cases/*.sh)
  foreach(case ${cases})
    get_filename_component(name ${case} NAME_WE)
    add_test(NAME cli/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run.sh $<TARGET_FILE:toolformer> ${case})
    set_tests_properties(cli/${name} PROPERTIES LABELS cli TIMEOUT 300)
  endforeach()
endif()
