/* test_images.c - decoding JPEG and PNG, EXIF, resizing, PNG encoding; damaged bytes of each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

#include "base/base.h"
#include "check.h"
#include "data/data.h"

typedef struct byte_buffer {
    uint8_t *bytes;
    size_t count;
} byte_buffer;

/* ---- making files -----------------------------------------------------------------------------
 */

/* EXIF with one directory of two entries, orientation second; both byte orders. */
static size_t make_exif(uint8_t *out, int orientation, bool is_big_endian) {
    static const uint8_t little[] = {'I', 'I', 42, 0, 8, 0,   0, 0, 2, 0,    0x0F, 1, 2,
                                     0,   1,   0,  0, 0, 'x', 0, 0, 0, 0x12, 1,    3, 0,
                                     1,   0,   0,  0, 0, 0,   0, 0, 0, 0,    0,    0};
    static const uint8_t big[] = {'M', 'M', 0, 42, 0, 0,   0, 8, 0, 2, 1,    0x0F, 0,
                                  2,   0,   0, 0,  1, 'x', 0, 0, 0, 1, 0x12, 0,    3,
                                  0,   0,   0, 1,  0, 0,   0, 0, 0, 0, 0,    0};
    memcpy(out, is_big_endian ? big : little, sizeof little);
    out[is_big_endian ? 31 : 30] = (uint8_t)orientation;
    return sizeof little;
}

typedef struct jpeg_spec {
    int width, height, components;
    J_COLOR_SPACE in_space, stored_space;
    bool is_progressive, has_no_adobe;
    int orientation; /* 0: no EXIF */
} jpeg_spec;

static byte_buffer make_jpeg(const jpeg_spec *spec, const uint8_t *pixels) {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    unsigned char *bytes = NULL;
    unsigned long count = 0;
    jpeg_mem_dest(&cinfo, &bytes, &count);
    cinfo.image_width = (JDIMENSION)spec->width;
    cinfo.image_height = (JDIMENSION)spec->height;
    cinfo.input_components = spec->components;
    cinfo.in_color_space = spec->in_space;
    jpeg_set_defaults(&cinfo);
    jpeg_set_colorspace(&cinfo, spec->stored_space);
    jpeg_set_quality(&cinfo, 100, TRUE);
    for (int i = 0; i < spec->components; i++) {
        cinfo.comp_info[i].h_samp_factor = cinfo.comp_info[i].v_samp_factor = 1;
    }
    if (spec->has_no_adobe) { cinfo.write_Adobe_marker = FALSE; }
    if (spec->is_progressive) { jpeg_simple_progression(&cinfo); }
    jpeg_start_compress(&cinfo, TRUE);
    if (spec->orientation) {
        uint8_t marker[64] = "Exif\0";
        const size_t exif = make_exif(marker + 6, spec->orientation, spec->orientation & 1);
        jpeg_write_marker(&cinfo, JPEG_APP0 + 1, marker, (unsigned)(6 + exif));
    }
    while (cinfo.next_scanline < cinfo.image_height) {
        const size_t start = (size_t)cinfo.next_scanline * (size_t)(spec->width * spec->components);
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + start);
        (void)jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return (byte_buffer){bytes, count};
}

typedef struct png_spec {
    uint32_t width, height;
    int depth, type;
    bool is_interlaced, has_transparency;
    int orientation;
} png_spec;

static void append_bytes(png_structp png, png_bytep bytes, size_t count) {
    byte_buffer *out = png_get_io_ptr(png);
    out->bytes = realloc(out->bytes, out->count + count);
    assert_non_null(out->bytes);
    memcpy(out->bytes + out->count, bytes, count);
    out->count += count;
}

static void flush_nothing(png_structp png) { (void)png; }

/* rows: packed as PNG stores them, `stride` bytes each. */
static byte_buffer make_png(const png_spec *spec, const uint8_t *rows, size_t stride) {
    byte_buffer out = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &out, append_bytes, flush_nothing);
    png_set_IHDR(png, info, spec->width, spec->height, spec->depth, spec->type,
                 spec->is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    const png_color palette[4] = {{0, 0, 0}, {200, 100, 50}, {10, 20, 30}, {255, 255, 255}};
    const png_byte alpha[2] = {255, 128};
    if (spec->type == PNG_COLOR_TYPE_PALETTE) { png_set_PLTE(png, info, palette, 4); }
    if (spec->has_transparency) { png_set_tRNS(png, info, alpha, 2, NULL); }
    uint8_t exif[64];
    if (spec->orientation) {
        png_set_eXIf_1(png, info, (png_uint_32)make_exif(exif, spec->orientation, true), exif);
    }
    png_write_info(png, info);
    png_bytep pointers[64];
    assert_true(spec->height <= 64);
    for (uint32_t y = 0; y < spec->height; y++) {
        pointers[y] = (png_bytep)(uintptr_t)(rows + y * stride);
    }
    png_write_image(png, pointers);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return out;
}

static void check_near(int found, int wanted, int tolerance) {
    if (abs(found - wanted) > tolerance) { fail_msg("found %d, wanted %d", found, wanted); }
}

static void fill_flat(uint8_t *pixels, size_t count, const uint8_t *colour, size_t channels) {
    for (size_t i = 0; i < count * channels; i++) { pixels[i] = colour[i % channels]; }
}

/* ---- JPEG -------------------------------------------------------------------------------------
 */

static void test_jpeg_colours(void **state) {
    (void)state;
    /* Stored ink: 255 - CMYK for Adobe. (40, 90, 200) with black 255 (none) and 128. */
    static const struct {
        jpeg_spec spec;
        uint8_t in[4], rgb[3];
    } cases[] = {
        {{8, 8, 3, JCS_RGB, JCS_YCbCr, false, false, 0}, {200, 100, 50}, {200, 100, 50}},
        {{8, 8, 3, JCS_RGB, JCS_YCbCr, true, false, 0}, {20, 180, 250}, {20, 180, 250}},
        {{8, 8, 3, JCS_RGB, JCS_RGB, false, false, 0}, {7, 77, 177}, {7, 77, 177}},
        {{8, 8, 1, JCS_GRAYSCALE, JCS_GRAYSCALE, false, false, 0}, {123}, {123, 123, 123}},
        {{8, 8, 4, JCS_CMYK, JCS_CMYK, false, false, 0}, {40, 90, 200, 128}, {20, 45, 100}},
        {{8, 8, 4, JCS_CMYK, JCS_YCCK, false, false, 0}, {40, 90, 200, 255}, {40, 90, 200}},
        {{8, 8, 4, JCS_CMYK, JCS_CMYK, false, true, 0}, {215, 165, 55, 127}, {20, 45, 100}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t pixels[8 * 8 * 4];
        fill_flat(pixels, 64, cases[i].in, (size_t)cases[i].spec.components);
        const byte_buffer file = make_jpeg(&cases[i].spec, pixels);
        rep_image colour = {0}, grey = {0};
        CHECK_OK(rep_image_decode(&colour, "x.jpg", file.bytes, file.count, 3));
        CHECK_OK(rep_image_decode(&grey, "x.jpg", file.bytes, file.count, 1));
        assert_int_equal(colour.width, 8);
        assert_int_equal(colour.height, 8);
        assert_int_equal(colour.channels, 3);
        assert_int_equal(grey.channels, 1);
        const uint8_t *rgb = cases[i].rgb;
        const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        /* Flat blocks at quality 100: one step of YCbCr rounding, under 2 in a channel. */
        for (size_t p = 0; p < 64; p++) {
            for (size_t c = 0; c < 3; c++) { check_near(colour.pixels[3 * p + c], rgb[c], 2); }
            check_near(grey.pixels[p], (int)lround(luma), 2);
        }
        rep_image_clear(&colour);
        rep_image_clear(&grey);
        free(file.bytes);
    }
}

/* A 16 x 24 picture of six 8 x 8 blocks with values 10, 50, 90, ... row by row. */
enum { BLOCKS_WIDE = 2, BLOCKS_HIGH = 3 };
static void fill_blocks(uint8_t *pixels) {
    for (int y = 0; y < 24; y++) {
        for (int x = 0; x < 16; x++) {
            pixels[16 * y + x] = (uint8_t)(10 + 40 * (y / 8 * BLOCKS_WIDE + x / 8));
        }
    }
}

static void check_blocks(const rep_image *image, const int *order, bool is_turned) {
    const int wide = is_turned ? BLOCKS_HIGH : BLOCKS_WIDE;
    const int high = is_turned ? BLOCKS_WIDE : BLOCKS_HIGH;
    assert_int_equal(image->width, 8 * wide);
    assert_int_equal(image->height, 8 * high);
    for (int b = 0; b < wide * high; b++) {
        const int y = 8 * (b / wide) + 4, x = 8 * (b % wide) + 4;
        check_near(image->pixels[y * image->width + x], 10 + 40 * order[b], 2);
    }
}

/* Blocks in display order, worked out by hand from the EXIF table (row 0 / column 0 are ...). */
static const int block_orders[9][6] = {
    {0},
    {0, 1, 2, 3, 4, 5}, /* top left */
    {1, 0, 3, 2, 5, 4}, /* top right: mirrored */
    {5, 4, 3, 2, 1, 0}, /* bottom right: half a turn */
    {4, 5, 2, 3, 0, 1}, /* bottom left: upside down mirrored */
    {0, 2, 4, 1, 3, 5}, /* left top: transposed */
    {4, 2, 0, 5, 3, 1}, /* right top: to be turned clockwise */
    {5, 3, 1, 4, 2, 0}, /* right bottom */
    {1, 3, 5, 0, 2, 4}, /* left bottom: to be turned anticlockwise */
};

static void test_orientation(void **state) {
    (void)state;
    uint8_t pixels[16 * 24];
    fill_blocks(pixels);
    for (int orientation = 1; orientation <= 8; orientation++) {
        const jpeg_spec jpeg = {.width = 16,
                                .height = 24,
                                .components = 1,
                                .in_space = JCS_GRAYSCALE,
                                .stored_space = JCS_GRAYSCALE,
                                .orientation = orientation};
        const png_spec png = {.width = 16,
                              .height = 24,
                              .depth = 8,
                              .type = PNG_COLOR_TYPE_GRAY,
                              .orientation = orientation};
        const byte_buffer files[2] = {make_jpeg(&jpeg, pixels), make_png(&png, pixels, 16)};
        for (int i = 0; i < 2; i++) {
            rep_image image = {0};
            CHECK_OK(rep_image_decode(&image, "x", files[i].bytes, files[i].count, 1));
            check_blocks(&image, block_orders[orientation], orientation >= 5);
            rep_image_clear(&image);
            free(files[i].bytes);
        }
    }
}

/* libjpeg's size of a side at m / 8. */
static int32_t scaled_side(int32_t side, int32_t parts) { return (side * parts + 7) / 8; }

static void check_scaled(const byte_buffer *file, bool is_turned, int32_t least_width,
                         int32_t least_height) {
    const int32_t full[2] = {is_turned ? 40 : 61, is_turned ? 61 : 40};
    int32_t parts = 1;
    while (parts < 8 && (scaled_side(full[0], parts) < least_width ||
                         scaled_side(full[1], parts) < least_height)) {
        parts++;
    }
    rep_image image = {0};
    rep_image_scaling scaling = {.least_width = least_width, .least_height = least_height};
    CHECK_OK(rep_image_decode_scaled(&image, &scaling, "x", file->bytes, file->count, 1));
    assert_true(scaling.full_width == full[0] && scaling.full_height == full[1]);
    assert_int_equal(image.width, scaled_side(full[0], parts));
    assert_int_equal(image.height, scaled_side(full[1], parts));
    /* The outermost pixels hold what the encoder made up to fill its blocks. */
    for (int32_t y = 1; y + 1 < image.height; y++) {
        for (int32_t x = 1; x + 1 < image.width; x++) {
            const double at_x = (x + 0.5) * 8 / parts - 0.5, at_y = (y + 0.5) * 8 / parts - 0.5;
            /* Orientation 6: the stored row is the column counted from the right. */
            const double column = is_turned ? at_y : at_x;
            const double row = is_turned ? 8.0 * image.width / parts - 1 - at_x : at_y;
            check_near(image.pixels[y * image.width + x], (int)lround(2 * column + 3 * row), 2);
        }
    }
    rep_image_clear(&image);
}

static void test_jpeg_comes_near_the_size_wanted(void **state) {
    (void)state;
    uint8_t pixels[61 * 40];
    for (int i = 0; i < 61 * 40; i++) { pixels[i] = (uint8_t)(2 * (i % 61) + 3 * (i / 61)); }
    for (int turn = 0; turn < 2; turn++) {
        const jpeg_spec spec = {.width = 61,
                                .height = 40,
                                .components = 1,
                                .in_space = JCS_GRAYSCALE,
                                .stored_space = JCS_GRAYSCALE,
                                .is_progressive = turn == 1,
                                .orientation = turn ? 6 : 1};
        const byte_buffer file = make_jpeg(&spec, pixels);
        for (int32_t least = 1; least <= 70; least++) {
            check_scaled(&file, turn, least, 1);
            check_scaled(&file, turn, 1, least);
        }
        free(file.bytes);
    }
}

static void test_damaged_exif_means_upright(void **state) {
    (void)state;
    uint8_t exif[64];
    for (int big = 0; big < 2; big++) {
        const size_t count = make_exif(exif, 6, big);
        assert_int_equal(rep_exif_orientation(exif, count), 6);
        /* The entry ends 4 bytes before the block does (next directory's offset). */
        for (size_t cut = 0; cut < count - 4; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees a read beyond */
            assert_non_null(copy);
            memcpy(copy, exif, cut);
            assert_int_equal(rep_exif_orientation(copy, cut), 1);
            free(copy);
        }
        make_exif(exif, 9, big);
        assert_int_equal(rep_exif_orientation(exif, count), 1);
    }
    rep_rng rng;
    rep_rng_init(&rng, 3, 0);
    for (int round = 0; round < 20000; round++) {
        const size_t count = make_exif(exif, 6, round & 1);
        for (int i = 0; i < 3; i++) {
            exif[rep_rng_below(&rng, (uint32_t)count)] = (uint8_t)rep_rng_next(&rng);
        }
        const int found = rep_exif_orientation(exif, count);
        assert_true(found >= 1 && found <= 8);
    }
}

/* ---- PNG --------------------------------------------------------------------------------------
 */

static void check_png(const png_spec *spec, const uint8_t *rows, size_t stride,
                      const uint8_t *rgb) {
    const byte_buffer file = make_png(spec, rows, stride);
    rep_image image = {0};
    CHECK_OK(rep_image_decode(&image, "x.png", file.bytes, file.count, 3));
    assert_int_equal(image.width, spec->width);
    assert_int_equal(image.height, spec->height);
    assert_memory_equal(image.pixels, rgb, 3 * (size_t)spec->width * spec->height);
    rep_image_clear(&image);
    free(file.bytes);
}

static void test_png_types(void **state) {
    (void)state;
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        const bool i = interlaced;
        check_png(&(png_spec){3, 1, 1, PNG_COLOR_TYPE_GRAY, i, false, 0}, (uint8_t[]){0xA0}, 1,
                  (uint8_t[]){255, 255, 255, 0, 0, 0, 255, 255, 255});
        check_png(&(png_spec){2, 1, 4, PNG_COLOR_TYPE_GRAY, i, false, 0}, (uint8_t[]){0x5F}, 1,
                  (uint8_t[]){85, 85, 85, 255, 255, 255});
        check_png(&(png_spec){2, 2, 8, PNG_COLOR_TYPE_RGB, i, false, 0},
                  (uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 6,
                  (uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
        /* 16 bit rounds to v / 257: 0x807F is 127.996, 0x00FF 0.99. */
        check_png(&(png_spec){1, 1, 16, PNG_COLOR_TYPE_RGB, i, false, 0},
                  (uint8_t[]){0x80, 0x7F, 0x00, 0xFF, 0xFF, 0xFF}, 6, (uint8_t[]){128, 1, 255});
        check_png(&(png_spec){4, 1, 2, PNG_COLOR_TYPE_PALETTE, i, false, 0}, (uint8_t[]){0x1B}, 1,
                  (uint8_t[]){0, 0, 0, 200, 100, 50, 10, 20, 30, 255, 255, 255});
        /* Palette entry 1 is half transparent: 200 * 128 / 255 = 100.4. */
        check_png(&(png_spec){4, 1, 2, PNG_COLOR_TYPE_PALETTE, i, true, 0}, (uint8_t[]){0x1B}, 1,
                  (uint8_t[]){0, 0, 0, 100, 50, 25, 10, 20, 30, 255, 255, 255});
        check_png(&(png_spec){2, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, i, false, 0},
                  (uint8_t[]){200, 100, 50, 0, 200, 100, 50, 51}, 8,
                  (uint8_t[]){0, 0, 0, 40, 20, 10});
        check_png(&(png_spec){1, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, i, false, 0},
                  (uint8_t[]){100, 102}, 2, (uint8_t[]){40, 40, 40});
    }
}

static void test_png_round_trip(void **state) {
    (void)state;
    for (int32_t channels = 1; channels <= 3; channels += 2) {
        rep_image in = {0}, out = {0};
        CHECK_OK(rep_image_init(&in, "x", 37, 23, channels));
        for (size_t i = 0; i < (size_t)(37 * 23 * channels); i++) {
            in.pixels[i] = (uint8_t)(i * 2654435761u >> 24);
        }
        byte_buffer file;
        CHECK_OK(rep_image_encode_png(&file.bytes, &file.count, &in));
        CHECK_OK(rep_image_decode(&out, "x.png", file.bytes, file.count, channels));
        assert_memory_equal(in.pixels, out.pixels, (size_t)(37 * 23 * channels));
        free(file.bytes);
        rep_image_clear(&in);
        rep_image_clear(&out);
    }
    uint8_t *bytes = NULL;
    size_t count = 0;
    CHECK_FAILS(rep_image_encode_png(&bytes, &count, &(rep_image){1, 1, 2, NULL}), REP_ERR_ARGUMENT,
                "wanted 1 or 3");
}

/* ---- damage -----------------------------------------------------------------------------------
 */

static byte_buffer sample_file(int kind) {
    uint8_t pixels[16 * 24 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) { pixels[i] = (uint8_t)(i * i >> 3); }
    const jpeg_spec jpeg = {16, 24, 3, JCS_RGB, JCS_YCbCr, kind == 1, false, 6};
    const png_spec png = {16, 24, 8, PNG_COLOR_TYPE_RGB, kind == 3, false, 6};
    return kind < 2 ? make_jpeg(&jpeg, pixels) : make_png(&png, pixels, 48);
}

static void test_every_prefix_fails(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const byte_buffer file = sample_file(kind);
        rep_image image = {0};
        for (size_t cut = 0; cut < file.count; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1);
            assert_non_null(copy);
            memcpy(copy, file.bytes, cut);
            CHECK_FAILS(rep_image_decode(&image, "cut.jpg", copy, cut, 3), REP_ERR_DATA,
                        "cut.jpg: ");
            assert_null(image.pixels);
            free(copy);
        }
        CHECK_OK(rep_image_decode(&image, "x", file.bytes, file.count, 3));
        rep_image_clear(&image);
        free(file.bytes);
    }
}

static void test_flipped_bytes_never_crash(void **state) {
    (void)state;
    rep_rng rng;
    rep_rng_init(&rng, 11, 0);
    size_t refused = 0;
    for (int kind = 0; kind < 4; kind++) {
        const byte_buffer file = sample_file(kind);
        uint8_t *copy = malloc(file.count);
        assert_non_null(copy);
        for (int round = 0; round < 3000; round++) {
            memcpy(copy, file.bytes, file.count);
            const uint32_t flips = 1 + rep_rng_below(&rng, 4);
            for (uint32_t i = 0; i < flips; i++) {
                const uint32_t place = 4 + rep_rng_below(&rng, (uint32_t)file.count - 4);
                copy[place] = (uint8_t)rep_rng_next(&rng);
            }
            rep_image image = {0};
            const rep_status status = rep_image_decode(&image, "x", copy, file.count, 3);
            /* A JPEG carries no checksum: damage may decode to another picture. */
            assert_true(status == REP_OK || status == REP_ERR_DATA);
            refused += status != REP_OK;
            rep_image_clear(&image);
        }
        free(copy);
        free(file.bytes);
    }
    assert_true(refused > 3000); /* of 12,000; PNG's checksums refuse nearly all of theirs */
}

static void test_absurd_sizes_are_refused(void **state) {
    (void)state;
    rep_image image = {0};
    byte_buffer file = sample_file(0);
    size_t frame = 0; /* the start-of-frame marker: FF C0, length, precision, height, width */
    while (!(file.bytes[frame] == 0xFF && file.bytes[frame + 1] == 0xC0)) { frame++; }
    memset(file.bytes + frame + 5, 0xFF, 4);
    CHECK_FAILS(rep_image_decode(&image, "big.jpg", file.bytes, file.count, 3), REP_ERR_DATA,
                "big.jpg: ");
    file.bytes[frame + 5] = file.bytes[frame + 7] = 0x60; /* 24,831 squared: JPEG allows it */
    CHECK_FAILS(rep_image_decode(&image, "big.jpg", file.bytes, file.count, 3), REP_ERR_DATA,
                "megapixels");
    free(file.bytes);
    static const uint8_t header[] = {0x89, 'P', 'N', 'G', 13,  10, 26, 10, 0, 0, 0,
                                     13,   'I', 'H', 'D', 'R', 0,  1,  0,  0, 0, 1,
                                     0,    0,   8,   2,   0,   0,  0,  0,  0, 0, 0};
    CHECK_FAILS(rep_image_decode(&image, "big.png", header, sizeof header, 3), REP_ERR_DATA,
                "big.png: ");
    CHECK_FAILS(rep_image_decode(&image, "x.gif", (const uint8_t *)"GIF89a", 6, 3), REP_ERR_DATA,
                "neither a JPEG nor a PNG");
    CHECK_FAILS(rep_image_decode(&image, "x", header, sizeof header, 2), REP_ERR_ARGUMENT,
                "wanted 1 or 3");
    CHECK_FAILS(rep_image_load(&image, "/nonexistent/x.jpg", 3), REP_ERR_IO, "/nonexistent/x.jpg");
}

/* ---- resizing ---------------------------------------------------------------------------------
 */

static void check_resize(const uint8_t *in, int32_t from, const uint8_t *wanted, int32_t to) {
    /* Along a row and along a column. */
    for (int turn = 0; turn < 2; turn++) {
        const rep_image image = {turn ? 1 : from, turn ? from : 1, 1, (uint8_t *)(uintptr_t)in};
        rep_image out = {0};
        CHECK_OK(rep_image_resize(&out, &image, turn ? 1 : to, turn ? to : 1));
        assert_memory_equal(out.pixels, wanted, (size_t)to);
        rep_image_clear(&out);
    }
}

static void test_resize_known_values(void **state) {
    (void)state;
    check_resize((uint8_t[]){3, 250, 0, 7}, 4, (uint8_t[]){3, 250, 0, 7}, 4);
    /* Twice as large: quarters between neighbours, ends repeated. */
    check_resize((uint8_t[]){0, 100}, 2, (uint8_t[]){0, 25, 75, 100}, 4);
    /* Half as large: triangle of half width 2 over samples at distance .5, .5, 1.5, 1.5, weights
     * 3 : 3 : 1 : 1, cut at the ends: (3 * 0 + 3 * 80 + 160) / 7 = 57.1, (80 + 3 * 160 + 3 * 240) /
     * 7 = 182.9. */
    check_resize((uint8_t[]){0, 80, 160, 240}, 4, (uint8_t[]){57, 183}, 2);
    /* Three to one, weights 2 : 3 : 2: 260 / 7 = 37.1. */
    check_resize((uint8_t[]){10, 20, 90}, 3, (uint8_t[]){37}, 1);
    rep_image flat = {0}, out = {0};
    CHECK_OK(rep_image_init(&flat, "x", 61, 47, 3));
    fill_flat(flat.pixels, 61 * 47, (uint8_t[]){255, 17, 0}, 3);
    CHECK_OK(rep_image_resize(&out, &flat, 13, 90));
    for (size_t i = 0; i < 13 * 90; i++) {
        assert_int_equal(out.pixels[3 * i], 255);
        assert_int_equal(out.pixels[3 * i + 1], 17);
        assert_int_equal(out.pixels[3 * i + 2], 0);
    }
    rep_image_clear(&out);
    CHECK_FAILS(rep_image_resize(&out, &flat, 0, 5), REP_ERR_ARGUMENT, "at least 1 x 1");
    rep_image_clear(&flat);
}

static void test_resize_part_stays_inside(void **state) {
    (void)state;
    /* 4 x 4, value 16 * row + column; the middle 2 x 2 unscaled. */
    uint8_t pixels[16];
    for (int i = 0; i < 16; i++) { pixels[i] = (uint8_t)(i / 4 * 16 + i % 4); }
    const rep_image in = {4, 4, 1, pixels};
    rep_image out = {0};
    CHECK_OK(rep_image_resize_part(&out, &in, (rep_rect){1, 1, 2, 2}, 2, 2));
    assert_memory_equal(out.pixels, ((uint8_t[]){17, 18, 33, 34}), 4);
    rep_image_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_colours),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_jpeg_comes_near_the_size_wanted),
        cmocka_unit_test(test_damaged_exif_means_upright),
        cmocka_unit_test(test_png_types),
        cmocka_unit_test(test_png_round_trip),
        cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_flipped_bytes_never_crash),
        cmocka_unit_test(test_absurd_sizes_are_refused),
        cmocka_unit_test(test_resize_known_values),
        cmocka_unit_test(test_resize_part_stays_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
