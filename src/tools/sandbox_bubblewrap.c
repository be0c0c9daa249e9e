/* bubblewrap in the place of Landlock, where a kernel has none: the program sees a root made of the files
 * that the rules name. The seccomp filter goes along as a descriptor, since bubblewrap has to mount before
 * it. */
#include <stdio.h>
#include <unistd.h>

#include "tools/sandbox.h"

enum { FIXED_WORDS = 24 };

/* The words go into a list whose texts are borrowed. */
static size_t put_fixed(const tfc_sandbox *sandbox, char **list)
{
    static const char *const words[] = {"bwrap",         "--die-with-parent",
                                        "--new-session", "--unshare-all",
                                        "--cap-drop",    "ALL",
                                        "--proc",        "/proc",
                                        "--remount-ro",  "/proc",
                                        "--seccomp",     TFC_SANDBOX_FILTER_TEXT};
    size_t n = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) list[n++] = (char *)(uintptr_t)words[i];
    if (sandbox->network) list[n++] = (char *)(uintptr_t) "--share-net";
    return n;
}

static size_t put_bind(char **list, const char *option, const char *path)
{
    list[0] = (char *)(uintptr_t)option;
    list[1] = list[2] = (char *)(uintptr_t)path;
    return 3;
}

char **tfc_sandbox_wrap(const tfc_sandbox *sandbox, const char *path, const char *scratch, char *const *argv)
{
    size_t n_argv = 0, n;
    while (argv[n_argv]) n_argv++;
    char **list = tfc_alloc(FIXED_WORDS + 3 * sandbox->n_rules + n_argv + 1, sizeof *list);
    if (!list) return NULL;
    n = put_fixed(sandbox, list);
    for (size_t i = 0; i < sandbox->n_rules; i++)
        if (!sandbox->rules[i].changed)
            n += put_bind(list + n,
                          strncmp(sandbox->rules[i].path, "/dev/", 5) ? "--ro-bind-try" : "--dev-bind-try",
                          sandbox->rules[i].path);
    for (size_t i = 0; i < sandbox->n_rules; i++)
        if (sandbox->rules[i].changed) n += put_bind(list + n, "--bind", sandbox->rules[i].path);
    n += put_bind(list + n, "--bind", scratch);
    list[n++] = (char *)(uintptr_t) "--remount-ro";
    list[n++] = (char *)(uintptr_t) "/";
    list[n++] = (char *)(uintptr_t) "--chdir";
    list[n++] = (char *)(uintptr_t)scratch;
    list[n++] = (char *)(uintptr_t) "--";
    list[n++] = (char *)(uintptr_t)path;
    for (size_t i = 1; i < n_argv; i++) list[n++] = argv[i];
    list[n] = NULL;
    return list;
}
