add_subdirectory(fuzz)

# Cases of the command line: a script and what it prints (tests/cli/run.sh).
if(TARGET toolformer)
  file(GLOB cases CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/cases/*.sh)
  foreach(case ${cases})
    get_filename_component(name ${case} NAME_WE)
    add_test(NAME cli/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run.sh $<TARGET_FILE:toolformer> ${case})
    set_tests_properties(cli/${name} PROPERTIES LABELS cli TIMEOUT 300)
  endforeach()
  add_test(NAME model/kill_and_resume COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/kill_and_resume.sh
    $<TARGET_FILE:toolformer> ${CMAKE_SOURCE_DIR}/examples/demo/corpus.jsonl)
  set_tests_properties(model/kill_and_resume PROPERTIES LABELS model SKIP_RETURN_CODE 77 TIMEOUT 900)
endif()
