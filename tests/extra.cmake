add_subdirectory(fuzz)

# The programs of examples/: public headers only.
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
foreach(file ${examples})
  get_filename_component(name ${file} NAME_WE)
  add_executable(example_${name} ${file})
  target_link_libraries(example_${name} PRIVATE tfc tfc_flags)
endforeach()
add_test(NAME unit/example_own_tool_in_c COMMAND example_own_tool_in_c 1987)
set_tests_properties(unit/example_own_tool_in_c PROPERTIES LABELS unit PASS_REGULAR_EXPRESSION "^MCMLXXXVII\n$")
add_test(NAME unit/example_own_tool_in_c_refuses COMMAND example_own_tool_in_c 4000)
set_tests_properties(unit/example_own_tool_in_c_refuses PROPERTIES LABELS unit PASS_REGULAR_EXPRESSION
  "own_tool: argument number: at most 3999 expected, not '4000'")
add_test(NAME model/example_own_tool_in_c COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/own_tool_in_c.sh
  $<TARGET_FILE:example_own_tool_in_c>)
set_tests_properties(model/example_own_tool_in_c PROPERTIES LABELS model SKIP_RETURN_CODE 77 TIMEOUT 300)

# Cases of the command line: a script and what it prints (tests/cli/run.sh).
if(TARGET toolformer)
  file(GLOB cases CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/cases/*.sh)
  foreach(case ${cases})
    get_filename_component(name ${case} NAME_WE)
    add_test(NAME cli/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run.sh $<TARGET_FILE:toolformer> ${case})
    set_tests_properties(cli/${name} PROPERTIES LABELS cli TIMEOUT 300)
  endforeach()
  # Real servers from PyPI, installed into the release build's folder once.
  add_test(NAME mcp/real_servers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/mcp/real_servers.sh $<TARGET_FILE:toolformer>
    ${CMAKE_SOURCE_DIR}/build/mcp-servers)
  set_tests_properties(mcp/real_servers PROPERTIES LABELS mcp SKIP_RETURN_CODE 77 TIMEOUT 900)
  add_test(NAME model/kill_and_resume COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/model/kill_and_resume.sh
    $<TARGET_FILE:toolformer> ${CMAKE_SOURCE_DIR}/examples/demo/corpus.jsonl)
  set_tests_properties(model/kill_and_resume PROPERTIES LABELS model SKIP_RETURN_CODE 77 TIMEOUT 900)
endif()

# docs/tool-manifest.schema.json and the reader of manifests take and refuse the same.
find_program(TFC_PYTHON python3)
if(TARGET toolformer AND TFC_PYTHON)
  add_test(NAME format/manifest_schema COMMAND ${TFC_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/format/manifest_schema.py
    $<TARGET_FILE:toolformer> ${CMAKE_SOURCE_DIR})
  set_tests_properties(format/manifest_schema PROPERTIES LABELS format SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
