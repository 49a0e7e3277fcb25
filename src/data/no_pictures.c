/* no_pictures.c - stands in for folder.c and what decodes pictures (image.c, jpeg.c, png.c) in a
 * build without libjpeg and libpng. */
#include "data/data.h"

rep_status rep_folder_open(rep_dataset *set, const rep_dataset_options *options) {
    (void)set;
    return rep_fail(REP_ERR_DATA,
                    "data set folder: %s: this build cannot decode pictures; take a build with "
                    "libjpeg and libpng, or IDX files (DATASETS.NAME idx)",
                    options->root);
}
