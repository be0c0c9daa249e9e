/* cli/commands.h: the subcommands. argv[0] is the command itself; each returns an exit code, with all output
 * flushed through cli_finish. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cmd_annotate(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_chat(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_experiment(int argc, char **argv);
int cmd_overlap(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_detokenize(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_filter(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_index(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_tool(int argc, char **argv);
int cmd_train(int argc, char **argv);

#endif
