/* paint.h - what the painters share: the letters, and how text is cut. */
#ifndef REP_DATA_PAINT_H
#define REP_DATA_PAINT_H

#include "data/data.h"
#include "repopt/paint.h"

enum { REP_FONT_COLUMNS = 5, REP_FONT_ADVANCE = 6, REP_FONT_ROWS = REP_PAINT_TEXT_PX };

/* Whether the letter has ink there: column < REP_FONT_COLUMNS, row < REP_FONT_ROWS. */
bool rep_font_has_ink(uint32_t code, int32_t column, int32_t row);
/* `ink` of that alpha, in black or white, whichever is read better on `ground`. */
rep_ink rep_ink_on(rep_ink ground);

#endif
