"$T" model frob
