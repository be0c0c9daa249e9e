# An index over JSON lines and a folder; searched, also by lines; its facts; where it is looked for.
mkdir texts
printf '{"id":"a","title":"Brown Act","text":"The Ralph M. Brown Act is an act of the California State Legislature."}\n' |
    gzip >wiki.jsonl.gz
printf 'The largest animal.\n\n== Diet ==\nIt eats krill.\n' >texts/Blue_whale.txt
"$T" index build --corpus wiki.jsonl.gz texts --out wiki.db --quiet
"$T" index info wiki.db --json
"$T" index search wiki.db 'what does a "blue whale" eat? AND (' --n 1
printf 'the brown act\nwhat is it\n' | "$T" index search wiki.db --n 1 | sed 's/"ms":[0-9.e-]*/"ms":0/; s/"score":[0-9.]*/"score":0/'
"$T" index search wiki.db 'zebra'
echo "$?"
TOOLFORMER_HOME=$PWD/home "$T" index build --corpus texts --quiet | sed "s|$PWD/||"
TOOLFORMER_HOME=$PWD/home "$T" index info | sed "s|$PWD/||"
ls
