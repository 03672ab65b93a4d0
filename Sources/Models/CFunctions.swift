// The functions of C that a model written in C is made of. Each computes one operation for one sample: g are its numbers, x is
// what it reads, y what it gives, and arrays of its own stand between.

enum CFunction: Int {
    case place, add, convolve, depthwise, maxPool, averagePool, standardize, normalize, rescale, sum, product, put,
        permute
    case frame, rows, tied, shift, copy, activate, recur, attend, hide, maskRows, maskSteps, maskCount
    case relu, leakyReLU, gelu, silu, tanh, sigmoid, softmax, elu, selu, softplus, hardSigmoid, mish, exponential

    /// Functions that this one calls.
    var needs: [CFunction] {
        switch self {
        case .convolve: [.place, .add]
        case .depthwise, .maxPool, .averagePool: [.place]
        case .recur: [.activate]
        default: []
        }
    }

    /// Its name, and what follows it: parameters and body, or where there is an expression of x[i] alone this. "@" stands for
    /// how many sums there are at once.
    var parts: (name: StaticString, text: StaticString, isExpression: Bool) {
        switch self {
        case .place:
            // Windows: height, width, channels, rows, columns, the kernel's two sizes, strides, dilations, zeros before, then
            // filters, groups, and whether the window slides over what is given.
            (
                "place",
                """
                (const int *g, int at, int tap, int way, int up)
                {
                    int n = up ? at + g[11 + way] - tap * g[9 + way] : at * g[7 + way] + tap * g[9 + way] - g[11 + way];
                    if (up) {
                        if (n < 0 || n % g[7 + way] != 0) return -1;
                        n /= g[7 + way];
                    }
                    return n >= 0 && n < g[way] ? n : -1;
                }
                """, false
            )
        case .add:
            (
                "add_@",
                """
                (const float *x, const float *w, int count, float *sums)
                {
                    float s[@];
                    for (int k = 0; k < @; ++k) s[k] = sums[k];
                    for (int i = 0; i < count; ++i)
                        for (int k = 0; k < @; ++k) s[k] += x[i] * w[i * @ + k];
                    for (int k = 0; k < @; ++k) sums[k] = s[k];
                }
                """, false
            )
        case .convolve:
            (
                "convolve_@",
                """
                (const int *g, const float *x, const float *kernel, const float *bias, float *y)
                {
                    const int own = g[2] / g[14], each = g[13] / g[14], blocks = (each + @ - 1) / @;
                    for (int n = 0; n < g[3] * g[4]; ++n, y += g[13]) {
                        const float *w = kernel;
                        for (int b = 0; b < g[14] * blocks; ++b) {
                            const int group = b / blocks, first = b % blocks * @;
                            float sums[@];
                            for (int k = 0; k < @; ++k) sums[k] = bias[b * @ + k];
                            for (int r = 0; r < g[5]; ++r)
                                for (int q = 0; q < g[6]; ++q, w += own * @) {
                                    const int i = place(g, n / g[4], r, 0, g[15]), j = place(g, n % g[4], q, 1, g[15]);
                                    if (i >= 0 && j >= 0) add_@(x + (i * g[1] + j) * g[2] + group * own, w, own, sums);
                                }
                            for (int k = 0; k < @ && first + k < each; ++k) y[group * each + first + k] = sums[k];
                        }
                    }
                }
                """, false
            )
        case .depthwise:
            (
                "depthwise",
                """
                (const int *g, const float *x, const float *kernel, const float *bias, float *y)
                {
                    const int each = g[13] / g[2];
                    for (int n = 0; n < g[3] * g[4]; ++n, y += g[13]) {
                        for (int f = 0; f < g[13]; ++f) y[f] = bias[f];
                        for (int t = 0; t < g[5] * g[6]; ++t) {
                            const int i = place(g, n / g[4], t / g[6], 0, 0), j = place(g, n % g[4], t % g[6], 1, 0);
                            if (i < 0 || j < 0) continue;
                            const float *p = x + (i * g[1] + j) * g[2], *w = kernel + t * g[13];
                            for (int f = 0; f < g[13]; ++f) y[f] += p[f / each] * w[f];
                        }
                    }
                }
                """, false
            )
        case .maxPool:
            (
                "max_pool",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int n = 0; n < g[3] * g[4]; ++n, y += g[2]) {
                        for (int c = 0; c < g[2]; ++c) y[c] = -INFINITY;
                        for (int t = 0; t < g[5] * g[6]; ++t) {
                            const int i = place(g, n / g[4], t / g[6], 0, 0), j = place(g, n % g[4], t % g[6], 1, 0);
                            if (i < 0 || j < 0) continue;
                            const float *p = x + (i * g[1] + j) * g[2];
                            for (int c = 0; c < g[2]; ++c)
                                if (p[c] > y[c] || p[c] != p[c]) y[c] = p[c];
                        }
                    }
                }
                """, false
            )
        case .averagePool:
            // The last number says whether zeros around the image count.
            (
                "average_pool",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int n = 0; n < g[3] * g[4]; ++n, y += g[2]) {
                        int count = 0;
                        for (int c = 0; c < g[2]; ++c) y[c] = 0;
                        for (int t = 0; t < g[5] * g[6]; ++t) {
                            const int i = place(g, n / g[4], t / g[6], 0, 0), j = place(g, n % g[4], t % g[6], 1, 0);
                            if (i < 0 || j < 0) continue;
                            const float *p = x + (i * g[1] + j) * g[2];
                            for (int c = 0; c < g[2]; ++c) y[c] += p[c];
                            ++count;
                        }
                        for (int c = 0; c < g[2]; ++c) y[c] /= (float)(g[13] ? g[5] * g[6] : count);
                    }
                }
                """, false
            )
        case .standardize:
            (
                "standardize",
                """
                (const int *g, const float *x, const float *mean, const float *factor, const float *shift, float *y)
                {
                    for (int r = 0; r < g[0]; ++r, x += g[1], y += g[1])
                        for (int c = 0; c < g[1]; ++c) y[c] = (x[c] - mean[c]) * factor[c] + shift[c];
                }
                """, false
            )
        case .normalize:
            // Samples, places, channels, groups, and whether the mean is taken away.
            (
                "normalize",
                """
                (const int *g, const float *x, const float *scale, const float *shift, const float *epsilon, float *y)
                {
                    const int own = g[2] / g[3];
                    for (int r = 0; r < g[0]; ++r, x += g[1] * g[2], y += g[1] * g[2])
                        for (int first = 0; first < g[2]; first += own) {
                            double mean = 0, squares = 0;
                            for (int n = 0; n < g[1] * own; ++n) mean += x[n / own * g[2] + first + n % own];
                            mean = g[4] ? mean / (g[1] * own) : 0;
                            for (int n = 0; n < g[1] * own; ++n) {
                                const double d = x[n / own * g[2] + first + n % own] - mean;
                                squares += d * d;
                            }
                            const double factor = 1 / sqrt(squares / (g[1] * own) + *epsilon);
                            for (int n = 0; n < g[1] * own; ++n) {
                                const int c = first + n % own, at = n / own * g[2] + c;
                                y[at] = (float)((x[at] - mean) * factor) * scale[c] + shift[c];
                            }
                        }
                }
                """, false
            )
        case .rescale:
            (
                "rescale",
                """
                (const int *g, const float *x, const float *a, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = x[i] * a[0] + a[1];
                }
                """, false
            )
        case .sum:
            (
                "sum",
                """
                (const int *g, const float *x, const float *other, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = x[i] + other[i];
                }
                """, false
            )
        case .product:
            (
                "product",
                """
                (const int *g, const float *x, const float *other, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = x[i] * other[i];
                }
                """, false
            )
        case .put:
            // Rows, how wide they are, how far apart, and where the first begins.
            (
                "put",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int i = 0; i < g[0]; ++i)
                        for (int k = 0; k < g[1]; ++k) y[i * g[2] + g[3] + k] = x[i * g[1] + k];
                }
                """, false
            )
        case .permute:
            // The output's three sizes, and how far apart these are in the input.
            (
                "permute",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int i = 0; i < g[0]; ++i)
                        for (int j = 0; j < g[1]; ++j)
                            for (int k = 0; k < g[2]; ++k) *y++ = x[i * g[3] + j * g[4] + k * g[5]];
                }
                """, false
            )
        case .frame:
            // Height, width, channels, rows, columns, the first row and column, and how often each pixel is there.
            (
                "frame",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int n = 0; n < g[3] * g[4]; ++n, y += g[2]) {
                        const int i = n / g[4] + g[5], j = n % g[4] + g[6];
                        const int in = i >= 0 && j >= 0 && i / g[7] < g[0] && j / g[8] < g[1];
                        for (int c = 0; c < g[2]; ++c) y[c] = in ? x[(i / g[7] * g[1] + j / g[8]) * g[2] + c] : 0;
                    }
                }
                """, false
            )
        case .softmax:
            (
                "softmax",
                """
                (const int *g, const float *x, float *y)
                {
                    for (int r = 0; r < g[0]; ++r, x += g[1], y += g[1]) {
                        float most = x[0], total = 0;
                        for (int c = 1; c < g[1]; ++c) most = x[c] > most ? x[c] : most;
                        for (int c = 0; c < g[1]; ++c) total += y[c] = expf(x[c] - most);
                        for (int c = 0; c < g[1]; ++c) y[c] /= total;
                    }
                }
                """, false
            )
        case .leakyReLU:
            (
                "leaky_relu",
                """
                (const int *g, const float *x, const float *slope, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = x[i] < 0 ? *slope * x[i] : x[i];
                }
                """, false
            )
        case .rows, .tied, .shift, .activate, .recur, .attend, .hide, .maskRows, .maskSteps, .maskCount: sequenceParts
        case .copy: ("copy", "x[i]", true)
        case .relu: ("relu", "x[i] < 0 ? 0 : x[i]", true)
        case .gelu: ("gelu", "0.5f * x[i] * (1 + erff(x[i] * 0.707106781f))", true)
        case .silu: ("silu", "x[i] / (1 + expf(-x[i]))", true)
        case .tanh: ("tanhs", "tanhf(x[i])", true)
        case .sigmoid: ("sigmoid", "1 / (1 + expf(-x[i]))", true)
        case .elu: ("elu", "x[i] < 0 ? expm1f(x[i]) : x[i]", true)
        case .selu: ("selu", "1.05070099f * (x[i] < 0 ? 1.67326324f * expm1f(x[i]) : x[i])", true)
        case .softplus: ("softplus", "(x[i] > 0 ? x[i] : 0) + log1pf(expf(-fabsf(x[i])))", true)
        case .hardSigmoid: ("hard_sigmoid", "fminf(fmaxf(x[i] + 3, 0), 6) / 6", true)
        case .mish: ("mish", "x[i] * tanhf((x[i] > 0 ? x[i] : 0) + log1pf(expf(-fabsf(x[i]))))", true)
        case .exponential: ("exponential", "expf(x[i])", true)
        }
    }
}
