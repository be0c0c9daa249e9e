/* Range reduction by exactly representable parts of ln 2 and pi/2, then short power series. */
#include "base/math64.h"

#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the first has 32 trailing zero bits, so that k * LN2_HI is exact for |k| < 2^20. */
static const double LN2_HI = 0x1.62e42fee00000p-1;
static const double LN2_LO = 0x1.a39ef35793c76p-33;
static const double INV_LN2 = 0x1.71547652b82fep+0;

/* pi/2 in three parts; the first two have 30 bits or fewer, so that k * part is exact for |k| < 2^23. */
static const double PIO2_1 = 0x1.921fb54000000p+0;
static const double PIO2_2 = 0x1.10b4610000000p-30;
static const double PIO2_3 = 0x1.a62633145c06ep-58;
static const double INV_PIO2 = 0x1.45f306dc9c883p-1;

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The nearest whole number; halves go to even. |x| < 2^51. */
static double nearest(double x)
{
    const double shift = 0x1.8p52;
    double sum = x + shift;
    return sum - shift;
}

/* 2^k for -1022 ≤ k ≤ 1023 */
static double power_of_two(int k)
{
    return from_bits((uint64_t)(k + 1023) << 52);
}

double tfc_exp64(double x)
{
    if (x != x) return x;
    if (x > 709.8) return from_bits(UINT64_C(0x7ff0000000000000));
    if (x < -745.2) return 0;
    double k = nearest(x * INV_LN2);
    double r = x - k * LN2_HI - k * LN2_LO;
    static const double inverse_factorial[] = {
        1.0,
        1.0,
        1.0 / 2,
        1.0 / 6,
        1.0 / 24,
        1.0 / 120,
        1.0 / 720,
        1.0 / 5040,
        1.0 / 40320,
        1.0 / 362880,
        1.0 / 3628800,
        1.0 / 39916800,
        1.0 / 479001600,
        1.0 / 6227020800.0,
    };
    double y = inverse_factorial[13];
    for (int i = 12; i >= 2; i--) y = y * r + inverse_factorial[i];
    y = 1 + (r + r * r * y);
    int e = (int)k;
    /* In two steps, because 2^k alone may leave the normal range. */
    int half = e / 2;
    return y * power_of_two(half) * power_of_two(e - half);
}

double tfc_log64(double x)
{
    if (x != x) return x;
    if (x < 0) return from_bits(UINT64_C(0x7ff8000000000000));
    if (x == 0) return -from_bits(UINT64_C(0x7ff0000000000000));
    uint64_t bits = to_bits(x);
    if (bits == UINT64_C(0x7ff0000000000000)) return x;
    int e = 0;
    if (bits < (UINT64_C(1) << 52)) { /* subnormal */
        bits = to_bits(x * 0x1p54);
        e = -54;
    }
    e += (int)(bits >> 52) - 1023;
    double m = from_bits((bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));
    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt 2 */
        m *= 0.5;
        e++;
    }
    /* log m = 2 atanh s, s = (m-1)/(m+1); with f = m - 1: 2s = f - s*f, which keeps f's leading digits. */
    double f = m - 1, s = f / (m + 1), z = s * s, series = 0;
    for (int i = 23; i >= 3; i -= 2) series = series * z + 1.0 / i;
    double tail = -s * f + 2 * s * z * series;
    return e * LN2_HI + (f + (tail + e * LN2_LO));
}

void tfc_sincos64(double x, double *sine, double *cosine)
{
    double k = nearest(x * INV_PIO2);
    double r = ((x - k * PIO2_1) - k * PIO2_2) - k * PIO2_3, z = r * r;
    double s = 0, c = 0;
    for (int i = 18; i >= 2; i -= 2) {
        s = (1 - s) * z / (i * (i + 1.0));
        c = (1 - c) * z / (i * (i - 1.0));
    }
    s = r - r * s;
    c = 1 - c;
    switch ((int)((int64_t)k & 3)) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
        break;
    }
}
