"$T" --version
"$T" score --version
