/* image.c - pictures from bytes: which decoder, how many channels, which way up. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

rep_status rep_image_init(rep_image *out, const char *name, uint32_t width, uint32_t height,
                          int32_t channels) {
    const uint64_t limit = (uint64_t)REP_IMAGE_MEGAPIXELS * 1000000;
    if (width == 0 || height == 0 || (uint64_t)width * height > limit) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %" PRIu32 " x %" PRIu32
                        " pixels, wanted 1 to %d megapixels; make it smaller or remove it",
                        name, width, height, REP_IMAGE_MEGAPIXELS);
    }
    uint8_t *pixels = calloc((size_t)width * height, (size_t)channels);
    if (!pixels) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for %" PRIu32 " x %" PRIu32 " pixels", name,
                        width, height);
    }
    *out = (rep_image){(int32_t)width, (int32_t)height, channels, pixels};
    return REP_OK;
}

void rep_image_clear(rep_image *image) {
    free(image->pixels);
    *image = (rep_image){0};
}

int32_t rep_pixel_bound(double x, int32_t most) {
    if (!(x > 0) || most < 0) { return 0; }
    return x >= most ? most : (int32_t)x;
}

/* Grey to colour repeats the value; colour to grey takes the luma of ITU-R BT.601 in 16-bit fixed
 * point, which JPEG's own grey channel is too. */
static rep_status change_channels(rep_image *image, const char *name, int32_t channels) {
    if (image->channels == channels) { return REP_OK; }
    rep_image out = {0};
    REP_TRY(rep_image_init(&out, name, (uint32_t)image->width, (uint32_t)image->height, channels));
    const size_t count = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < count; i++) {
        if (channels == 3) {
            memset(out.pixels + 3 * i, image->pixels[i], 3);
        } else {
            const uint8_t *p = image->pixels + 3 * i;
            const uint32_t luma = 19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u;
            out.pixels[i] = (uint8_t)(luma >> 16);
        }
    }
    rep_image_clear(image);
    *image = out;
    return REP_OK;
}

/* Turns a picture the right way up. EXIF names where the stored row 0 and column 0 belong: 2 to 4
 * mirror within the frame, 5 to 8 swap rows and columns first. */
static rep_status apply_orientation(rep_image *image, const char *name, int orientation) {
    if (orientation <= 1 || orientation > 8) { return REP_OK; }
    const bool is_swapped = rep_orientation_swaps(orientation);
    const bool is_mirrored_x =
        orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    const bool is_mirrored_y =
        orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    const int32_t width = is_swapped ? image->height : image->width;
    const int32_t height = is_swapped ? image->width : image->height;
    rep_image out = {0};
    REP_TRY(rep_image_init(&out, name, (uint32_t)width, (uint32_t)height, image->channels));
    const size_t bytes = (size_t)image->channels;
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            const int32_t u = is_mirrored_x ? width - 1 - x : x;
            const int32_t v = is_mirrored_y ? height - 1 - y : y;
            const int32_t row = is_swapped ? u : v, column = is_swapped ? v : u;
            memcpy(out.pixels + ((size_t)y * (size_t)width + (size_t)x) * bytes,
                   image->pixels + ((size_t)row * (size_t)image->width + (size_t)column) * bytes,
                   bytes);
        }
    }
    rep_image_clear(image);
    *image = out;
    return REP_OK;
}

rep_status rep_image_decode_scaled(rep_image *out, rep_image_scaling *scaling, const char *name,
                                   const uint8_t *bytes, size_t count, int32_t channels) {
    static const uint8_t jpeg_magic[] = {0xFF, 0xD8, 0xFF}, png_magic[] = {0x89, 'P', 'N', 'G'};
    if (channels != 1 && channels != 3) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: %" PRId32 " channels asked for, wanted 1 or 3", name,
                        channels);
    }
    rep_image image = {0};
    int orientation = 1;
    if (count >= sizeof jpeg_magic && memcmp(bytes, jpeg_magic, sizeof jpeg_magic) == 0) {
        REP_TRY(rep_jpeg_decode(&image, &orientation, scaling, name, bytes, count));
    } else if (count >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0) {
        REP_TRY(rep_png_decode(&image, &orientation, name, bytes, count));
        const bool is_swapped = rep_orientation_swaps(orientation);
        scaling->full_width = is_swapped ? image.height : image.width;
        scaling->full_height = is_swapped ? image.width : image.height;
    } else {
        return rep_fail(
            REP_ERR_DATA,
            "%s: byte 0 begins neither a JPEG nor a PNG picture (%zu bytes); convert or "
            "remove it",
            name, count);
    }
    rep_status status = change_channels(&image, name, channels);
    if (status == REP_OK) { status = apply_orientation(&image, name, orientation); }
    if (status != REP_OK) {
        rep_image_clear(&image);
        return status;
    }
    *out = image;
    return REP_OK;
}

rep_status rep_image_decode(rep_image *out, const char *name, const uint8_t *bytes, size_t count,
                            int32_t channels) {
    rep_image_scaling whole = {0};
    return rep_image_decode_scaled(out, &whole, name, bytes, count, channels);
}

rep_status rep_image_load_scaled(rep_image *out, rep_image_scaling *scaling, const char *path,
                                 int32_t channels) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status =
        rep_image_decode_scaled(out, scaling, path, view.bytes, view.count, channels);
    rep_file_close(&view);
    return status;
}

rep_status rep_image_load(rep_image *out, const char *path, int32_t channels) {
    rep_image_scaling whole = {0};
    return rep_image_load_scaled(out, &whole, path, channels);
}

rep_status rep_image_save_png(const char *path, const rep_image *in) {
    uint8_t *bytes = NULL;
    size_t count = 0;
    REP_TRY(rep_image_encode_png(&bytes, &count, in));
    const rep_status status = rep_file_write(path, bytes, count);
    free(bytes);
    return status;
}
