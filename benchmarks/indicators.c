/* The formulas of our own kernels as plain C loops: what indicators.py times them beside. */
#include <math.h>

#define EACH for (long i = 0; i < n; i++)

static double mean_of(const double *x, long first, long last) {
    double total = 0;
    for (long i = first; i <= last; i++) total += x[i];
    return total / (last - first + 1);
}

static double squares_about(const double *x, long first, long last, double mean) {
    double total = 0;
    for (long i = first; i <= last; i++) total += (x[i] - mean) * (x[i] - mean);
    return total;
}

void weighted(const double *x, long n, const double *w, long p, double *out) {
    double sum = 0;
    for (long k = 0; k < p; k++) sum += w[k];
    EACH {
        double total = 0;
        out[i] = NAN;
        if (i < p - 1) continue;
        for (long k = 0; k < p; k++) total += w[k] * x[i - p + 1 + k];
        out[i] = total / sum;
    }
}

void z_score(const double *x, long n, long p, double *out) {
    EACH {
        out[i] = NAN;
        if (i < p - 1) continue;
        double mean = mean_of(x, i - p + 1, i);
        double deviation = sqrt(squares_about(x, i - p + 1, i, mean) / p);
        out[i] = deviation > 0 ? (x[i] - mean) / deviation : 0;
    }
}

void channel(const double *x, long n, long p, double k, double *up, double *mid, double *low) {
    double centre = (p - 1) / 2.0, spread = p * (p * (double)p - 1) / 12;
    EACH {
        up[i] = mid[i] = low[i] = NAN;
        if (i < p - 1) continue;
        const double *w = x + i - p + 1;
        double mean = mean_of(x, i - p + 1, i), along = 0, left = 0;
        for (long j = 0; j < p; j++) along += (j - centre) * (w[j] - mean);
        double slope = along / spread;
        for (long j = 0; j < p; j++) {
            double off = w[j] - mean - slope * (j - centre);
            left += off * off;
        }
        mid[i] = mean + slope * centre;
        up[i] = mid[i] + k * sqrt(left / p);
        low[i] = mid[i] - k * sqrt(left / p);
    }
}

void choppiness(const double *h, const double *l, const double *c, long n, long p, double *out) {
    double scale = 100 / log(p);
    EACH {
        out[i] = NAN;
        if (i < p) continue;
        double total = 0, top = h[i], bottom = l[i];
        for (long j = i - p + 1; j <= i; j++) {
            total += fmax(h[j], c[j - 1]) - fmin(l[j], c[j - 1]);
            top = fmax(top, h[j]);
            bottom = fmin(bottom, l[j]);
        }
        out[i] = top > bottom ? scale * log(total / (top - bottom)) : 100;
    }
}

void ulcer(const double *c, long n, long p, double *out) {
    EACH {
        out[i] = NAN;
        if (i < p - 1) continue;
        double top = c[i - p + 1], total = 0;
        for (long j = i - p + 1; j <= i; j++) {
            top = fmax(top, c[j]);
            double below = 100 * (c[j] / top - 1);
            total += below * below;
        }
        out[i] = sqrt(total / p);
    }
}

void realised(const double *c, long n, long p, double *steps, double *out) {
    EACH {
        steps[i] = i ? log(c[i] / c[i - 1]) : NAN;
        out[i] = NAN;
        if (i < p) continue;
        double mean = mean_of(steps, i - p + 1, i);
        out[i] = sqrt(squares_about(steps, i - p + 1, i, mean) / (p - 1));
    }
}

void parkinson(const double *h, const double *l, long n, long p, double *squares, double *out) {
    EACH {
        double span = log(h[i] / l[i]);
        squares[i] = span * span / (4 * log(2));
        out[i] = i < p - 1 ? NAN : sqrt(mean_of(squares, i - p + 1, i));
    }
}

void garman_klass(const double *o, const double *h, const double *l, const double *c, long n, long p,
                  double *squares, double *out) {
    EACH {
        double span = log(h[i] / l[i]), body = log(c[i] / o[i]);
        squares[i] = span * span / 2 - (2 * log(2) - 1) * body * body;
        double mean = i < p - 1 ? NAN : mean_of(squares, i - p + 1, i);
        out[i] = mean < 0 ? 0 : sqrt(mean);
    }
}

void yang_zhang(const double *o, const double *h, const double *l, const double *c, long n, long p,
                double *gap, double *body, double *inner, double *out) {
    double k = 0.34 / (1.34 + (p + 1.0) / (p - 1.0));
    EACH {
        gap[i] = i ? log(o[i] / c[i - 1]) : NAN;
        body[i] = log(c[i] / o[i]);
        double up = log(h[i] / o[i]), down = log(l[i] / o[i]);
        inner[i] = up * (up - body[i]) + down * (down - body[i]);
        out[i] = NAN;
        if (i < p) continue;
        long f = i - p + 1;
        double gaps = squares_about(gap, f, i, mean_of(gap, f, i)) / (p - 1);
        double bodies = squares_about(body, f, i, mean_of(body, f, i)) / (p - 1);
        out[i] = sqrt(gaps + k * bodies + (1 - k) * mean_of(inner, f, i));
    }
}

void envelope(const double *x, long n, const double *w, long reach, long p, double k, double *missed,
              double *up, double *mid, double *low) {
    double sum = 0;
    for (long j = 0; j < reach; j++) sum += w[j];
    EACH {
        up[i] = mid[i] = low[i] = missed[i] = NAN;
        if (i < reach - 1) continue;
        double total = 0;
        for (long j = 0; j < reach; j++) total += w[j] * x[i - j];
        mid[i] = total / sum;
        missed[i] = fabs(x[i] - mid[i]);
        if (i - p + 1 < reach - 1) continue;
        double away = k * mean_of(missed, i - p + 1, i);
        up[i] = mid[i] + away;
        low[i] = mid[i] - away;
    }
}

void vwap(const long *ts, const double *h, const double *l, const double *c, const double *v, long n,
          double *out) {
    double money = 0, amount = 0;
    EACH {
        if (i == 0 || ts[i] / 86400000 != ts[i - 1] / 86400000) money = amount = 0;
        double typical = (h[i] + l[i] + c[i]) / 3;
        money += typical * v[i];
        amount += v[i];
        out[i] = amount == 0 ? typical : money / amount;
    }
}

void bands(const long *ts, const double *h, const double *l, const double *c, const double *v, long n,
           double k, double *up, double *mid, double *low) {
    double mean = 0, amount = 0, spread = 0;
    EACH {
        if (i == 0 || ts[i] / 86400000 != ts[i - 1] / 86400000) mean = amount = spread = 0;
        double typical = (h[i] + l[i] + c[i]) / 3;
        amount += v[i];
        up[i] = mid[i] = low[i] = typical;
        if (amount == 0) continue;
        double off = typical - mean;
        mean += off * (v[i] / amount);
        spread += v[i] * off * (typical - mean);
        double away = k * sqrt(spread / amount);
        up[i] = mean + away;
        mid[i] = mean;
        low[i] = mean - away;
    }
}

void hurst(const double *c, long n, long p, const double *biases, long levels, double *steps, double *plain,
           double *corrected) {
    EACH steps[i] = i ? log(c[i] / c[i - 1]) : NAN;
    EACH {
        plain[i] = corrected[i] = NAN;
        if (i < p) continue;
        double sx = 0, sxx = 0, sy = 0, sxy = 0, sz = 0, sxz = 0;
        for (long level = 0; level < levels; level++) {
            long pieces = 1L << level, size = p / pieces;
            double total = 0;
            for (long piece = 0; piece < pieces; piece++) {
                long first = i + 1 - (pieces - piece) * size;
                double mean = mean_of(steps, first, first + size - 1);
                double deviation = sqrt(squares_about(steps, first, first + size - 1, mean) / size);
                double walk = 0, top = -INFINITY, bottom = INFINITY;
                for (long j = first; j < first + size; j++) {
                    walk += steps[j] - mean;
                    if (walk > top) top = walk;
                    if (walk < bottom) bottom = walk;
                }
                total += (top - bottom) / deviation;
            }
            double x = log(size), y = log(total / pieces), z = log(total / pieces + biases[level]);
            sx += x; sxx += x * x; sy += y; sxy += x * y; sz += z; sxz += x * z;
        }
        double under = levels * sxx - sx * sx;
        plain[i] = (levels * sxy - sx * sy) / under;
        corrected[i] = (levels * sxz - sx * sz) / under;
    }
}

void profile(const double *h, const double *l, const double *v, long n, long p, double share, long rows,
             double *traded, double *steps, double *poc, double *up, double *low) {
    EACH {
        poc[i] = up[i] = low[i] = NAN;
        if (i < p - 1) continue;
        double top = -INFINITY, bottom = INFINITY, total = 0, inside = 0;
        for (long j = i - p + 1; j <= i; j++) {
            if (h[j] > top) top = h[j];
            if (l[j] < bottom) bottom = l[j];
        }
        double size = (top - bottom) / rows;
        for (long r = 0; r < rows; r++) traded[r] = steps[r] = 0;
        for (long j = i - p + 1; j <= i; j++) {
            long a = (long)((l[j] - bottom) / size), b = (long)((h[j] - bottom) / size);
            if (a >= rows) a = rows - 1;
            if (b >= rows) b = rows - 1;
            if (a == b) { traded[a] += v[j]; continue; }
            double density = v[j] / (h[j] - l[j]);
            traded[a] += density * (bottom + (a + 1) * size - l[j]);
            traded[b] += density * (h[j] - (bottom + b * size));
            steps[a + 1] += density * size;
            steps[b] -= density * size;
        }
        for (long r = 0; r < rows; r++) { inside += steps[r]; traded[r] += inside; total += traded[r]; }
        if (!(total > 0)) continue;
        long best = 0;
        for (long r = 1; r < rows; r++) if (traded[r] > traded[best]) best = r;
        long under = best, over = best;
        double held = traded[best];
        while (held < share * total && (under > 0 || over < rows - 1)) {
            if (over < rows - 1 && (under == 0 || traded[over + 1] >= traded[under - 1])) held += traded[++over];
            else held += traded[--under];
        }
        poc[i] = bottom + (best + 0.5) * size;
        up[i] = bottom + (over + 1) * size;
        low[i] = bottom + under * size;
    }
}
