/* progress.c - what a long command shows: a bar on a terminal, plain lines in a file.
 *
 * Both go to stderr, so that results on stdout can be piped. On a terminal one line is redrawn at
 * most ten times a second; elsewhere a line is printed about twenty times per run and for every
 * evaluation, so that a log stays readable.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

enum { BAR_CELLS = 24, PLAIN_LINES = 20 };

double cli_clock_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_init(cli_progress *progress, const char *title) {
    *progress = (cli_progress){.title = title, .is_terminal = isatty(STDERR_FILENO) != 0};
}

/* "1:02:03" or "02:03". */
static void format_time(char *text, size_t bytes, double seconds) {
    const uint64_t s = seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;
    if (s >= 3600) {
        snprintf(text, bytes, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60,
                 s % 60);
    } else {
        snprintf(text, bytes, "%02" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    }
}

static void fill_bar(char bar[BAR_CELLS + 1], uint64_t done, uint64_t total) {
    const uint64_t filled = done * BAR_CELLS / (total ? total : 1);
    for (uint64_t i = 0; i < BAR_CELLS; i++) { bar[i] = i < filled ? '#' : '.'; }
    bar[BAR_CELLS] = '\0';
}

static void draw_bar(const cli_progress *p, const rep_progress *now) {
    char bar[BAR_CELLS + 1], eta[32];
    fill_bar(bar, now->iteration, now->max_iteration);
    format_time(eta, sizeof eta, now->eta_s);
    fprintf(stderr,
            "\r\033[K%s%s[%s] %" PRIu64 "/%" PRIu64 "  eta %s  loss %.4f  lr %.2e  %.0f img/s  "
            "%.0f MiB",
            p->title, p->title[0] ? " " : "", bar, now->iteration, now->max_iteration, eta,
            now->loss, now->lr, now->images_per_s, now->memory_mib);
    if (now->score >= 0) { fprintf(stderr, "  %s %.1f %%", now->score_name, 100 * now->score); }
    fflush(stderr);
}

static void print_line(const cli_progress *p, const rep_progress *now) {
    char eta[32];
    format_time(eta, sizeof eta, now->eta_s);
    fprintf(stderr, "%s%s", p->title, p->title[0] ? ": " : "");
    if (now->is_evaluation) {
        fprintf(stderr, "iteration %" PRIu64 "/%" PRIu64 "  epoch %" PRIu64 "  %s %.2f %%\n",
                now->iteration, now->max_iteration, now->epoch, now->score_name, 100 * now->score);
        return;
    }
    fprintf(stderr,
            "iteration %" PRIu64 "/%" PRIu64 "  epoch %" PRIu64 "  eta %s  loss %.4f  lr %.3e  "
            "grad %.3f  %.1f ms  %.0f img/s  %.0f MiB\n",
            now->iteration, now->max_iteration, now->epoch, eta, now->loss, now->lr, now->grad_norm,
            now->step_ms, now->images_per_s, now->memory_mib);
}

void cli_progress_show(void *context, const rep_progress *now) {
    cli_progress *p = context;
    const bool is_last = now->iteration == now->max_iteration;
    if (p->is_terminal) {
        const double clock = cli_clock_s();
        if (!is_last && !now->is_evaluation && clock - p->drawn_s < 0.1) { return; }
        p->drawn_s = clock;
        p->is_drawn = true;
        draw_bar(p, now);
        return;
    }
    const uint64_t every = now->max_iteration > PLAIN_LINES ? now->max_iteration / PLAIN_LINES : 1;
    if (now->is_evaluation || is_last || now->iteration % every == 0) { print_line(p, now); }
}

void cli_progress_count(cli_progress *p, uint64_t done, uint64_t total, const char *text) {
    char bar[BAR_CELLS + 1];
    const double clock = cli_clock_s();
    if (!p->is_terminal || clock - p->drawn_s < 0.1) { return; }
    p->drawn_s = clock;
    p->is_drawn = true;
    fill_bar(bar, done, total);
    fprintf(stderr, "\r\033[K%s%s[%s] %" PRIu64 "/%" PRIu64 "  %s", p->title,
            p->title[0] ? " " : "", bar, done, total, text);
    fflush(stderr);
}

void cli_progress_erase(cli_progress *p) {
    if (p->is_drawn) { fputs("\r\033[K", stderr); }
    p->is_drawn = false;
    p->drawn_s = 0;
}

void cli_progress_clear(cli_progress *p) {
    if (p->is_drawn) { fputs("\n", stderr); }
    p->is_drawn = false;
}

void cli_log_line(void *context, rep_log_level level, const char *text) {
    cli_progress *p = context;
    if (level == REP_LOG_DEBUG) { return; }
    if (level == REP_LOG_INFO && p != NULL && p->is_quiet) { return; }
    /* A log line takes the bar's place; the bar is redrawn below it. */
    if (p != NULL && p->is_drawn) { fputs("\r\033[K", stderr); }
    fprintf(stderr, "%s%s\n", level == REP_LOG_WARNING ? "warning: " : "", text);
}
