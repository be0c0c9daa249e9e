/* Stands in for libFuzzer: runs a target over every file of the folders given, and over the empty input. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay_folder(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort), failed = n < 0;
    for (int i = 0; i < n; i++) {
        char *path = tfc_path_join(folder, entries[i]->d_name), *bytes;
        size_t n_bytes;
        if (path && tfc_file_exists(path)) {
            tfc_error err;
            if (tfc_file_read(path, 0, &bytes, &n_bytes, &err) == TFC_OK) {
                /* A copy of exactly that size, so that a read past its end is seen. */
                uint8_t *exact = tfc_alloc(n_bytes, 1);
                if (exact) memcpy(exact, bytes, n_bytes);
                if (exact) LLVMFuzzerTestOneInput(exact, n_bytes);
                failed |= !exact;
                tfc_free(exact);
                tfc_free(bytes);
            } else {
                fprintf(stderr, "%s\n", err.message);
                failed = 1;
            }
        }
        tfc_free(path);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) failed |= replay_folder(argv[i]);
    return failed;
}
