#include "encoder.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool complain(const char *path, const char *what) {
    fprintf(stderr, "%s: %s\n", path, what);
    return false;
}

static bool succeeded(ov_status_e status, const char *path) {
    if (status == OK) return true;
    const char *message = ov_get_last_err_msg();
    complain(path, message && *message ? message : ov_get_error_info(status));
    if (message) ov_free(message);
    return false;
}

bool read_file(const char *path, Content *content) {
    FILE *file = fopen(path, "rb");
    if (!file) return complain(path, strerror(errno));
    *content = (Content){0};
    for (size_t room = 1 << 16;; room *= 2) {
        uint8_t *grown = realloc(content->bytes, room + 1);
        if (!grown) break;
        content->bytes = grown;
        content->size += fread(content->bytes + content->size, 1, room - content->size, file);
        if (content->size < room) break;
    }
    bool done = content->bytes && feof(file) && !ferror(file);
    fclose(file);
    if (!done) {
        free(content->bytes);
        return complain(path, "cannot be read");
    }
    content->bytes[content->size] = 0;
    return true;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* A number in the metadata of a model, or 0. OpenVINO's C library does not tell the metadata, so it is
 * found as the file has it: the key, tag and length of the value, the value in decimal digits. */
static size_t metadata(const Content *model, const char *key) {
    size_t length = strlen(key);
    for (size_t at = 0; at + length + 2 < model->size; at++)
        if (memcmp(model->bytes + at, key, length) == 0 && model->bytes[at + length] == 0x12)
            return strtoul((const char *)model->bytes + at + length + 2, NULL, 10);
    return 0;
}

/* Whether an input or output has a type and a number of axes; its last axis goes to `last`. */
static bool is_port(const ov_output_const_port_t *port, ov_element_type_e type, int64_t rank,
                    int64_t *last) {
    ov_element_type_e found;
    ov_partial_shape_t shape;
    if (ov_port_get_element_type(port, &found) != OK) return false;
    if (ov_port_get_partial_shape(port, &shape) != OK) return false;
    bool right = found == type && shape.rank.min == rank && shape.rank.max == rank &&
                 shape.dims[rank - 1].min == shape.dims[rank - 1].max;
    if (right) *last = shape.dims[rank - 1].min;
    ov_partial_shape_free(&shape);
    return right;
}

/* Whether a model has uint8 [N, H, W, 3] `images` and float32 [N, D] `embedding`. */
static bool has_ports(const ov_model_t *model, size_t *dimension) {
    ov_output_const_port_t *images = NULL, *embedding = NULL;
    int64_t channels = 0, length = 0;
    bool right = ov_model_const_input_by_name(model, "images", &images) == OK &&
                 ov_model_const_output_by_name(model, "embedding", &embedding) == OK &&
                 is_port(images, U8, 4, &channels) && channels == 3 &&
                 is_port(embedding, F32, 2, &length) && length > 0;
    if (images) ov_output_const_port_free(images);
    if (embedding) ov_output_const_port_free(embedding);
    *dimension = (size_t)length;
    return right;
}

static bool compile(Encoder *encoder, const char *path, const ov_model_t *model) {
    /* On processors that have bfloat16, OpenVINO computes in it unless told otherwise: quicker, but the
     * vectors are off by some thousandths. */
    const char *precision = ov_property_key_hint_inference_precision;
    return succeeded(ov_core_compile_model(encoder->core, model, "CPU", 2, &encoder->compiled,
                                           precision, "f32"),
                     path) &&
           succeeded(ov_compiled_model_create_infer_request(encoder->compiled, &encoder->request),
                     path);
}

bool encoder_load(Encoder *encoder, const char *path) {
    *encoder = (Encoder){0};
    Content file;
    ov_model_t *model = NULL;
    if (!read_file(path, &file)) return false;
    encoder->image_size = metadata(&file, "clr_search.image_size");
    bool done =
        ((metadata(&file, "clr_search.contract_version") == 1 && encoder->image_size) ||
         complain(path, "not a clr-search encoder, or of another contract version")) &&
        succeeded(ov_core_create(&encoder->core), path) &&
        succeeded(ov_core_read_model_from_memory_buffer(
                      encoder->core, (const char *)file.bytes, file.size, NULL, &model),
                  path) &&
        (has_ports(model, &encoder->dimension) ||
         complain(path, "not an encoder: other inputs or outputs")) &&
        compile(encoder, path, model);
    if (model) ov_model_free(model);
    free(file.bytes);
    if (!done) encoder_free(encoder);
    return done;
}

void encoder_free(Encoder *encoder) {
    if (encoder->request) ov_infer_request_free(encoder->request);
    if (encoder->compiled) ov_compiled_model_free(encoder->compiled);
    if (encoder->core) ov_core_free(encoder->core);
    *encoder = (Encoder){0};
}

/* ---- Embedding ------------------------------------------------------------------------------- */

/* Shorten lines of `side` pixels to `size`, by a triangle as wide as two pixels of the result, and
 * write them as columns: after a second time rows are rows again. */
static void shorten(const uint8_t *lines, size_t count, size_t stride, size_t side, size_t size,
                    uint8_t *columns) {
    double scale = (double)side / (double)size;
    for (size_t place = 0; place < size; place++) {
        double centre = ((double)place + 0.5) * scale;
        size_t first = (size_t)fmax(centre - scale + 0.5, 0);
        size_t end = (size_t)fmin(centre + scale + 0.5, (double)side);
        double total = 0;
        for (size_t at = first; at < end; at++)
            total += 1 - fabs((double)at + 0.5 - centre) / scale;
        for (size_t line = 0; line < count; line++, columns += 3) {
            double sum[3] = {0};
            for (size_t at = first; at < end; at++) {
                double weight = (1 - fabs((double)at + 0.5 - centre) / scale) / total;
                const uint8_t *pixel = lines + line * stride + 3 * at;
                for (int channel = 0; channel < 3; channel++)
                    sum[channel] += weight * pixel[channel];
            }
            for (int channel = 0; channel < 3; channel++)
                columns[channel] = (uint8_t)(sum[channel] + 0.5);
        }
    }
}

/* The central square at side `size`, as `clr_search.images.square` makes it; NULL without memory. */
static uint8_t *square(const uint8_t *rgb, size_t height, size_t width, size_t size) {
    size_t side = height < width ? height : width;
    const uint8_t *corner = rgb + 3 * ((height - side) / 2 * width + (width - side) / 2);
    uint8_t *narrow = malloc(3 * side * size), *done = malloc(3 * size * size);
    if (narrow && done) {
        shorten(corner, side, 3 * width, side, size, narrow);
        shorten(narrow, size, 3 * side, side, size, done);
    }
    free(narrow);
    if (!narrow) free(done);
    return narrow ? done : NULL;
}

/* Run the graph on pixels of any size. */
static bool run(Encoder *encoder, const char *path, const uint8_t *rgb, size_t height, size_t width,
                float *vector) {
    const int64_t axes[4] = {1, (int64_t)height, (int64_t)width, 3};
    ov_shape_t shape = {0};
    ov_tensor_t *images = NULL, *embedding = NULL;
    void *data = NULL;
    bool done =
        succeeded(ov_shape_create(4, axes, &shape), path) &&
        succeeded(ov_tensor_create_from_host_ptr(U8, shape, (void *)(uintptr_t)rgb, &images), path) &&
        succeeded(ov_infer_request_set_tensor(encoder->request, "images", images), path) &&
        succeeded(ov_infer_request_infer(encoder->request), path) &&
        succeeded(ov_infer_request_get_tensor(encoder->request, "embedding", &embedding), path) &&
        succeeded(ov_tensor_data(embedding, &data), path);
    if (done) memcpy(vector, data, encoder->dimension * sizeof *vector);
    if (embedding) ov_tensor_free(embedding);
    if (images) ov_tensor_free(images);
    if (shape.dims) ov_shape_free(&shape);
    return done;
}

bool encoder_embed(Encoder *encoder, const char *path, const uint8_t *rgb, size_t height,
                   size_t width, float *vector) {
    size_t size = encoder->image_size;
    if (height <= size || width <= size) return run(encoder, path, rgb, height, width, vector);
    /* The graph would reduce the picture, but OpenVINO reads its Resize without antialiasing
     * (openvinotoolkit/openvino#35893). A square of side S it leaves as it is. */
    uint8_t *reduced = square(rgb, height, width, size);
    if (!reduced) return complain(path, "out of memory");
    bool done = run(encoder, path, reduced, size, size, vector);
    free(reduced);
    return done;
}
