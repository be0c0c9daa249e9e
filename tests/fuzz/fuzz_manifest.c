/* Manifests of tools: whatever is read makes a prompt and, where its calls have results, a head. */
#include <stdlib.h>

#include "tools/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tfc_arena arena = {0};
    tfc_tool tool;
    if (tfc_manifest_read((const char *)data, n, "input", NULL, &arena, &tool, NULL) == TFC_OK) {
        char *prompt = tfc_tool_prompt(&tool, NULL, "x", 1, NULL);
        if (!prompt) abort();
        tfc_text_free(prompt);
        tfc_text_free(tfc_tool_head(&tool, NULL, NULL));
        tfc_tool_close(&tool);
    }
    tfc_arena_release(&arena);
    return 0;
}
