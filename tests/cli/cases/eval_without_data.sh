"$T" eval --task svamp
