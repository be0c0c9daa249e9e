/* Errors: one struct, filled where the failure is known, carried up unchanged. */
#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void tfc_error_init(tfc_error *err)
{
    if (!err) return;
    err->status = TFC_OK;
    err->message[0] = '\0';
}

const char *tfc_status_text(tfc_status status)
{
    switch (status) {
#define TFC_X(name, value, text)                                                                             \
    case name:                                                                                               \
        return text;
        TFC_STATUS_LIST(TFC_X)
#undef TFC_X
    }
    return "unknown status";
}

const char *tfc_version(void)
{
    return TFC_VERSION;
}

/* Cuts a message that vsnprintf truncated at the last whole UTF-8 character. */
static void message_cut(char *message, size_t capacity)
{
    size_t n = strlen(message);
    if (n + 1 < capacity) return;
    size_t i = n;
    while (i > 0 && ((unsigned char)message[i - 1] & 0xC0) == 0x80) i--;
    if (i > 0 && ((unsigned char)message[i - 1] & 0x80))
        i--;
    else if (i == n)
        return;
    message[i] = '\0';
}

tfc_status(tfc_fail)(tfc_error *err, tfc_status status, const char *format, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    message_cut(err->message, sizeof err->message);
    err->status = status;
    return status;
}

tfc_status(tfc_fail_errno)(tfc_error *err, const char *format, ...)
{
    int number = errno;
    tfc_status status = number == ENOMEM ? TFC_ENOMEM : number == ENOENT ? TFC_ENOTFOUND : TFC_EIO;
    if (!err) return status;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", strerror(number));
    message_cut(err->message, sizeof err->message);
    err->status = status;
    return status;
}

tfc_status(tfc_fail_memory)(tfc_error *err, const char *what)
{
    return tfc_fail(err, TFC_ENOMEM, "out of memory (%s)", what);
}

tfc_status tfc_error_prefix(tfc_error *err, const char *format, ...)
{
    if (!err) return TFC_OK;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", old);
    message_cut(err->message, sizeof err->message);
    return err->status;
}

void tfc_monitor_note(const tfc_monitor *monitor, const char *format, ...)
{
    if (!monitor || !monitor->note) return;
    char line[640];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    message_cut(line, sizeof line);
    monitor->note(monitor->context, line);
}
