/* base/math64.h: exp, log, sine and cosine in f64 whose bits are the same on every machine.
 *
 * Written with additions, multiplications and divisions alone (IEEE: one rounding each), so no C library has
 * a say in them. Error below 2 units in the last place over the ranges given. */
#ifndef TFC_BASE_MATH64_H
#define TFC_BASE_MATH64_H

double tfc_exp64(double x); /* 0 below -745.2, infinity above 709.8; NaN stays NaN */
double tfc_log64(double x); /* -infinity at 0, NaN below 0 */
/* |x| < 2^22: the error is then below 1e-15; larger arguments lose digits. */
void tfc_sincos64(double x, double *sine, double *cosine);

#endif
