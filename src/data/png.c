/* png.c - decodes and encodes PNG with libpng.
 *
 * Decoding: any colour type and depth to 8-bit grey or RGB; 16 bit is rounded, transparency is laid
 * over black, gamma is left alone (as the common Python tools do, so that data look the same).
 * libpng leaves by longjmp; all that lives across it is in one struct outside the function that
 * calls setjmp, so no local variable can be clobbered. */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

/* Ancillary chunks are text and profiles: a few megabytes serve any honest file. */
enum { MAX_CHUNK_BYTES = 8 << 20, MAX_CHUNKS = 1000 };

typedef struct png_job {
    png_structp png;
    png_infop info;
    const char *name;
    rep_status status;
    /* decoding */
    const uint8_t *bytes;
    size_t count, used;
    uint8_t *raw; /* decoded pixels with alpha */
    png_bytep *rows;
    rep_image image;
    /* encoding */
    uint8_t *out;
    size_t out_count, out_capacity;
} png_job;

static _Noreturn void fail_and_escape(png_structp png, png_const_charp text) {
    png_job *job = png_get_error_ptr(png);
    if (job->bytes) {
        job->status = rep_fail(REP_ERR_DATA,
                               "%s: damaged PNG near byte %zu of %zu (%s); replace or remove it",
                               job->name, job->used, job->count, text);
    } else {
        job->status = rep_fail(REP_ERR_MEMORY, "%s: cannot be encoded (%s)", job->name, text);
    }
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

/* ---- decoding ---------------------------------------------------------------------------------
 */

static void read_bytes(png_structp png, png_bytep out, size_t count) {
    png_job *job = png_get_io_ptr(png);
    if (job->count - job->used < count) {
        job->used = job->count;
        png_error(png, "the file ends early");
    }
    memcpy(out, job->bytes + job->used, count);
    job->used += count;
}

/* Asks for 8-bit grey + alpha or RGB + alpha; returns 2 or 4. */
static uint32_t set_transforms(png_job *job) {
    png_structp png = job->png;
    const int depth = png_get_bit_depth(png, job->info);
    const int type = png_get_color_type(png, job->info);
    if (depth == 16) { png_set_scale_16(png); }
    png_set_expand(png); /* palette, small depths and transparent colours */
    png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, job->info);
    return type & PNG_COLOR_MASK_COLOR ? 4 : 2;
}

static void lay_over_black(png_job *job, uint32_t raw_channels) {
    const size_t count = (size_t)job->image.width * (size_t)job->image.height;
    const uint32_t colours = raw_channels - 1;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *in = job->raw + i * raw_channels;
        for (uint32_t c = 0; c < colours; c++) {
            job->image.pixels[i * colours + c] = (uint8_t)((in[c] * in[colours] + 127u) / 255u);
        }
    }
}

static void read_orientation(png_job *job, int *orientation) {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 count = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(job->png, job->info, &count, &exif) && exif) {
        *orientation = rep_exif_orientation(exif, count);
    }
#else
    (void)job;
    (void)orientation;
#endif
}

/* Runs inside setjmp: every libpng call may leave by longjmp. */
static void decode(png_job *job, int *orientation) {
    png_structp png = job->png;
    png_set_read_fn(png, job, read_bytes);
    png_set_user_limits(png, REP_IMAGE_MEGAPIXELS * 1000000, REP_IMAGE_MEGAPIXELS * 1000000);
    png_set_chunk_malloc_max(png, MAX_CHUNK_BYTES);
    png_set_chunk_cache_max(png, MAX_CHUNKS);
    png_read_info(png, job->info);
    const uint32_t width = png_get_image_width(png, job->info);
    const uint32_t height = png_get_image_height(png, job->info);
    const uint32_t raw_channels = set_transforms(job);
    job->status = rep_image_init(&job->image, job->name, width, height, (int32_t)raw_channels - 1);
    if (job->status != REP_OK) { return; }
    const size_t stride = png_get_rowbytes(png, job->info);
    if (stride != (size_t)width * raw_channels) { png_error(png, "unexpected row size"); }
    job->raw = malloc(stride * height);
    job->rows = malloc(height * sizeof *job->rows);
    if (!job->raw || !job->rows) {
        job->status = rep_fail(REP_ERR_MEMORY, "%s: no memory to decode it", job->name);
        return;
    }
    for (uint32_t y = 0; y < height; y++) { job->rows[y] = job->raw + y * stride; }
    png_read_image(png, job->rows);
    png_read_end(png, job->info); /* to the last chunk, so that a cut file is noticed */
    read_orientation(job, orientation);
    lay_over_black(job, raw_channels);
}

static void try_to_decode(png_job *job, int *orientation) {
    if (setjmp(png_jmpbuf(job->png)) == 0) { decode(job, orientation); }
}

rep_status rep_png_decode(rep_image *out, int *orientation, const char *name, const uint8_t *bytes,
                          size_t count) {
    png_job job = {.name = name, .bytes = bytes, .count = count};
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, fail_and_escape, ignore_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info) {
        job.status = rep_fail(REP_ERR_MEMORY, "%s: no memory to decode it", name);
    } else {
        try_to_decode(&job, orientation);
    }
    png_destroy_read_struct(&job.png, &job.info, NULL);
    free(job.rows);
    free(job.raw);
    if (job.status != REP_OK) {
        rep_image_clear(&job.image);
        return job.status;
    }
    *out = job.image;
    return REP_OK;
}

/* ---- encoding ---------------------------------------------------------------------------------
 */

static void write_bytes(png_structp png, png_bytep bytes, size_t count) {
    png_job *job = png_get_io_ptr(png);
    if (job->out_capacity - job->out_count < count) {
        const size_t capacity = 2 * job->out_capacity + count + 1024;
        uint8_t *grown = realloc(job->out, capacity);
        if (!grown) { png_error(png, "out of memory"); }
        job->out = grown;
        job->out_capacity = capacity;
    }
    memcpy(job->out + job->out_count, bytes, count);
    job->out_count += count;
}

static void flush_nothing(png_structp png) { (void)png; }

/* Runs inside setjmp: every libpng call may leave by longjmp. */
static void encode(png_job *job, const rep_image *in) {
    png_set_write_fn(job->png, job, write_bytes, flush_nothing);
    png_set_IHDR(job->png, job->info, (png_uint_32)in->width, (png_uint_32)in->height, 8,
                 in->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    const size_t stride = (size_t)in->width * (size_t)in->channels;
    for (size_t y = 0; y < (size_t)in->height; y++) {
        png_write_row(job->png, in->pixels + y * stride);
    }
    png_write_end(job->png, NULL);
}

static void try_to_encode(png_job *job, const rep_image *in) {
    if (setjmp(png_jmpbuf(job->png)) == 0) { encode(job, in); }
}

rep_status rep_image_encode_png(uint8_t **out, size_t *count, const rep_image *in) {
    if (in->width < 1 || in->height < 1 || (in->channels != 1 && in->channels != 3)) {
        return rep_fail(REP_ERR_ARGUMENT, "PNG: a picture of %d x %d x %d, wanted 1 or 3 channels",
                        (int)in->width, (int)in->height, (int)in->channels);
    }
    png_job job = {.name = "PNG"};
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, fail_and_escape, ignore_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info) {
        job.status = rep_fail(REP_ERR_MEMORY, "PNG: no memory to encode a picture");
    } else {
        try_to_encode(&job, in);
    }
    png_destroy_write_struct(&job.png, &job.info);
    if (job.status != REP_OK) {
        free(job.out);
        return job.status;
    }
    *out = job.out;
    *count = job.out_count;
    return REP_OK;
}
