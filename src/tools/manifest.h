/* tools/manifest.h: a tool's manifest, JSON → struct tfc_tool. */
#ifndef TFC_TOOLS_MANIFEST_H
#define TFC_TOOLS_MANIFEST_H

#include "base/memory.h"
#include "tools/tool.h"

enum { TFC_MANIFEST_BYTES_MAX = 1 << 20 };

/* Everything in *tool lives in the arena. `what` names the manifest in messages. On failure *tool is
 * undefined. */
tfc_status tfc_manifest_read(const char *text, size_t n, const char *what, tfc_arena *arena, tfc_tool *tool,
                             tfc_error *err);

#endif
