/* Progress: done of total, rate, time left and a short detail. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

static struct {
    bool terminal, quiet;
    bool line;       /* a redrawn line stands on the terminal */
    char stage[64];  /* the one that the figures below belong to */
    int64_t first;   /* done when the stage began: what an earlier start did is no rate of ours */
    double began;    /* seconds */
    double shown;    /* when it was last shown */
    bool shown_last; /* the stage's end was shown */
} progress;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "1:02:03", "4:05" */
static void format_time(char *out, size_t n, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, n, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, n, "%ld:%02ld", s / 60, s % 60);
}

static void format_line(char *out, size_t n, const tfc_progress *p, double seconds)
{
    size_t at = (size_t)snprintf(out, n, "%s: %lld", p->stage, (long long)p->done);
    if (p->total > 0)
        at += (size_t)snprintf(out + at, n - at, " of %lld %s (%d %%)", (long long)p->total, p->unit,
                               (int)(100.0 * (double)p->done / (double)p->total));
    else
        at += (size_t)snprintf(out + at, n - at, " %s", p->unit);
    int64_t made = p->done - progress.first;
    if (made > 0 && seconds > 0.5) {
        double rate = (double)made / seconds;
        at += (size_t)snprintf(out + at, n - at, rate >= 10 ? ", %.0f/s" : ", %.2f/s", rate);
        if (p->total > p->done) {
            char left[32];
            format_time(left, sizeof left, (double)(p->total - p->done) / rate);
            at += (size_t)snprintf(out + at, n - at, ", %s left", left);
        }
    }
    if (p->detail && *p->detail) snprintf(out + at, n - at, "; %s", p->detail);
}

/* Shortens the line to the terminal's width, so that \r can redraw it. */
static void draw(char *line)
{
    struct winsize size;
    size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
    if (strlen(line) >= width) line[width - 1] = '\0';
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
    progress.line = true;
}

static void on_progress(void *context, const tfc_progress *p)
{
    (void)context;
    if (progress.quiet) return;
    double t = now();
    if (strncmp(progress.stage, p->stage, sizeof progress.stage - 1) != 0) {
        cli_progress_end();
        snprintf(progress.stage, sizeof progress.stage, "%s", p->stage);
        progress.first = p->done;
        progress.began = progress.shown = t;
        progress.shown_last = false;
    }
    bool last = p->total > 0 && p->done >= p->total;
    if (last && progress.shown_last) return;
    if (!last && t - progress.shown < (progress.terminal ? 0.1 : 10.0)) return;
    progress.shown = t;
    progress.shown_last = last;
    char line[512];
    format_line(line, sizeof line, p, t - progress.began);
    if (progress.terminal)
        draw(line);
    else
        fprintf(stderr, "%s\n", line);
}

void cli_progress_end(void)
{
    if (progress.line) fputc('\n', stderr);
    progress.line = false;
}

static void on_note(void *context, const char *line)
{
    (void)context;
    if (!progress.quiet) cli_note("%s", line);
}

static bool on_stop(void *context)
{
    (void)context;
    return cli_interrupted() || cli_out_failed();
}

tfc_monitor cli_monitor(bool quiet)
{
    progress.terminal = isatty(STDERR_FILENO) == 1;
    progress.quiet = quiet;
    return (tfc_monitor){.progress = on_progress, .note = on_note, .stop = on_stop};
}
