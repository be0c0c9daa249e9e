"""The works that are compared: token ids from (work, turn) alone, so that both programs get the same ones and no turn
finds anything of an earlier one in a cache."""
import random

VOCABULARY = 49152  # of the default model

# name: (texts, least and most tokens, tokens shared before them, tokens to generate)
SIZES = {
    "prefill": (1, 512, 512, 0, 0),
    "ragged-last5": (40, 50, 300, 0, 0),
    "ragged-all": (40, 50, 300, 0, 0),
    "every-1024": (1, 1024, 1024, 0, 0),
    "decode-1": (1, 64, 64, 0, 64),
    "decode-32": (32, 4, 8, 512, 32),
}
TITLES = {
    "prefill": "prefill 512 tokens",
    "ragged-last5": "40 texts of 50-300 tokens, the last 5 tokens' losses",
    "ragged-all": "40 texts of 50-300 tokens, every token's loss",
    "every-1024": "every token's loss, 1,024 tokens",
    "decode-1": "decode, one stream",
    "decode-32": "decode, 32 streams behind 512 shared tokens",
    "first-token": "start of the program to its first token",
}


def texts(work, turn):
    n, least, most, shared, _ = SIZES[work]
    draw = random.Random(f"{work} {turn}")
    lengths = random.Random(work)  # the same in every turn
    begin = [draw.randrange(100, VOCABULARY) for _ in range(shared)]
    return [begin + [draw.randrange(100, VOCABULARY) for _ in range(lengths.randint(least, most))]
            for _ in range(n)]


def tokens_of(work):
    """What a turn's rate counts: generated tokens, else the tokens of all texts."""
    n, _, _, _, new = SIZES[work]
    return n * new if new else sum(len(ids) for ids in texts(work, 0))
