/* data_sheet.h - the sheet of `repopt data`: pictures as training sees them. */
#ifndef REP_CLI_DATA_SHEET_H
#define REP_CLI_DATA_SHEET_H

#include "repopt/train.h"

/* Writes the first `count` pictures of training as PNG, augmented, with the boxes and keypoints
 * that are learned of them; the normalisation is undone. Takes batches from view->loader. *shown
 * gets how many there are: no more than an epoch has. */
REP_NODISCARD rep_status data_sheet_write(const char *path, size_t *shown,
                                          const rep_data_view *view, size_t count);

#endif
