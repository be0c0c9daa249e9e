/* tools/manifest.h: a tool's manifest, JSON → struct tfc_tool. */
#ifndef TFC_TOOLS_MANIFEST_H
#define TFC_TOOLS_MANIFEST_H

#include "base/memory.h"
#include "tools/tool.h"

enum { TFC_MANIFEST_BYTES_MAX = 1 << 20 };

/* What *tool points to lives in the arena; tfc_tool_close ends what its backend holds beside that. `what`
 * names the manifest in messages, `folder` is what its relative paths are seen from (NULL: the working
 * folder). On failure *tool is closed and undefined. */
tfc_status tfc_manifest_read(const char *text, size_t n, const char *what, const char *folder,
                             tfc_arena *arena, tfc_tool *tool, tfc_error *err);

/* What a manifest's own fields hold beside the arena; tfc_tool_close does it. */
void tfc_manifest_release(tfc_tool *tool);

/* The names of its fields, NULL-terminated. */
extern const char *const tfc_manifest_keys[];

#endif
