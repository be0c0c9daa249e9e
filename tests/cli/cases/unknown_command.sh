"$T" frobnicate
