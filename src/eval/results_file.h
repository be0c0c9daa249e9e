/* eval/results_file.h: the file of an evaluation's results, written line by line and gone on with.
 *
 *   {"eval":{settings},"today":"2026-01-30"}     what decides the results; the day that Calendar answers with
 *   {"id":…}                                     one line an example, in the order of the rows
 *   {"task":…,"n":…}                             the summary, once all rows are done
 *
 * A line counts when its line break is there. What stands behind the last whole line is cut off. */
#ifndef TFC_EVAL_RESULTS_FILE_H
#define TFC_EVAL_RESULTS_FILE_H

#include "eval/examples.h"

typedef struct tfc_results_file {
    int fd;
    const char *path;
    char *text;         /* what the file held at its opening */
    const char **lines; /* [n_lines] examples in it; bytes of each */
    size_t *n_bytes;
    int64_t n_lines;
    size_t end;  /* behind the last example */
    bool summed; /* a summary stands behind them */
    char today[11];
} tfc_results_file;

/* Opens or begins the file, and locks it. TFC_ECONFLICT: it holds something else, or another program writes
 * it. */
tfc_status tfc_results_open(tfc_results_file *file, const char *path, const char *settings, tfc_error *err);
/* Appends bytes that end in a line break, on disk when it returns. The first call cuts off what stands behind
 * the last example. */
tfc_status tfc_results_append(tfc_results_file *file, const char *lines, size_t n, tfc_error *err);
void tfc_results_close(tfc_results_file *file);

/* Reads the examples' lines of any such file, or of the program's own output with --json. */
tfc_status tfc_results_read(tfc_results_file *file, const char *path, tfc_error *err);

#endif
