/* base/status.h: setting errors. Only the library's own code includes this. */
#ifndef TFC_BASE_STATUS_H
#define TFC_BASE_STATUS_H

#include <stdarg.h>

#include "toolformer/base.h"

/* Fills err (when not NULL) and returns `status`, so that a function can `return tfc_fail(err, …)`. */
tfc_status tfc_fail(tfc_error *err, tfc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": strerror(errno)" appended; status is TFC_EIO, or TFC_ENOMEM / TFC_ENOTFOUND by errno. */
tfc_status tfc_fail_errno(tfc_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "out of memory (what)". */
tfc_status tfc_fail_memory(tfc_error *err, const char *what);

/* Puts "prefix: " before the message that is there (file names, line numbers). Returns err's status. */
tfc_status tfc_error_prefix(tfc_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Analyzers look at one file: they are told that a failure is never TFC_OK. */
#if defined(__clang_analyzer__) || defined(__cppcheck__)
#define tfc_fail(err, status, ...) ((tfc_fail)(err, status, __VA_ARGS__), (status))
#define tfc_fail_errno(err, ...) ((tfc_fail_errno)(err, __VA_ARGS__), TFC_EIO)
#define tfc_fail_memory(err, what) ((tfc_fail_memory)(err, what), TFC_ENOMEM)
#endif

static inline bool tfc_should_stop(const tfc_monitor *monitor)
{
    return monitor && monitor->stop && monitor->stop(monitor->context);
}

/* Says a line through the monitor, if it listens. */
void tfc_monitor_note(const tfc_monitor *monitor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
