/* jpeg.c - decodes JPEG with libjpeg-turbo: grey, YCbCr, RGB, CMYK and YCCK; baseline or
 * progressive.
 *
 * libjpeg reports an error by a call that must not return, so decoding runs inside one setjmp.
 * Everything that lives across it is in one struct outside the function that calls setjmp: no local
 * variable can be clobbered. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "data/data.h"

/* A progressive file may repeat scans over the whole picture at almost no cost in bytes; real ones
 * have about ten. */
enum { MAX_SCANS = 200, MEMORY_LIMIT_BYTES = 1 << 30, EXIF_PREFIX = 6, SCALE_PARTS = 8 };

typedef struct jpeg_job {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct cinfo;
    jmp_buf escape;
    const char *name;
    const uint8_t *bytes;
    size_t count;
    rep_image image;
    rep_image_scaling *scaling;
    uint8_t *row; /* one CMYK row, in libjpeg's own memory */
    rep_status status;
} jpeg_job;

static _Noreturn void fail_and_escape(j_common_ptr cinfo) {
    jpeg_job *job = cinfo->client_data;
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    const size_t place = job->cinfo.src ? job->count - job->cinfo.src->bytes_in_buffer : 0;
    job->status =
        cinfo->err->msg_code == JERR_OUT_OF_MEMORY
            ? rep_fail(REP_ERR_MEMORY, "%s: %s", job->name, text)
            : rep_fail(REP_ERR_DATA,
                       "%s: damaged JPEG near byte %zu of %zu (%s); replace or remove it",
                       job->name, place <= job->count ? place : job->count, job->count, text);
    longjmp(job->escape, 1);
}

/* libjpeg only warns of data that end early or do not decode, and makes up the rest in grey. Such a
 * picture would be learned from: it is refused. Other oddities are harmless. */
static void judge_message(j_common_ptr cinfo, int level) {
    if (level >= 0) { return; } /* traces */
    switch (cinfo->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        fail_and_escape(cinfo);
    default:
        cinfo->err->num_warnings++;
    }
}

static void count_scans(j_common_ptr cinfo) {
    jpeg_job *job = cinfo->client_data;
    if (job->cinfo.input_scan_number <= MAX_SCANS) { return; }
    job->status = rep_fail(REP_ERR_DATA, "%s: more than %d JPEG scans; replace or remove it",
                           job->name, MAX_SCANS);
    longjmp(job->escape, 1);
}

/* Adobe's programs store ink inverted (0 is full ink); a file without their marker does not. */
static void cmyk_to_rgb(const jpeg_job *job, uint8_t *out) {
    const uint32_t flip = job->cinfo.saw_Adobe_marker ? 0 : 255;
    for (size_t x = 0; x < job->cinfo.output_width; x++) {
        const uint8_t *ink = job->row + 4 * x;
        const uint32_t black = ink[3] ^ flip;
        for (size_t i = 0; i < 3; i++) {
            out[3 * x + i] = (uint8_t)(((ink[i] ^ flip) * black + 127) / 255);
        }
    }
}

static void read_orientation(const jpeg_job *job, int *orientation) {
    for (jpeg_saved_marker_ptr m = job->cinfo.marker_list; m; m = m->next) {
        if (m->marker == JPEG_APP0 + 1 && m->data_length > EXIF_PREFIX &&
            memcmp(m->data, "Exif\0\0", EXIF_PREFIX) == 0) {
            *orientation =
                rep_exif_orientation(m->data + EXIF_PREFIX, m->data_length - EXIF_PREFIX);
            return;
        }
    }
}

/* Sets the lowest scale m / 8 at which the picture is at least as large as wanted. */
static void choose_scale(jpeg_job *job, int orientation) {
    struct jpeg_decompress_struct *cinfo = &job->cinfo;
    rep_image_scaling *s = job->scaling;
    const bool is_swapped = rep_orientation_swaps(orientation);
    const int32_t width = (int32_t)cinfo->image_width, height = (int32_t)cinfo->image_height;
    s->full_width = is_swapped ? height : width;
    s->full_height = is_swapped ? width : height;
    if (s->least_width < 1 || s->least_height < 1) { return; }
    const JDIMENSION least_width = (JDIMENSION)(is_swapped ? s->least_height : s->least_width);
    const JDIMENSION least_height = (JDIMENSION)(is_swapped ? s->least_width : s->least_height);
    cinfo->scale_denom = SCALE_PARTS;
    for (cinfo->scale_num = 1; cinfo->scale_num < SCALE_PARTS; cinfo->scale_num++) {
        jpeg_calc_output_dimensions(cinfo);
        if (cinfo->output_width >= least_width && cinfo->output_height >= least_height) { return; }
    }
}

/* Runs inside setjmp: every libjpeg call may leave by longjmp. */
static void decode(jpeg_job *job, int *orientation) {
    struct jpeg_decompress_struct *cinfo = &job->cinfo;
    jpeg_create_decompress(cinfo);
    cinfo->mem->max_memory_to_use = MEMORY_LIMIT_BYTES;
    cinfo->progress = &job->progress;
    jpeg_mem_src(cinfo, job->bytes, (unsigned long)job->count);
    jpeg_save_markers(cinfo, JPEG_APP0 + 1, 0xFFFF);
    (void)jpeg_read_header(cinfo, TRUE);
    read_orientation(job, orientation);
    const bool is_grey = cinfo->jpeg_color_space == JCS_GRAYSCALE;
    const bool is_cmyk = cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
    cinfo->out_color_space = is_grey ? JCS_GRAYSCALE : is_cmyk ? JCS_CMYK : JCS_RGB;
    /* Exact and the same on every machine; the default may change with the library. */
    cinfo->dct_method = JDCT_ISLOW;
    choose_scale(job, *orientation);
    jpeg_calc_output_dimensions(cinfo);
    job->status = rep_image_init(&job->image, job->name, cinfo->output_width, cinfo->output_height,
                                 is_grey ? 1 : 3);
    if (job->status != REP_OK) { return; }
    (void)jpeg_start_decompress(cinfo);
    if (is_cmyk) {
        job->row = (*cinfo->mem->alloc_small)((j_common_ptr)cinfo, JPOOL_IMAGE,
                                              4 * (size_t)cinfo->output_width);
    }
    const size_t stride = (size_t)job->image.width * (size_t)job->image.channels;
    while (cinfo->output_scanline < cinfo->output_height) {
        uint8_t *out = job->image.pixels + cinfo->output_scanline * stride;
        JSAMPROW row = is_cmyk ? job->row : out;
        if (jpeg_read_scanlines(cinfo, &row, 1) == 1 && is_cmyk) { cmyk_to_rgb(job, out); }
    }
    (void)jpeg_finish_decompress(cinfo);
}

static void try_to_decode(jpeg_job *job, int *orientation) {
    if (setjmp(job->escape) == 0) { decode(job, orientation); }
}

rep_status rep_jpeg_decode(rep_image *out, int *orientation, rep_image_scaling *scaling,
                           const char *name, const uint8_t *bytes, size_t count) {
    jpeg_job job = {.name = name, .scaling = scaling, .bytes = bytes, .count = count};
    job.cinfo.err = jpeg_std_error(&job.errors);
    job.cinfo.client_data = &job;
    job.errors.error_exit = fail_and_escape;
    job.errors.emit_message = judge_message;
    job.progress.progress_monitor = count_scans;
    try_to_decode(&job, orientation);
    jpeg_destroy_decompress(&job.cinfo);
    if (job.status != REP_OK) {
        rep_image_clear(&job.image);
        return job.status;
    }
    *out = job.image;
    return REP_OK;
}
