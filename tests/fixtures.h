/* Where golden values lie: the folder that TFC_FIXTURES names, else the project's own copy. */
#ifndef TFC_TESTS_FIXTURES_H
#define TFC_TESTS_FIXTURES_H

#include <stdlib.h>

static inline const char *fixtures_folder(void)
{
    const char *folder = getenv("TFC_FIXTURES");
    return folder ? folder : TFC_SOURCE_DIR "/tests/fixtures";
}

#endif
