/* The wanted fields of JSON Lines, without an object per row.
 *
 *   {"id": 7, "text": "caf\u00e9", "x": [1]}\n  ->  line 0 .. 40, id 7, text "café"
 *
 * One pass over a block: a line is checked against the grammar of RFC 8259 as it is read, strings are
 * gone through 8 bytes at a time, and the value of the wanted fields is decoded to UTF-8, all rows on
 * end. What is not plainly a row is left to a slower judge: the scan stops before such a line, and
 * goes on behind it when told to. So a line that is taken here has exactly one reading; one that is
 * left may still be good (a lone surrogate, a field that is there twice, a whole number of 19 digits).
 */
#ifndef TRACTABLE_JSONL_H
#define TRACTABLE_JSONL_H

#include <stddef.h>
#include <stdint.h>

typedef struct { /* the names of the wanted fields, in UTF-8 */
    const uint8_t *text, *id; /* id: NULL if only the text is wanted; may be the text itself */
    size_t text_length, id_length;
} jsonl_fields;

enum { JSONL_ID_NUMBER, JSONL_ID_TEXT }; /* kinds of id */

typedef struct {
    int64_t start, end; /* of its line in the block, line end included */
    int64_t text_end;   /* in texts: where its text ends and the next begins */
    int64_t id;         /* the number, or where the id ends in ids */
    int kind;
} jsonl_row;

typedef struct { /* a zeroed one is empty */
    uint8_t *texts, *ids;
    size_t texts_used, ids_used, texts_room, ids_room;
    jsonl_row *rows;
    size_t n, room;
    size_t lines; /* gone by, blank ones included */
} jsonl_rows;

typedef enum { JSONL_DONE, JSONL_UNSURE, JSONL_NO_MEMORY } jsonl_status;

/* Take rows from block + *at on; *at is moved on to the end, or to the first line that is not sure.
 * Blank lines are no rows. The last line need not end in a newline. */
jsonl_status jsonl_scan(const jsonl_fields *fields, const uint8_t *block, size_t length, size_t *at,
                        jsonl_rows *out);

/* Add a row that was judged elsewhere, its id aside. 0, or -1 when memory ran out. */
int jsonl_add(jsonl_rows *out, size_t start, size_t end, const uint8_t *text, size_t length);

void jsonl_free(jsonl_rows *out);

#endif
