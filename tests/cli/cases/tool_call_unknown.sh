"$T" tool call Teapot
