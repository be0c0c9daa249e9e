/* cli/cmd_tool.h: the verbs of `tool` that have files of their own. */
#ifndef CLI_CMD_TOOL_H
#define CLI_CMD_TOOL_H

#include "toolformer/tools.h"

int cli_tool_import(int argc, char **argv);
int cli_tool_new(int argc, char **argv);
int cli_tool_test(int argc, char **argv);
int cli_tool_diff(int argc, char **argv);

/* The one tool that NAME names: a built-in or a manifest file; NULL after a message. */
const tfc_tool *cli_one_tool(const char *name, tfc_tools **tools, int *exit_code);

#endif
