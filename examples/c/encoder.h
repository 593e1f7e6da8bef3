/* A clr-search encoder in C, run by OpenVINO. The preprocessing is inside the ONNX file, so this is
 * the whole integration: pixels in, unit vector out. */
#ifndef ENCODER_H
#define ENCODER_H

#include <openvino/c/openvino.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t image_size; /* S: pictures are seen as squares of this side */
    size_t dimension;  /* D: length of a vector */
    ov_core_t *core;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
} Encoder;

typedef struct {
    uint8_t *bytes; /* with a zero behind the last one */
    size_t size;
} Content;

/* What fails says why on stderr, in the name of `path`, and gives false. */
bool complain(const char *path, const char *what);
bool read_file(const char *path, Content *content);

/* Load `encoder.onnx`. */
bool encoder_load(Encoder *encoder, const char *path);
void encoder_free(Encoder *encoder);

/* Embed one picture of height × width × 3 bytes, row by row, R, G, B, R, G, B, ...; `vector` has room
 * for D numbers. The dot product of two vectors is their cosine similarity. */
bool encoder_embed(Encoder *encoder, const char *path, const uint8_t *rgb, size_t height,
                   size_t width, float *vector);

#endif
