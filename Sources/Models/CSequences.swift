// The functions of C for sequences: rows of tables, recurrent layers, attention, and which steps are seen.

extension CFunction {
    /// As `parts`, of those that there name no text of their own.
    var sequenceParts: (name: StaticString, text: StaticString, isExpression: Bool) {
        switch self {
        case .rows:
            // Zeros for a row that there is not.
            (
                "rows",
                """
                (const int *g, const int *x, const float *table, float *y)
                {
                    for (int i = 0; i < g[0]; ++i)
                        for (int k = 0; k < g[1]; ++k) *y++ = x[i] >= 0 && x[i] < g[2] ? table[x[i] * g[1] + k] : 0;
                }
                """, false
            )
        case .tied:
            // Rows, numbers of each, and rows of the table, whose products with each these are.
            (
                "tied",
                """
                (const int *g, const float *x, const float *table, float *y)
                {
                    for (int i = 0; i < g[0]; ++i, x += g[1])
                        for (int r = 0; r < g[2]; ++r) {
                            const float *w = table + r * g[1];
                            float sums[8] = {0}, sum = 0;
                            int k = 0;
                            for (; k + 8 <= g[1]; k += 8)
                                for (int j = 0; j < 8; ++j) sums[j] += x[k + j] * w[k + j];
                            for (; k < g[1]; ++k) sum += x[k] * w[k];
                            for (int j = 0; j < 8; ++j) sum += sums[j];
                            *y++ = sum;
                        }
                }
                """, false
            )
        case .shift:
            (
                "shift",
                """
                (const int *g, const float *x, const float *by, float *y)
                {
                    for (int i = 0; i < g[0]; ++i)
                        for (int k = 0; k < g[1]; ++k) *y++ = *x++ + by[k];
                }
                """, false
            )
        case .activate:
            // By the numbers of martlet.h.
            (
                "activate",
                """
                (float x, int activation, float slope)
                {
                    switch (activation) {
                    case 1: return x < 0 ? 0 : x;
                    case 2: return x < 0 ? slope * x : x;
                    case 5: return tanhf(x);
                    case 6: return 1 / (1 + expf(-x));
                    case 8: return x < 0 ? expm1f(x) : x;
                    case 9: return 1.05070099f * (x < 0 ? 1.67326324f * expm1f(x) : x);
                    case 10: return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
                    case 11: return fminf(fmaxf(x + 3, 0), 6) / 6;
                    case 13: return expf(x);
                    default: return x;
                    }
                }
                """, false
            )
        case .recur:
            // Steps, features, units, gates, the activations of what is given and of what lets through, whether all states
            // are given, whether the last step is read first, whether states are in the order of what is read, whether there
            // are zeros for steps that are not seen, whether the state is reset before it is multiplied, and whether the last
            // states are further rows. r: what the state adds to what is new, where a gate resets.
            (
                "recur",
                """
                (const int *g, const float *x, const float *mask, const float *state, const float *memory,
                 const float *kernel, const float *recurrent, const float *bias, const float *slope, float *restrict room,
                 float *y)
                {
                    const int units = g[2], all = g[3] * units, joined = g[3] == 3 ? 2 * units : all;
                    float *h = room, *c = h + units, *r = c + units, *z = r + units;
                    for (int k = 0; k < units; ++k) {
                        h[k] = state ? state[k] : 0;
                        c[k] = memory ? memory[k] : 0;
                    }
                    for (int t = 0; t < g[0]; ++t) {
                        const int at = g[7] ? g[0] - 1 - t : t, hidden = mask && mask[at] == 0;
                        const float *p = x + at * g[1];
                        float *out = y + (g[6] ? g[8] ? g[0] - 1 - t : t : 0) * units;
                        for (int k = 0; k < all; ++k) z[k] = bias[k];
                        for (int k = 0; k < units; ++k) r[k] = bias[all + k];
                        for (int i = 0; i < g[1] && !hidden; ++i)
                            for (int k = 0; k < all; ++k) z[k] += p[i] * kernel[i * all + k];
                        for (int i = 0; i < units && !hidden; ++i)
                            for (int k = 0; k < joined; ++k) z[k] += h[i] * recurrent[i * all + k];
                        for (int k = 0; k < units && g[10]; ++k) c[k] = activate(z[units + k], g[5], *slope) * h[k];
                        for (int i = 0; i < units && !hidden; ++i) {
                            const float *w = recurrent + i * all, left = g[10] ? c[i] : h[i];
                            for (int k = joined; k < all; ++k) r[k - joined] += left * w[k];
                        }
                        for (int k = 0; k < units && !hidden; ++k) {
                            const float first = activate(z[k], g[3] == 1 ? g[4] : g[5], *slope);
                            if (g[3] == 1) {
                                h[k] = first;
                                continue;
                            }
                            const float second = activate(z[units + k], g[5], *slope), *q = z + 2 * units + k;
                            if (g[3] == 3) {
                                const float more = g[10] ? r[k] : second * r[k];
                                h[k] = first * h[k] + (1 - first) * activate(*q + more, g[4], *slope);
                            } else {
                                c[k] = second * c[k] + first * activate(*q, g[4], *slope);
                                h[k] = activate(q[units], g[5], *slope) * activate(c[k], g[4], *slope);
                            }
                        }
                        if (g[6] || t == g[0] - 1)
                            for (int k = 0; k < units; ++k) out[k] = hidden && g[9] ? 0 : h[k];
                    }
                    for (int k = 0; k < units * g[11]; ++k) {
                        float *last = y + (g[6] ? g[0] : 0) * units + k;
                        *last = h[k];
                        if (g[3] == 4) last[units] = c[k];
                    }
                }
                """, false
            )
        case .attend:
            // Heads, queries, keys, what queries and keys have for each head and what values have, and whether a query sees
            // no key behind its own place. w: what it takes of each.
            (
                "attend",
                """
                (const int *g, const float *x, const float *key, const float *value, const float *mask,
                 float *restrict w, float *y)
                {
                    const float scale = 1 / sqrtf((float)g[3]);
                    for (int n = 0; n < g[1] * g[0]; ++n, y += g[4]) {
                        const int at = n / g[0], head = n % g[0], seen = g[5] && at < g[2] ? at + 1 : g[2];
                        const float *p = x + n * g[3];
                        float most = -INFINITY, total = 0;
                        for (int j = 0; j < seen; ++j) {
                            const float *k = key + (j * g[0] + head) * g[3];
                            float sum = 0;
                            for (int i = 0; i < g[3]; ++i) sum += p[i] * k[i];
                            w[j] = mask && mask[j] == 0 ? -INFINITY : sum * scale;
                            most = w[j] > most || w[j] != w[j] ? w[j] : most;
                        }
                        for (int c = 0; c < g[4]; ++c) y[c] = 0;
                        if (most == -INFINITY) continue;
                        for (int j = 0; j < seen; ++j) total += w[j] = expf(w[j] - most);
                        for (int j = 0; j < seen; ++j) {
                            const float *v = value + (j * g[0] + head) * g[4], part = w[j] / total;
                            for (int c = 0; c < g[4]; ++c) y[c] += part * v[c];
                        }
                    }
                }
                """, false
            )
        case .hide:
            // Steps, and how wide they are.
            (
                "hide",
                """
                (const int *g, const float *x, const float *mask, float *y)
                {
                    for (int i = 0; i < g[0]; ++i)
                        for (int k = 0; k < g[1]; ++k) y[i * g[1] + k] = mask[i] == 0 ? 0 : x[i * g[1] + k];
                }
                """, false
            )
        case .maskRows:
            (
                "mask_rows",
                """
                (const int *g, const int *x, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = x[i] == g[1] ? 0 : 1;
                }
                """, false
            )
        case .maskCount:
            (
                "mask_count",
                """
                (const int *g, const int *x, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) y[i] = i < *x ? 1 : 0;
                }
                """, false
            )
        case .maskSteps:
            (
                "mask_steps",
                """
                (const int *g, const float *x, const float *hidden, float *y)
                {
                    for (int i = 0; i < g[0]; ++i) {
                        y[i] = 0;
                        for (int k = 0; k < g[1]; ++k)
                            if (x[i * g[1] + k] != *hidden) y[i] = 1;
                    }
                }
                """, false
            )
        default: preconditionFailure("a function of sequences")
        }
    }
}
