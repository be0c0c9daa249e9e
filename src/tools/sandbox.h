/* tools/sandbox.h: what keeps a program apart: prepared before the fork, entered by the child.
 *
 * Between fork and exec the child shares the host's memory, so tfc_sandbox_enter makes system calls only: no
 * allocation, no lock, no stdio. */
#ifndef TFC_TOOLS_SANDBOX_H
#define TFC_TOOLS_SANDBOX_H

#include "tools/program.h"

#endif
