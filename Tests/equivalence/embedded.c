/*
 * A C program that embeds Python: both sides compute the trajectory in one process, a step in C and a
 * step in Python by turns, with the very same library. Python's side is NumpyRun of trajectory.py, from
 * the folder that is the argument. Prints the lines of the C side after comparing them with Python's, and
 * says how many copies of the library the process has mapped: there must be one.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "trajectory.h"

__attribute__((noreturn)) static void failed(const char *what) {
    fprintf(stderr, "embedded: %s\n", what);
    if (PyErr_Occurred()) PyErr_Print();
    exit(1);
}

static PyObject *must(PyObject *object, const char *what) {
    if (object == NULL) failed(what);
    return object;
}

/* Files mapped into this process whose name holds libmartlet: how many different ones. */
static int library_count(void) {
    char line[4096], seen[8][4096];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL) failed("/proc/self/maps");
    while (fgets(line, sizeof line, maps) != NULL) {
        const char *path = strchr(line, '/');
        if (path == NULL || strstr(path, "libmartlet") == NULL) continue;
        int known = 0;
        for (int i = 0; i < count; i++) known = known || strcmp(seen[i], path) == 0;
        if (!known && count < 8) strcpy(seen[count++], path);
    }
    fclose(maps);
    return count;
}

/* One run on both sides. Adds C's lines to `text`, and compares them with Python's. */
static void run_both(PyObject *module, char *text, int run) {
    static struct trajectory_memory m;
    char ours[DESCRIPTION_ROOM] = "";
    PyObject *theirs = must(PyObject_CallMethod(module, "NumpyRun", "OO", run < 2 ? Py_False : Py_True,
                                                run_amsgrad(run) ? Py_True : Py_False), "NumpyRun");
    memory_start(&m, run);
    for (int t = 1; t <= STEPS; t++) {
        memory_step(&m, t);
        Py_DECREF(must(PyObject_CallMethod(theirs, "step", "i", t), "step"));
    }
    PyObject *arrays = must(PyObject_CallMethod(theirs, "arrays", NULL), "arrays");
    PyObject *lines = must(PyObject_CallMethod(module, "describe", "iO", run, arrays), "describe");
    memory_describe(ours, &m, run);
    const char *said = PyUnicode_AsUTF8(lines);
    if (said == NULL || strcmp(said, ours) != 0) {
        fprintf(stderr, "C:\n%sPython:\n%s", ours, said == NULL ? "nothing\n" : said);
        failed("the two sides differ");
    }
    strcat(text, ours);
    Py_DECREF(lines);
    Py_DECREF(arrays);
    Py_DECREF(theirs);
}

int main(int argc, char **argv) {
    static char text[DESCRIPTION_ROOM];
    if (argc != 2) failed("usage: embedded FOLDER");
    Py_Initialize();
    PyObject *path = must(PySys_GetObject("path"), "sys.path"), *folder = must(PyUnicode_FromString(argv[1]), "folder");
    if (PyList_Insert(path, 0, folder) != 0) failed("sys.path");
    Py_DECREF(folder);
    check(martlet_chunk_set(CHUNK));
    PyObject *module = must(PyImport_ImportModule("trajectory"), "import trajectory");
    for (int run = 0; run < RUNS; run++) run_both(module, text, run);
    const int libraries = library_count();
    if (libraries != 1) {
        fprintf(stderr, "embedded: %d libraries are mapped\n", libraries);
        return 1;
    }
    Py_DECREF(module);
    if (Py_FinalizeEx() != 0) return 1;
    fprintf(stderr, "threads %d\n", (int)trajectory_threads());
    fputs(text, stdout);
    return 0;
}
