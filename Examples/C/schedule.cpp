/*
 * Martlet from C++: owners, exceptions, and a learning rate that follows a cosine. The rate is set between fits of one
 * epoch each, which give the bits of one fit of them all. No exception may leave a progress function, so
 * Training::fit catches what it throws, ends the fit, and throws it again on this side.
 *
 *     c++ -std=c++11 schedule.cpp -I../../include -L../../build/lib -Wl,-rpath,../../build/lib -lmartlet -o schedule
 *     ./schedule
 */
#include <martlet.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

/* A failing call becomes an exception with the library's own words. */
void check(martlet_status status) {
    if (status != MARTLET_OK) throw std::runtime_error(martlet_last_error());
}

struct Destroy {
    void operator()(martlet_model *model) const { martlet_model_destroy(model); }
};
using Model = std::unique_ptr<martlet_model, Destroy>;

martlet_array array_of(std::vector<float> &values) {
    martlet_array array = martlet_array();
    array.data = values.data();
    array.count = static_cast<int64_t>(values.size());
    array.dtype = MARTLET_FP32;
    return array;
}

/* Called after each batch; false ends the fit. It may throw. */
using Progress = std::function<bool(const martlet_progress &)>;

/* What stands between the library, which knows no exceptions, and a Progress. */
struct Bridge {
    const Progress &progress;
    std::exception_ptr thrown;

    static int32_t call(void *user, const martlet_progress *progress) noexcept {
        Bridge *bridge = static_cast<Bridge *>(user);
        try {
            return bridge->progress(*progress) ? 0 : 1;
        } catch (...) {
            bridge->thrown = std::current_exception();
            return 1;
        }
    }
};

/* Trains for some epochs; false where the progress function ended it. Throws what that threw. */
bool fit(const Model &model, std::vector<float> &x, std::vector<float> &y, int64_t epochs, const Progress &progress) {
    const martlet_array inputs = array_of(x), targets = array_of(y);
    Bridge bridge = {progress, nullptr};
    martlet_loop loop;
    check(martlet_loop_init(&loop, sizeof loop));
    loop.epochs = epochs;
    loop.progress = Bridge::call;
    loop.user = &bridge;
    const martlet_status status = martlet_model_fit(model.get(), nullptr, &inputs, &targets, &loop);
    if (bridge.thrown) std::rethrow_exception(bridge.thrown);
    if (status != MARTLET_STOPPED) check(status);
    return status == MARTLET_OK;
}

Model make_network() {
    const int64_t sizes[] = {1};
    martlet_model *made = nullptr;
    check(martlet_model_create(&made, sizes, 1, 5));
    Model model(made);
    martlet_layer layer;
    check(martlet_layer_init(&layer, sizeof layer, MARTLET_LAYER_DENSE));
    layer.units = 32;
    layer.activation = MARTLET_ACTIVATION_TANH;
    check(martlet_model_add(model.get(), &layer, nullptr, 0, nullptr));
    check(martlet_model_add(model.get(), &layer, nullptr, 0, nullptr));
    layer.units = 1;
    layer.activation = MARTLET_ACTIVATION_LINEAR;
    check(martlet_model_add(model.get(), &layer, nullptr, 0, nullptr));
    martlet_training training;
    check(martlet_training_init(&training, sizeof training, MARTLET_LOSS_MSE));
    check(martlet_model_compile(model.get(), &training, nullptr));
    return model;
}

/* Epoch after epoch, the rate falling along half a cosine; the loss of the last batch seen. */
double train(const Model &model, std::vector<float> &x, std::vector<float> &y, int epochs, double highest) {
    martlet_schedule schedule;
    check(martlet_schedule_init(&schedule, sizeof schedule, MARTLET_SCHEDULE_COSINE));
    schedule.rate = highest;
    schedule.steps = epochs;
    double loss = 0, rate = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        check(martlet_schedule_get(&rate, &schedule, 1, epoch));
        check(martlet_model_set(model.get(), MARTLET_LR, rate));
        fit(model, x, y, 1, [&](const martlet_progress &progress) {
            loss = progress.loss;
            if (!std::isfinite(loss)) throw std::runtime_error("the loss is not finite: the rate is too high");
            return true;
        });
        if (epoch % 40 == 0) std::printf("    epoch %3d   rate %.6f   loss %.6f\n", epoch + 1, rate, loss);
    }
    return loss;
}

}  // namespace

int main() {
    try {
        std::vector<float> x(256), y(256);
        for (size_t i = 0; i < x.size(); i++) {
            x[i] = static_cast<float>(-3 + 6 * static_cast<double>(i) / 255);
            y[i] = static_cast<float>(std::sin(static_cast<double>(x[i])));
        }
        std::printf("martlet %s: a network learns a sine, in C++\n\n", martlet_version_name());
        bool caught = false;
        try {
            train(make_network(), x, y, 200, 1e30);
        } catch (const std::runtime_error &error) {
            std::printf("    with a rate of 1e30: %s\n\n", error.what());
            caught = true;
        }
        const double loss = train(make_network(), x, y, 200, 0.01);
        std::printf("\n    the loss is %.6f in the end\n", loss);
        return caught && loss < 2e-3 ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
