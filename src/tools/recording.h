/* tools/recording.h: what the tools answered in a run, in RUN/run.db: each distinct call once, and the tools'
 * manifests, so that the run can be replayed where no tool is.
 *
 * A call is named by its tool, its arguments and its context. What failed is recorded too, until it succeeds.
 * One thread at a time. */
#ifndef TFC_TOOLS_RECORDING_H
#define TFC_TOOLS_RECORDING_H

#include "tools/tool.h"

typedef struct tfc_recording tfc_recording;

typedef struct tfc_recorded {
    const char *tool, *args, *context; /* context: the date that the call was given, or "" */
    const char *manifest;              /* hash of the tool's manifest */
    tfc_status status;                 /* TFC_OK, TFC_ENORESULT, else the tool failed */
    const char *text;                  /* the result, or why there is none */
    int attempts;                      /* 0: the answer came from the cache */
    double ms;                         /* of all attempts */
} tfc_recorded;

/* run: the folder; its run.db is made when absent. NULL: in memory. */
tfc_recording *tfc_recording_open(const char *run, tfc_error *err);
/* The recording of a run that is there; nothing is written. TFC_ENOTFOUND: it has none. */
tfc_recording *tfc_recording_open_to_read(const char *run, tfc_error *err);
void tfc_recording_close(tfc_recording *recording);

/* found: the call is there; *text is the caller's (tfc_free). */
tfc_status tfc_recording_get(tfc_recording *recording, const char *tool, const char *args,
                             const char *context, bool *found, tfc_status *outcome, char **text,
                             tfc_error *err);
/* Calls of one transaction; one that is there stays, unless it failed. */
tfc_status tfc_recording_put(tfc_recording *recording, const tfc_recorded *calls, size_t n, tfc_error *err);

/* All calls, by tool, arguments and context; each borrows for the time of its visit. */
tfc_status tfc_recording_each(tfc_recording *recording,
                              tfc_status (*visit)(void *context, const tfc_recorded *call, tfc_error *err),
                              void *context, tfc_error *err);

/* The tools in their order, in place of those that are there. */
tfc_status tfc_recording_put_tools(tfc_recording *recording, const tfc_tools *tools, tfc_error *err);
/* The manifest of the i-th tool and how the list of tools named it; NULL texts: there are no more. Both are
 * the caller's (tfc_free). */
tfc_status tfc_recording_get_tool(tfc_recording *recording, size_t i, char **name, char **source,
                                  char **manifest, tfc_error *err);

/* 16 hexadecimal digits. */
void tfc_manifest_hash(const tfc_tool *tool, char out[17]);

#endif
