/*
 * A network that reads handwritten digits: two hidden layers and dropout, trained on four fifths of the
 * images in digits.csv, tested on the rest, and saved. Started again with the saved file's name, it loads
 * the network and gives the same bits, so the second line of both runs is the same.
 *
 *     cc digits.c -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -o digits
 *     ./digits && ./digits digits.safetensors
 */
#include <martlet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES 1797
#define PIXELS 64 /* 8 x 8 */
#define TESTS ((IMAGES + 4) / 5)
#define TRAINS (IMAGES - TESTS)
#define EPOCHS 30
#define SAVED "digits.safetensors"

struct images {
    float pixels[TRAINS][PIXELS]; /* 0 to 1 */
    uint8_t digits[TRAINS];
    int64_t count;
};

static struct images training, test;

static void check(martlet_status status) {
    if (status == MARTLET_OK) return;
    fprintf(stderr, "%s\n", martlet_last_error());
    exit(1);
}

/* A line of 64 pixels of 0 to 16 and the digit; false where it is something else. */
static int read_image(struct images *images, const char *line) {
    for (int k = 0; k < PIXELS; k++) {
        char *end;
        const float pixel = strtof(line, &end);
        if (end == line || *end != ',' || !(pixel >= 0 && pixel <= 16)) return 0;
        images->pixels[images->count][k] = pixel / 16;
        line = end + 1;
    }
    if (*line < '0' || *line > '9') return 0;
    images->digits[images->count++] = (uint8_t)(*line - '0');
    return 1;
}

/* One image a line; every fifth image is kept for the test. */
static void read_images(const char *path) {
    char line[512];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s is not here: it lies beside digits.c\n", path);
        exit(1);
    }
    for (int i = 0; fgets(line, sizeof line, file) != NULL && i < IMAGES;) {
        if (line[0] == '#') continue;
        struct images *images = i++ % 5 == 0 ? &test : &training;
        if (!read_image(images, line)) {
            fprintf(stderr, "%s: image %d is not %d pixels of 0 to 16 and a digit\n", path, i, PIXELS);
            exit(1);
        }
    }
    fclose(file);
}

/* What of `images` the library reads: arrays of contiguous numbers. */
static martlet_array pixels_of(struct images *images) {
    martlet_array array = {0};
    array.data = images->pixels;
    array.count = images->count * PIXELS;
    array.dtype = MARTLET_FP32;
    return array;
}

static martlet_array digits_of(struct images *images) {
    martlet_array array = {0};
    array.data = images->digits;
    array.count = images->count;
    array.dtype = MARTLET_UINT8;
    return array;
}

static void add_dense(martlet_model *model, int64_t units, int32_t activation) {
    martlet_layer layer;
    check(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE));
    layer.units = units;
    layer.activation = activation;
    check(martlet_model_add(model, &layer, NULL, 0, NULL));
}

static martlet_model *make_network(void) {
    martlet_model *model;
    martlet_layer dropout;
    const int64_t sizes[] = {PIXELS};
    check(martlet_model_create(&model, sizes, 1, 2026));
    check(martlet_layer_init(&dropout, sizeof dropout, MARTLET_LAYER_DROPOUT));
    dropout.rate = 0.2;
    add_dense(model, 256, MARTLET_ACTIVATION_RELU);
    check(martlet_model_add(model, &dropout, NULL, 0, NULL));
    add_dense(model, 64, MARTLET_ACTIVATION_RELU);
    add_dense(model, 10, MARTLET_ACTIVATION_LINEAR);
    return model;
}

/* Called after each batch; prints a line at the end of every third epoch, and goes on. */
static int32_t print_progress(void *user, const martlet_progress *progress) {
    static const char bar[] = "########################################";
    (void)user;
    if (progress->batch == progress->batches && (progress->epoch + 1) % 3 == 0)
        printf("    epoch %2d   loss %.4f   accuracy %.4f   %.*s\n", progress->epoch + 1, progress->loss, progress->accuracy,
               (int)(40 * progress->accuracy), bar);
    return 0;
}

static void train(martlet_model *model) {
    const martlet_array x = pixels_of(&training), y = digits_of(&training);
    martlet_training how;
    martlet_loop loop;
    check(martlet_training_init(&how, sizeof how, MARTLET_LOSS_CROSS_ENTROPY));
    how.metrics = 1u << MARTLET_METRIC_ACCURACY;
    check(martlet_model_compile(model, &how, NULL)); /* NULL: Adam with its defaults */
    check(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = EPOCHS;
    loop.progress = print_progress;
    check(martlet_model_fit(model, NULL, &x, &y, &loop));
}

/* A number made of every bit of the network's output for the test images. */
static unsigned long long fingerprint(martlet_model *model) {
    static float out[TESTS][10];
    const martlet_array x = pixels_of(&test);
    unsigned long long hash = 0xCBF29CE484222325u;
    check(martlet_model_predict(model, out[0], test.count * 10, &x, NULL));
    for (size_t i = 0; i < sizeof out; i++) hash = (hash ^ ((unsigned char *)out)[i]) * 0x100000001B3u;
    return hash;
}

/* One of the test images, as the network sees it, and what it says. */
static void show(martlet_model *model, int64_t index) {
    static const char shades[] = " .:-=+*#%@";
    float out[10];
    martlet_array one = pixels_of(&test);
    one.data = test.pixels[index];
    one.count = PIXELS;
    check(martlet_model_predict(model, out, 10, &one, NULL));
    int best = 0;
    for (int digit = 1; digit < 10; digit++)
        if (out[digit] > out[best]) best = digit;
    for (int row = 0; row < 8; row++) {
        printf("        ");
        for (int column = 0; column < 8; column++) {
            const char shade = shades[(int)(test.pixels[index][8 * row + column] * 9)];
            printf("%c%c", shade, shade);
        }
        printf(row == 3 ? "    is a %d, and taken for a %d\n" : "\n", test.digits[index], best);
    }
}

int main(int argc, char **argv) {
    martlet_model *model;
    martlet_result result;
    read_images("digits.csv");
    printf("martlet %s: %lld images to learn from, %lld to be tested with\n\n", martlet_version_name(),
           (long long)training.count, (long long)test.count);
    if (argc > 1) {
        check(martlet_model_load(&model, argv[1]));
    } else {
        model = make_network();
        train(model);
        check(martlet_model_save(model, SAVED));
        printf("\n");
        show(model, 3);
    }
    const martlet_array x = pixels_of(&test), y = digits_of(&test);
    check(martlet_result_init(&result, sizeof result));
    check(martlet_model_evaluate(model, &result, &x, &y, NULL));
    printf("\n    %.2f%% of the test images are read right; the output's fingerprint is %016llx\n", 100 * result.metrics[MARTLET_METRIC_ACCURACY],
           fingerprint(model));
    check(martlet_model_destroy(model));
    return result.metrics[MARTLET_METRIC_ACCURACY] >= 0.97 ? 0 : 1;
}
