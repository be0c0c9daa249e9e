/* Angles of rotary positions, in f64 with our own functions: the same bits everywhere. */
#include "base/math64.h"
#include "model/model.h"

static const double PI = 3.14159265358979323846;

/* Llama 3's scaling: long wavelengths are divided by the factor, short ones stay, between them the two are
 * blended. */
static double scale_frequency(const tfc_hparams *hp, double frequency)
{
    if (hp->rope_factor == 1) return frequency;
    double wavelength = 2 * PI / frequency;
    double original = (double)hp->rope_original_context;
    if (wavelength > original / hp->rope_low_freq_factor) return frequency / hp->rope_factor;
    if (wavelength < original / hp->rope_high_freq_factor) return frequency;
    double smooth = (original / wavelength - hp->rope_low_freq_factor) /
                    (hp->rope_high_freq_factor - hp->rope_low_freq_factor);
    return (1 - smooth) * (frequency / hp->rope_factor) + smooth * frequency;
}

double tfc_rope_frequency(const tfc_hparams *hp, int64_t i)
{
    double exponent = (double)(2 * i) / (double)hp->n_rot;
    double frequency = scale_frequency(hp, tfc_exp64(-exponent * tfc_log64(hp->rope_base)));
    return hp->rope_freq_factors ? frequency / (double)hp->rope_freq_factors[i] : frequency;
}

void tfc_rope_angle(double frequency, int64_t position, float *cosine, float *sine)
{
    double s, c;
    tfc_sincos64((double)position * frequency, &s, &c);
    *cosine = (float)c;
    *sine = (float)s;
}

void tfc_rope_table(const tfc_hparams *hp, int64_t position, float *table)
{
    int64_t half = hp->n_rot / 2;
    for (int64_t i = 0; i < half; i++)
        tfc_rope_angle(tfc_rope_frequency(hp, i), position, &table[i], &table[half + i]);
}
