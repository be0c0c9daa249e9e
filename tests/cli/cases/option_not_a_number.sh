"$T" generate --max-tokens many x
