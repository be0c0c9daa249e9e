/* tools/manifest_inside.h: what the readers of a manifest's parts share. */
#ifndef TFC_TOOLS_MANIFEST_INSIDE_H
#define TFC_TOOLS_MANIFEST_INSIDE_H

#include "base/json.h"
#include "tools/manifest.h"

/* What the fields stand on while a manifest is read. */
typedef struct tfc_manifest {
    tfc_json *root;
    tfc_arena *arena;
    tfc_tool *tool;
    const char *folder; /* what relative paths are seen from, or NULL */
    tfc_error *err;
    bool alone; /* a demonstration holds calls of this tool alone */
} tfc_manifest;

/* A word of a field that allows a few: its place in the NULL-terminated list. */
tfc_status tfc_manifest_word(tfc_manifest *m, tfc_json *object, const char *key, const char *const *words,
                             int *out, bool *found);
/* A string without NUL bytes, copied; empty ones are refused. */
tfc_status tfc_manifest_text(tfc_manifest *m, tfc_json *object, const char *key, const char **out,
                             bool *found);

/* manifest_demonstrations.c: a field of demonstrations; after the form of the arguments and "after". */
tfc_status tfc_manifest_demonstrations(tfc_manifest *m, const char *key, const tfc_demonstration **out,
                                       size_t *n_out, bool *found);

/* propose_pattern.c: a rule {"pattern", "args"} or an array of them → tool->rules. After "args". On failure
 * what was read is released with the tool. */
tfc_status tfc_propose_read(tfc_tool *tool, tfc_json *json, tfc_arena *arena, tfc_error *err);
void tfc_propose_release(tfc_tool *tool);

#endif
