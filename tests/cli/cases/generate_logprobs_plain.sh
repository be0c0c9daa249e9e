"$T" generate --logprobs x
