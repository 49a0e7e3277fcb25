/* voc_xml.h - one annotation file of a Pascal VOC set. */
#ifndef REP_DATA_VOC_XML_H
#define REP_DATA_VOC_XML_H

#include "data/data.h"

enum { REP_VOC_TEXT_BYTES = 256 };

typedef struct rep_voc_object {
    char name[REP_VOC_TEXT_BYTES];
    double xmin, ymin, xmax, ymax; /* as the file has them: 1-based, inclusive */
    bool is_difficult;
} rep_voc_object;

typedef struct rep_voc_picture {
    char file_name[REP_VOC_TEXT_BYTES]; /* "" where the file says none */
    int32_t width, height;
    rep_voc_object *objects; /* owned */
    size_t object_count, object_room;
} rep_voc_picture;

/* Reads root/Annotations/<name>.xml: `path` is that. Parts within objects are passed over. Errors:
 * REP_ERR_IO; REP_ERR_DATA with line for bad XML and a document type, with the object's number for
 * what it lacks. */
REP_NODISCARD rep_status rep_voc_xml_read(rep_voc_picture *out, const char *path);
void rep_voc_picture_clear(rep_voc_picture *picture);

#endif
