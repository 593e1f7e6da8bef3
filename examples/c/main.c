/* What an application does with an encoder:
 *
 *     encoder check encoder.onnx golden.json      does this runtime give the expected vector?
 *     encoder embed encoder.onnx photo.ppm ...    one JSON object a picture
 *     encoder search site photo.ppm               nearest pictures in a site of `export-site`
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"

enum { NEAREST = 10 };

/* ---- Pictures -------------------------------------------------------------------------------- */

/* The next number in the head of a PPM, behind white space and comments; -1 if there is none. */
static long ppm_number(const uint8_t **at) {
    while (isspace(**at) || **at == '#')
        if (*(*at)++ == '#')
            while (**at && **at != '\n') ++*at;
    long number = -1;
    for (; isdigit(**at) && number < 100000; ++*at)
        number = (number < 0 ? 0 : number) * 10 + (**at - '0');
    return number;
}

/* Pixels of a binary PPM (P6) of 8 bits, within `content`; NULL, having said why, if it is none. */
static uint8_t *ppm_pixels(const char *path, const Content *content, size_t *height, size_t *width) {
    const uint8_t *at = content->bytes + 2;
    if (content->size < 2 || memcmp(content->bytes, "P6", 2) != 0) at = (const uint8_t *)"";
    long columns = ppm_number(&at), rows = ppm_number(&at), largest = ppm_number(&at);
    if (columns < 1 || columns > 65535 || rows < 1 || rows > 65535 || largest != 255 ||
        !isspace(*at)) {
        complain(path, "not a binary PPM of 8 bits a channel");
        return NULL;
    }
    size_t start = (size_t)(at + 1 - content->bytes);
    *height = (size_t)rows, *width = (size_t)columns;
    if ((content->size - start) / 3 / *width < *height) {
        complain(path, "the file is truncated");
        return NULL;
    }
    return content->bytes + start;
}

static bool embed_file(Encoder *encoder, const char *path, float *vector) {
    Content content;
    size_t height, width;
    if (!read_file(path, &content)) return false;
    uint8_t *rgb = ppm_pixels(path, &content, &height, &width);
    bool done = rgb && encoder_embed(encoder, path, rgb, height, width, vector);
    free(content.bytes);
    return done;
}

/* ---- check: golden.json ---------------------------------------------------------------------- */

/* What stands behind a key. `golden.json` is flat, and its strings have nothing to be escaped; in an
 * application, take the JSON reader it already has. */
static const char *value_of(const char *json, const char *key) {
    const char *at = strstr(json, key);
    return at ? at + strlen(key) + strspn(at + strlen(key), ": [\"\n") : "";
}

/* Decode base64 up to its end or padding; gives the number of bytes. `bytes` is as long as `text`. */
static size_t base64(const char *text, uint8_t *bytes) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = 0;
    uint32_t bits = 0;
    int held = 0;
    for (const char *letter; *text && (letter = strchr(letters, *text)); text++) {
        bits = bits << 6 | (uint32_t)(letter - letters);
        held += 6;
        if (held >= 8) bytes[size++] = (uint8_t)(bits >> (held -= 8));
    }
    return size;
}

/* Compare with the vector that the encoder's makers have written beside it; the exit status. */
static int compare(Encoder *encoder, const char *path, const char *json, uint8_t *rgb,
                   float *vector) {
    size_t height = strtoul(value_of(json, "\"height\""), NULL, 10);
    size_t width = strtoul(value_of(json, "\"width\""), NULL, 10);
    size_t size = base64(value_of(json, "\"rgb_base64\""), rgb);
    float tolerance = strtof(value_of(json, "\"tolerance\""), NULL), largest = 0;
    if (!size || !height || size % (3 * height) || size / (3 * height) != width)
        return complain(path, "not a golden.json"), 1;
    if (!encoder_embed(encoder, path, rgb, height, width, vector)) return 1;
    /* What was reduced before the graph has been rounded to bytes once more. Without antialiasing, the
     * vector of the encoder that comes along would be off by 0.08. */
    if (height > encoder->image_size && width > encoder->image_size)
        tolerance = fmaxf(tolerance, 3e-3f);
    const char *at = value_of(json, "\"embedding\"");
    bool right = true;
    for (size_t i = 0; i < encoder->dimension; i++) {
        char *end;
        float difference = fabsf(strtof(at, &end) - vector[i]);
        right = right && end != at && difference <= tolerance; /* false for what is no number */
        largest = fmaxf(largest, difference);
        at = end + strspn(end, ", \n");
    }
    right = right && *at == ']';
    printf("%s: largest difference %.2e\n", right ? "right" : "WRONG", (double)largest);
    return right ? 0 : 1;
}

static int check(Encoder *encoder, const char *path, float *vector) {
    Content golden;
    if (!read_file(path, &golden)) return 1;
    uint8_t *rgb = malloc(golden.size + 1);
    int status = rgb ? compare(encoder, path, (const char *)golden.bytes, rgb, vector) : 1;
    free(rgb);
    free(golden.bytes);
    return status;
}

/* ---- embed ----------------------------------------------------------------------------------- */

static void print_json(const char *path, const float *vector, size_t dimension) {
    printf("{\"path\": \"");
    for (const unsigned char *at = (const unsigned char *)path; *at; at++)
        if (*at < ' ' || *at == '"' || *at == '\\')
            printf("\\u%04x", *at);
        else
            putchar(*at);
    printf("\", \"embedding\": [");
    for (size_t i = 0; i < dimension; i++) printf("%s%.9g", i ? ", " : "", (double)vector[i]);
    puts("]}");
}

static int embed(Encoder *encoder, char **paths, float *vector) {
    int status = 0;
    for (; *paths; paths++)
        if (embed_file(encoder, *paths, vector))
            print_json(*paths, vector, encoder->dimension);
        else
            status = 1;
    return status;
}

/* ---- search: vectors.bin --------------------------------------------------------------------- */

/* N scales as little-endian float32, then N · D codes as int8: a number is scale times code. */
static float score(const Content *packed, size_t count, size_t row, const float *query,
                   size_t dimension) {
    const uint8_t *at = packed->bytes + 4 * row;
    uint32_t bits = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    float scale, sum = 0;
    memcpy(&scale, &bits, sizeof scale);
    const int8_t *codes = (const int8_t *)packed->bytes + 4 * count + row * dimension;
    for (size_t i = 0; i < dimension; i++) sum += query[i] * codes[i];
    return scale * sum;
}

/* Print the cosines and thumbnails of the pictures most like `query`, the most alike first. */
static void print_nearest(const char *site, const Content *packed, const float *query,
                          size_t dimension) {
    size_t count = packed->size / (4 + dimension), rows[NEAREST], found = 0;
    float scores[NEAREST];
    for (size_t row = 0; row < count; row++) {
        float here = score(packed, count, row, query, dimension);
        if (found == NEAREST && here <= scores[found - 1]) continue;
        size_t place = found < NEAREST ? found++ : found - 1;
        for (; place && scores[place - 1] < here; place--)
            scores[place] = scores[place - 1], rows[place] = rows[place - 1];
        scores[place] = here, rows[place] = row;
    }
    for (size_t i = 0; i < found; i++)
        printf("%.4f  %s/thumbnails/%zu/%zu.jpg\n", (double)scores[i], site, rows[i] / 1000,
               rows[i]);
}

static int search(Encoder *encoder, const char *site, const char *picture, float *query) {
    char path[4096];
    Content packed;
    snprintf(path, sizeof path, "%s/vectors.bin", site);
    if (!embed_file(encoder, picture, query) || !read_file(path, &packed)) return 1;
    bool right = packed.size % (4 + encoder->dimension) == 0 ||
                 complain(path, "truncated, or of another encoder");
    if (right) print_nearest(site, &packed, query, encoder->dimension);
    free(packed.bytes);
    return right ? 0 : 1;
}

/* ---- The command line ------------------------------------------------------------------------ */

int main(int count, char **arguments) {
    const char *command = count > 3 ? arguments[1] : "";
    bool searching = strcmp(command, "search") == 0 && count == 4;
    bool checking = strcmp(command, "check") == 0 && count == 4;
    if (!searching && !checking && strcmp(command, "embed") != 0) {
        fprintf(stderr, "usage: encoder check encoder.onnx golden.json\n"
                        "       encoder embed encoder.onnx picture.ppm ...\n"
                        "       encoder search site picture.ppm\n");
        return 2;
    }
    char model[4096];
    snprintf(model, sizeof model, searching ? "%s/encoder.onnx" : "%s", arguments[2]);
    Encoder encoder;
    if (!encoder_load(&encoder, model)) return 1;
    float *vector = malloc(encoder.dimension * sizeof *vector);
    int status = 1;
    if (vector && searching)
        status = search(&encoder, arguments[2], arguments[3], vector);
    else if (vector && checking)
        status = check(&encoder, arguments[3], vector);
    else if (vector)
        status = embed(&encoder, arguments + 3, vector);
    free(vector);
    encoder_free(&encoder);
    return status;
}
