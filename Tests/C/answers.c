/*
 * martlet_answers_get against the same loops in plain sight: which question was asked of which object, in which order, and
 * where each answer went. What it must refuse is hostile_values.py's.
 */
#include "check.h"

#define OBJECTS 5

static struct { int question; const void *object; } asked[64];
static int asked_count;

/* Writes what it was asked; an object that points to 99 has no answer to the second question. */
static int32_t ask(int question, void *object, void *out_answer) {
    asked[asked_count].question = question;
    asked[asked_count++].object = object;
    if (object == NULL) return 0;
    const int number = *(const int *)object;
    if (question == 1 && number == 99) return 42;
    const int64_t answer = 1000 * (question + 1) + number;
    if (question == 2) *(int8_t *)out_answer = (int8_t)number;
    else *(int64_t *)out_answer = answer;
    return 0;
}

static int32_t first(void *object, void *out_answer) { return ask(0, object, out_answer); }
static int32_t second(void *object, void *out_answer) { return ask(1, object, out_answer); }
static int32_t third(void *object, void *out_answer) { return ask(2, object, out_answer); }

static const martlet_question questions[] = {first, second, third};

/* Every answer at its place, asked in order; a short one and none at all leave the other bytes as they are. */
static void all(void) {
    int numbers[OBJECTS] = {3, 1, 4, 1, 5};
    void *objects[OBJECTS] = {&numbers[0], &numbers[1], NULL, &numbers[3], &numbers[4]};
    int64_t answers[3 * OBJECTS + 1];
    for (int i = 0; i < LENGTH(answers); i++) answers[i] = -1;
    asked_count = 0;
    CHECK_OK(martlet_answers_get(answers, questions, 3, objects, OBJECTS));
    CHECK(asked_count == 3 * OBJECTS);
    for (int q = 0; q < 3; q++)
        for (int k = 0; k < OBJECTS; k++) {
            const int place = q * OBJECTS + k;
            int64_t wanted = -1;
            if (k != 2 && q < 2) wanted = 1000 * (q + 1) + numbers[k];
            if (k != 2 && q == 2) wanted = -256 + numbers[k];
            CHECK_SAYING(answers[place] == wanted, "question %d of object %d: %lld", q, k, (long long)answers[place]);
            CHECK(asked[place].question == q && asked[place].object == objects[k]);
        }
    CHECK(answers[3 * OBJECTS] == -1);
}

/* The answers before it stand, and nothing comes after it. */
static void stopped(void) {
    int numbers[3] = {1, 99, 3};
    void *objects[3] = {&numbers[0], &numbers[1], &numbers[2]};
    int64_t answers[9];
    for (int i = 0; i < 9; i++) answers[i] = -1;
    asked_count = 0;
    CHECK_STATUS(martlet_answers_get(answers, questions, 3, objects, 3), MARTLET_ERROR_ARGUMENT);
    CHECK(strstr(martlet_last_error(), "martlet_answers_get: questions[1] returned 42 for objects[1]") != NULL);
    CHECK(asked_count == 5);
    const int64_t wanted[9] = {1001, 1099, 1003, 2001, -1, -1, -1, -1, -1};
    CHECK(memcmp(answers, wanted, sizeof wanted) == 0);
}

/* Of nothing, nothing is asked, whatever the other pointers are; a missing question is found before any is asked. */
static void nothing(void) {
    int number = 1;
    void *objects[] = {&number};
    const martlet_question missing[] = {first, NULL};
    int64_t answers[2] = {-1, -1};
    asked_count = 0;
    CHECK_OK(martlet_answers_get(NULL, NULL, 0, NULL, 0));
    CHECK_OK(martlet_answers_get(NULL, NULL, 0, objects, 1));
    CHECK_OK(martlet_answers_get(NULL, questions, 3, NULL, 0));
    CHECK_STATUS(martlet_answers_get(answers, missing, 2, objects, 1), MARTLET_ERROR_NULL);
    CHECK(asked_count == 0 && answers[0] == -1);
}

/* A question may call the library. */
static int32_t version(void *object, void *out_answer) {
    int64_t number = martlet_version_get();
    int64_t inner = 0;
    CHECK_OK(martlet_answers_get(&inner, questions, 1, &object, 1));
    number += inner;
    memcpy(out_answer, &number, sizeof number);
    return 0;
}

static void nested(void) {
    int number = 7;
    void *objects[] = {&number};
    const martlet_question outer[] = {version};
    int64_t answer = 0;
    CHECK_OK(martlet_answers_get(&answer, outer, 1, objects, 1));
    CHECK(answer == martlet_version_get() + 1007);
}

int main(void) {
    all();
    stopped();
    nothing();
    nested();
    return check_end();
}
