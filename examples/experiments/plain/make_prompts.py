#!/usr/bin/env python3
"""Beginnings of everyday texts, one a line. A model continues them by itself (toolformer generate --prompts), and what it
writes is read again while it is taught: texts in which no tool is needed, so that it stays what it was.

    make_prompts.py [--seed 1] [--n 1600] > prompts.txt
"""
import argparse
import random

THINGS = ("rivers|glass|the moon|bread|a good friend|volcanoes|chess|the violin|old maps|bees|coffee|honesty|the Roman roads|"
          "winter|whales|a small bakery|painting|the human heart|bicycles|cats and dogs|gardening|steam engines|sleep|tea|"
          "the printing press|mountains|a library card|patience|the ocean|forests|trains|pottery|photography|rice|the weather|"
          "owls|lighthouses|a new job|cooking for friends|learning a language|running|deserts|the theatre|electricity|salt|"
          "public parks|family recipes|folk songs|architecture|clean water|elephants|clouds|paper|magnets|spiders|opera|soil|"
          "the immune system|tides|wool|kindness|castles|kites|radio|bridges|wolves|grammar|the sense of smell|ice cream").split("|")
PEOPLE = ("my grandmother|the librarian|a tired nurse|the young king|our neighbour|the captain|Elise|Mr. Varga|the students|"
          "a stranger|the gardener|Tomoko|the twins|an old soldier|the mayor|Amadou|the cook|her brother|the painter|Lotte").split("|")
PLACES = ("the harbour|a quiet village|the kitchen|the edge of the forest|a crowded market|the museum|the train|the mountain hut|"
          "an empty classroom|the riverside|the attic|a small island|the workshop|the hospital|the old town").split("|")

WITH_THING = """What is the best thing about {t}?
Why do people like {t}?
Tell me something about {t}.
Can you explain {t} to a child?
Write a short poem about {t}.
Write a sentence about {t}.
Describe {t} in simple words.
How would you begin an essay on {t}?
Give me some advice about {t}.
The history of {t} begins
{T} can be described as
{T} and its place in our culture.
One of the most interesting things about {t} is
Most people know that {t}
In this article we will look at {t} and
There are many myths about {t}. One of them is that
When I think of {t}, I
The teacher asked the class to write about {t}, and
Scientists who study {t}
A common mistake about {t} is
I never cared much for {t} until
Here is what I learned about {t}:
Dear Editor, I read your piece on {t} and
Compare {t} with something that you know well.
User: Do you like {t}? Assistant:
Q: Why is {t} important? A:
The book is about {t} and
The word comes from an old name for {t},
People in the past believed that {t}
An introduction to {t}""".split("\n")
WITH_PERSON = """One morning {p} woke up and
{P} looked out of the window and saw
In {l}, {p} waited for
"I don't believe you," said {p},
{P} had always wanted to visit {l}, because
Nobody knew why {p} had left {l}.
It was late when {p} came back from {l}, and
{P} sat down in {l} and began to
The letter that {p} found in {l} said that
Yesterday {p} told me that
As soon as {p} opened the door of {l},
{P} is known for
My favourite memory of {l} is
We walked through {l} and
{P} smiled because
In {l} there was a smell of
If {p} had known,
{P} wrote a song about
The first thing that {p} noticed in {l} was
Everyone in {l} agreed that {p}""".split("\n")
AS_THEY_ARE = """def read_lines(path):
def is_empty(items):
class Shape:
import os
for name in names:
int main(void) {
#include <stdlib.h>
public class Main {
SELECT name FROM
<html><head><title>
const result = await
function greet(name) {
{"name": "example",
# My notes
## Installation
To install the program, first
Error: file not found.
Step one: wash the vegetables. Then
Ingredients: flour, butter,
Shopping list: milk, eggs,
Three colours that go well together are
Translate into French: Good night.
Summarize: The meeting was long and
Correct the mistake: She go to school.
Opposite of hot:
Rhymes with tree:
Hello! How are you?
Thank you very much for
Good morning, everyone.
Dear Sir or Madam,
Best wishes,
To be or not
The quick brown fox
Happy birthday to
Can you help me with my homework?
What should I cook tonight?
Tell me a story.
Who wrote it?
Please list some animals.
What do you think?
I am feeling sad today.
How do I tie a tie?
Give me a name for a dog.
The capital of the country is
She speaks two languages and
He has three sisters, and
The house has four rooms and
The table has four legs because
Chapter 7
Page 12
Room 101 was
In 1066 the
In the year 1820
The 19th century was
Born in 1932, she
At 8 o'clock the
The team of 11 players
He lives at number 24,
It costs about 5 dollars, but
A week has seven days, and
Twelve months make""".split("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=1600)
    options = parser.parse_args()
    prompts = [f.format(t=t, T=t[0].upper() + t[1:]) for f in WITH_THING for t in THINGS]
    prompts += [f.format(p=p, P=p[0].upper() + p[1:], l=l) for f in WITH_PERSON for p in PEOPLE for l in PLACES]
    prompts = list(dict.fromkeys(prompts))
    rng = random.Random(options.seed)
    rng.shuffle(prompts)
    share = options.n // 4
    chosen = [rng.choice(AS_THEY_ARE) for _ in range(share)]  # several continuations of each
    chosen += prompts[:options.n - share]
    rng.shuffle(chosen)
    print("\n".join(chosen))


if __name__ == "__main__":
    main()
