#!/usr/bin/env python3
"""Writes texts.jsonl (plain prose with unit conversions, no calls) and prompts.jsonl (held out: other sentences, other
numbers; `args` is what a right call asks for). The same bytes every time."""
import json
import os
import random

from convert import convert

FOLDER = os.path.dirname(os.path.abspath(__file__))
PAIRS = {"way": ["miles", "kilometres"], "height": ["feet", "metres"], "small": ["inches", "centimetres"],
         "load": ["pounds", "kilograms"], "pinch": ["ounces", "grams"], "fluid": ["gallons", "litres"],
         "land": ["acres", "hectares"]}
FACTS = {
    "way": ["The trail around the lake is {q} long.", "From our village to the coast it is {q} by road.",
            "The ferry crosses {q} of open water.", "The old railway ran for {q} through the hills.",
            "She cycles {q} to work and back every day.", "The pipeline will be {q} long when it is done."],
    "height": ["The church tower rises {q} above the square.", "The diver went down to {q} before he turned back.",
               "The new wall along the river is {q} high.", "The hut stands at a height of {q}.",
               "Our ladder reaches up to {q}.", "The well had to be dug {q} deep."],
    "small": ["The shelf is {q} wide.", "Last night {q} of snow fell on the pass.", "The screen measures {q} across.",
              "The seedlings should stand {q} apart.", "The cut in the bark was {q} long.",
              "The picture needs a frame that is {q} tall."],
    "load": ["The calf weighed {q} at birth.", "The lift carries at most {q}.", "He caught a catfish of {q}.",
             "The sacks on the cart came to {q} in all.", "The stove weighs {q} without its pipes.",
             "We sold {q} of plums at the market."],
    "pinch": ["The recipe asks for {q} of butter.", "The letter weighs {q} with its stamps.",
              "Each jar holds {q} of honey.", "The ring and its case weigh {q}.",
              "The cat eats {q} of dry food a day.", "Put {q} of almonds into the bowl."],
    "fluid": ["The tank in the cellar holds {q}.", "The brewery fills {q} of ale an hour.",
              "The cow drinks {q} of water on a hot day.", "The bath takes {q} when it is full.",
              "Our car burned {q} of petrol on the way.", "The pump moves {q} a minute."],
    "land": ["The farm covers {q} of good soil.", "The fire burned {q} of pine wood.",
             "They planted {q} with barley.", "The park was laid out over {q}.",
             "The lake floods {q} of meadow each spring.", "The estate was sold with {q} of forest."],
}
TURNS = ["In {t} that is {r}.", "Converted to {t}, this makes {r}.", "How many {t} is that? It is {r}.",
         "Written in {t}, the figure is {r}.", "Measured in {t} it comes to {r}.", "That equals, in {t}, {r}.",
         "For those who think in {t}, it is {r}.", "The sign beside it gives the figure in {t}: {r}.",
         "Our neighbours count in {t} and would say {r}."]
ASKED = ["How many {t} are {q}? The answer is {r}.", "Convert {q} to {t}. Answer: {r}.",
         "What are {q} in {t}? They are {r}.", "If something measures {q}, how much is it in {t}? It is {r}."]
TAILS = ["Nobody had measured it before.", "The clerk wrote both figures down.", "That was more than we had thought.",
         "We checked it twice.", "It is less than it looks.", "The children guessed wrong.", ""]
HELD_FACTS = {
    "way": ["The marathon of the island leads over {q}.", "The canal links the two towns over {q}."],
    "height": ["The waterfall drops {q} into the gorge.", "The mast of the ship is {q} tall."],
    "small": ["The rope is {q} thick.", "The envelope is {q} wide."],
    "load": ["The bell in the chapel weighs {q}.", "The bear weighed {q} in autumn."],
    "pinch": ["The loaf was made with {q} of salt and flour.", "The phone weighs {q}."],
    "fluid": ["The aquarium was filled with {q}.", "The barrel was sold with {q} of cider."],
    "land": ["The vineyard spreads over {q}.", "The airport needs {q} of land."],
}
HELD_TURNS = ["Expressed in {t}, it is", "In {t} this amounts to"]


def quantity(draw, unit, used):
    while True:
        number = draw.choice([draw.randint(3, 99), draw.randint(100, 900), draw.randint(30, 990) / 10])
        text = f"{number:g} {unit}"
        if text not in used:
            used.add(text)
            return text


def fill(draw, kind, used, fact, turn):
    pair = draw.sample(PAIRS[kind], 2)
    q = quantity(draw, pair[0], used)
    text = f"{fact} {turn}".strip().format(q=q, t=pair[1], r=convert(q, pair[1]))
    return text, f"{q}, {pair[1]}", convert(q, pair[1])


def write(name, rows):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main():
    draw, used, texts, prompts = random.Random(6), set(), [], []
    for i in range(320):
        kind = draw.choice(list(PAIRS))
        if i % 4 == 3:
            text = fill(draw, kind, used, "", draw.choice(ASKED))[0]
        else:
            text = fill(draw, kind, used, draw.choice(FACTS[kind]), draw.choice(TURNS))[0]
        texts.append({"id": f"units-{i:03d}", "text": f"{text} {draw.choice(TAILS)}".strip()})
    for kind, facts in HELD_FACTS.items():
        for fact in facts:
            for turn in HELD_TURNS:
                text, args, result = fill(draw, kind, used, fact, turn)
                prompts.append({"prompt": text, "args": args, "result": result})
    write("texts.jsonl", texts)
    write("prompts.jsonl", prompts)


if __name__ == "__main__":
    main()
