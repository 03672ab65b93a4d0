/*
 * Models in files: another process loads what this one saved and predicts the same bits; training that is cut
 * by a save and a load ends with the same bits as training that is not, with dropout, batch normalization
 * and shuffled samples; and files that are truncated, flipped bit by bit or edited are refused or load into
 * a model that works: none ends the process. Kills during a save are in save_kill.c.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "network.h"

#define PATH "model.safetensors"

static int refused_count, loaded_count, edited_count;

/* ---- there and back ---- */

static martlet_model *make(bool image) { return image ? network_image(7) : network_dense(8, 6, 7); }
static struct network_data *data_for(bool image) { return network_data(image ? 12 * 12 * 2 : 8); }

/* In a process that has been started anew: the hashes that the parent wrote down. */
static int reload(bool image, uint64_t output, uint64_t numbers) {
    struct network_data *data = data_for(image);
    martlet_model *model = NULL;
    CHECK_OK(martlet_model_load(&model, PATH));
    CHECK(network_output(model, data) == output);
    CHECK(network_hash(model, true) == numbers);
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK_OK(martlet_model_destroy(model));
    network_data_free(data);
    return check_failures != 0;
}

static void other_process(const char *program, bool image) {
    struct network_data *data = data_for(image);
    martlet_model *model = make(image);
    network_compile(model, 16);
    CHECK_OK(network_fit(model, data, 2, 0));
    /* What a training step left behind is not saved: a norm and gradients of the latest step. */
    CHECK_OK(martlet_model_save(model, PATH));
    martlet_model *loaded = NULL;
    CHECK_OK(martlet_model_load(&loaded, PATH));
    CHECK(network_hash(loaded, false) == network_hash(model, false));
    double norm = 0;
    CHECK_OK(martlet_model_grad_norm_get(loaded, &norm));
    CHECK_SAYING(isnan(norm), "a norm of %g of no step", norm);
    char kind[4], output[32], numbers[32];
    snprintf(kind, sizeof kind, "%d", image);
    snprintf(output, sizeof output, "%llx", (unsigned long long)network_output(model, data));
    snprintf(numbers, sizeof numbers, "%llx", (unsigned long long)network_hash(loaded, true));
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        execl(program, program, "reload", kind, output, numbers, (char *)NULL);
        _exit(99);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_SAYING(status == 0, "the second process gave %d", status);
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
    network_data_free(data);
}

/* Some epochs through save and load before each of them, against the same without. */
static void resume(bool image, bool amsgrad) {
    struct network_data *data = data_for(image);
    martlet_model *whole = make(image), *cut = make(image);
    martlet_training training;
    martlet_config config = check_config(MARTLET_ADAMW);
    CHECK_OK(martlet_training_init(&training, sizeof training, MARTLET_LOSS_CROSS_ENTROPY));
    training.batch_size = 16, training.label_smoothing = 0.1, training.metrics = 3, training.top = 2;
    config.flags = amsgrad ? MARTLET_AMSGRAD : 0;
    CHECK_OK(martlet_model_compile(whole, &training, &config));
    CHECK_OK(martlet_model_compile(cut, &training, &config));
    for (int epoch = 0; epoch < 4; epoch++) {
        const double lr = 0.01 / (epoch + 1);
        CHECK_OK(martlet_model_set(whole, MARTLET_LR, lr));
        CHECK_OK(martlet_model_set(cut, MARTLET_LR, lr));
        CHECK_OK(martlet_model_save(cut, PATH));
        CHECK_OK(martlet_model_destroy(cut));
        cut = NULL;
        CHECK_OK(martlet_model_load(&cut, PATH));
        CHECK(network_hash(cut, false) == network_hash(whole, false));
        CHECK_OK(network_fit(whole, data, 1, 0));
        CHECK_OK(network_fit(cut, data, 1, 0));
        CHECK_SAYING(network_hash(whole, true) == network_hash(cut, true), "epoch %d: other bits", epoch);
    }
    martlet_result one, two;
    CHECK_OK(martlet_result_init(&one, sizeof one));
    CHECK_OK(martlet_result_init(&two, sizeof two));
    CHECK_OK(martlet_model_evaluate(whole, &one, &data->x, &data->y, NULL));
    CHECK_OK(martlet_model_evaluate(cut, &two, &data->x, &data->y, NULL));
    CHECK(memcmp(&one, &two, sizeof one) == 0 && one.metrics[MARTLET_METRIC_TOP_ACCURACY] >= one.metrics[MARTLET_METRIC_ACCURACY]);
    CHECK_OK(martlet_model_save(whole, "whole.safetensors"));
    CHECK_OK(martlet_model_save(cut, PATH));
    static unsigned char first[1 << 16], second[1 << 16];
    const long size = checkpoint_read("whole.safetensors", first, sizeof first);
    CHECK(size > 0 && size == checkpoint_read(PATH, second, sizeof second) && memcmp(first, second, (size_t)size) == 0);
    CHECK_OK(martlet_model_destroy(whole));
    CHECK_OK(martlet_model_destroy(cut));
    network_data_free(data);
}

/* A model that is not compiled, odd names, and a path that cannot be. */
static void plain(void) {
    martlet_model *model = NULL, *loaded = NULL;
    struct network_data *data = network_data(8);
    CHECK_OK(martlet_model_create(&model, (int64_t[]){8}, 1, UINT64_MAX));
    martlet_layer layer = network_layer(MARTLET_LAYER_DENSE, NETWORK_CLASSES, MARTLET_ACTIVATION_SOFTMAX);
    layer.name = "\"\\\n\x01 caf\xC3\xA9";
    CHECK_OK(martlet_model_add(model, &layer, NULL, 0, NULL));
    const uint64_t output = network_output(model, data);
    CHECK_OK(martlet_model_save(model, PATH));
    CHECK_OK(martlet_model_load(&loaded, PATH));
    int64_t step = 0;
    martlet_node node;
    CHECK_STATUS(martlet_model_step_get(loaded, &step), MARTLET_ERROR_ORDER);
    CHECK_OK(martlet_model_node_get(loaded, &node, 1));
    CHECK_SAYING(strcmp(node.name, layer.name) == 0, "%s", node.name);
    CHECK(network_output(loaded, data) == output);
    network_compile(loaded, 8), network_compile(model, 8); /* the seed went along */
    CHECK_OK(network_fit(loaded, data, 1, 0));
    CHECK_OK(network_fit(model, data, 1, 0));
    CHECK(network_hash(loaded, true) == network_hash(model, true));
    CHECK_STATUS(martlet_model_save(model, "missing/model"), MARTLET_ERROR_FILE);
    martlet_model *const before = loaded;
    CHECK_STATUS(martlet_model_load(&loaded, "missing"), MARTLET_ERROR_FILE);
    CHECK(loaded == before);
    /* A model is no optimizer's checkpoint, nor the other way round. */
    martlet_optimizer *optimizer = checkpoint_create();
    CHECK_STATUS(martlet_optimizer_load(optimizer, PATH), MARTLET_ERROR_FORMAT);
    CHECK_OK(martlet_optimizer_save(optimizer, "optimizer.safetensors"));
    CHECK_STATUS(martlet_model_load(&loaded, "optimizer.safetensors"), MARTLET_ERROR_FORMAT);
    CHECK_OK(martlet_optimizer_destroy(optimizer));
    CHECK_OK(martlet_model_destroy(model));
    CHECK_OK(martlet_model_destroy(loaded));
    network_data_free(data);
}

/* ---- damage ---- */

static unsigned char good[1 << 14], bytes[1 << 14];
static long good_size, header_size;
static int file_number;
static char memory_path[64];
static struct network_data *samples;

/* Loads `size` bytes; what loads must also work: predict, and train twice where it is compiled. */
static void offer(const void *file, size_t size, bool must_refuse, const char *what, long where) {
    REQUIRE(ftruncate(file_number, 0) == 0 && pwrite(file_number, file, size, 0) == (ssize_t)size);
    martlet_model *model = NULL;
    const martlet_status status = martlet_model_load(&model, memory_path);
    if (status != MARTLET_OK) {
        refused_count++;
        const bool expected = status == MARTLET_ERROR_FORMAT || (status == MARTLET_ERROR_MEMORY && !must_refuse);
        CHECK_SAYING(expected && model == NULL, "%s (%ld): %s: %s", what, where, martlet_status_name(status), martlet_last_error());
        CHECK_SAYING(strlen(martlet_last_error()) > 20, "%s", martlet_last_error());
        return;
    }
    loaded_count++;
    CHECK_SAYING(!must_refuse, "%s (%ld) was loaded", what, where);
    float out[NETWORK_SAMPLES * NETWORK_CLASSES];
    const martlet_status predicted = martlet_model_predict(model, out, LENGTH(out), &samples->x, NULL);
    /* A bit of an input's or a layer's size may have turned it into another model. */
    CHECK(predicted == MARTLET_OK || predicted == MARTLET_ERROR_SHAPE || predicted == MARTLET_ERROR_MEMORY);
    for (int k = 0; k < 2; k++) {
        const martlet_status trained = network_fit(model, samples, 2, 0);
        CHECK_SAYING(trained >= MARTLET_ERROR_ORDER && trained <= MARTLET_OK, "%d", trained);
    }
    CHECK_OK(martlet_model_destroy(model));
}

static void damage(void) {
    for (long size = 0; size < good_size; size += size < header_size ? 1 : 13) offer(good, (size_t)size, true, "truncated", size);
    for (long bit = 0; bit < header_size * 8; bit++) {
        memcpy(bytes, good, (size_t)good_size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        offer(bytes, (size_t)good_size, bit < 64, "bit flipped", bit);
    }
    static const unsigned char odd[] = {0x00, 0x20, 0x22, 0x2C, 0x2D, 0x30, 0x39, 0x3D, 0x5C, 0x7D, 0x80, 0xFF};
    for (long at = 8; at < header_size; at++)
        for (int k = 0; k < LENGTH(odd); k++) {
            memcpy(bytes, good, (size_t)good_size);
            bytes[at] = odd[k];
            if (odd[k] != good[at]) offer(bytes, (size_t)good_size, false, "byte replaced", at * 256 + odd[k]);
        }
    offer(good, (size_t)good_size, false, "whole", 0);
}

/* The good file with the first `piece` of its header replaced, and the header's length with it. */
static void edited(const char *piece, const char *by, bool must_refuse) {
    const char *text = (const char *)good + 8, *place = memmem(text, (size_t)header_size - 8, piece, strlen(piece));
    CHECK_SAYING(place != NULL, "no %s in the header", piece);
    if (place == NULL) return;
    const size_t before = (size_t)(place - text), from = before + strlen(piece);
    size_t length = before + strlen(by) + (size_t)header_size - 8 - from;
    memcpy(bytes + 8, text, before);
    memcpy(bytes + 8 + before, by, strlen(by));
    memcpy(bytes + 8 + before + strlen(by), text + from, (size_t)header_size - 8 - from);
    while (length % 8 != 0) bytes[8 + length++] = ' ';
    const uint64_t size = length;
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8 + length, good + header_size, (size_t)(good_size - header_size));
    /* In a process of its own: what loads may show only when it is trained. */
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(20);
        check_failures = 0;
        offer(bytes, 8 + length + (size_t)(good_size - header_size), must_refuse, by, 0);
        _exit(check_failures != 0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_SAYING(status == 0, "\"%s\" in place of \"%s\": status %d", by, piece, status);
    edited_count++;
}

/* From a word of the header to the end of another one, both as they stand first; "" if they do not. */
static const char *between(const char *word, const char *last) {
    static char text[1024];
    text[0] = 0;
    const char *found = memmem(good + 8, (size_t)header_size - 8, word, strlen(word)), *end = NULL;
    if (found != NULL) end = memmem(found, (size_t)((const char *)good + header_size - found), last, strlen(last));
    if (end != NULL) snprintf(text, sizeof text, "%.*s", (int)(end - found), found);
    return text;
}

/* Numbers that no call would let in, or that overflow something later. The first fields may be anything of 0 or more. */
static void lies(void) {
    static const char *const wrong[] = {"-1", "9223372036854775808", "", "1,2", "x", "1e3", " 4"};
    static const char *const fields[] = {"step", "epoch", "optimizer_step", "top", "groups", "units", "batch_size", "layers",
                                         "version", "kind", "activation", "loss", "metrics", "flags", "padding", "input0", "from"};
    for (int f = 0; f < LENGTH(fields); f++) {
        char word[64], piece[64], by[160];
        snprintf(word, sizeof word, "%s=", fields[f]);
        snprintf(piece, sizeof piece, "%.60s", between(word, " "));
        piece[strcspn(piece, "\"")] = 0;
        CHECK_SAYING(strlen(piece) > strlen(word), "no %s", word);
        for (int k = 0; k < LENGTH(wrong); k++) {
            snprintf(by, sizeof by, "%s%s", word, wrong[k]);
            edited(piece, by, k > 0 || f != 4); /* a dense layer reads no groups */
        }
        for (int k = 0; k < 5; k++) { /* near the end: whatever loads is trained for some steps */
            snprintf(by, sizeof by, "%s%lld", word, (long long)(INT64_MAX - k));
            edited(piece, by, f > 4);
        }
        snprintf(by, sizeof by, "%s%d %s%d", word, 1, word, 2);
        edited(piece, by, false);
        edited(piece, "", true);
    }
    edited("\"dropout\"", "\"drop\\u0000ut\"", true); /* C would read half of the name */
    edited(" pads=0,0,0,0", " pads=9223372036854775807,1,0,0", true);
    edited(" inputs=0", "", false); /* the layer before, where a file does not say */
    edited(" inputs=1", " inputs=0", true);
    edited(" inputs=2", " inputs=2,2", true);
    edited(" inputs=3", " inputs=4", true);
    edited(" inputs=3", " inputs=-1", true);
    edited(" inputs=3", " inputs=9223372036854775807", true);
    static const char *const rates[] = {"0x7ff8000000000000", "0x3ff0000000000000", "0xbfe0000000000000", "0x7ff0000000000000"};
    for (int k = 0; k < LENGTH(rates); k++) { /* dropout's: NaN, 1, below 0, infinite */
        char piece[1024], by[1100];
        snprintf(piece, sizeof piece, "%s0x3fe0000000000000", between("kind=9", "0x3fe0000000000000"));
        snprintf(by, sizeof by, "%s%s", between("kind=9", "0x3fe0000000000000"), rates[k]);
        edited(piece, by, true);
    }
}

int main(int argc, char **argv) {
    alarm(220);
    if (argc == 5) return reload(argv[2][0] == '1', strtoull(argv[3], NULL, 16), strtoull(argv[4], NULL, 16));
    char program[4096] = {0};
    REQUIRE(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    const struct rlimit room = {(rlim_t)2 << 30, (rlim_t)2 << 30}; /* what is out of proportion fails */
    REQUIRE(setrlimit(RLIMIT_AS, &room) == 0);
    plain();
    for (int image = 0; image < 2; image++) {
        other_process(program, image);
        resume(image, false);
        resume(image, true);
    }
    samples = network_data(8);
    martlet_model *model = network_dense(8, 3, 1);
    network_compile(model, 16);
    CHECK_OK(network_fit(model, samples, 2, 0));
    double norm = 0;
    CHECK_OK(martlet_model_grad_norm_get(model, &norm));
    CHECK(norm > 0);
    CHECK_OK(martlet_model_save(model, PATH));
    CHECK_OK(martlet_model_destroy(model));
    good_size = checkpoint_read(PATH, good, sizeof good);
    uint64_t header = 0;
    memcpy(&header, good, 8);
    header_size = 8 + (long)header;
    REQUIRE(good_size > header_size && good_size < (long)sizeof good - 64);
    file_number = memfd_create("model", 0);
    snprintf(memory_path, sizeof memory_path, "/proc/self/fd/%d", file_number);
    damage();
    lies();
    network_data_free(samples);
    printf("%d files refused, %d loaded and trained; %d edited\n", refused_count, loaded_count, edited_count);
    return check_end();
}
