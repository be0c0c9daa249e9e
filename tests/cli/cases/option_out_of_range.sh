"$T" generate --temperature -1 x
