"$T" eval --task nonsense --data x
