# The page is what the program says of itself: scripts/man-page.sh PROGRAM > docs/man/toolformer.1.scd
ROOT=$(dirname "$CORPUS")/../..
"$ROOT/scripts/man-page.sh" "$T" | diff - "$ROOT/docs/man/toolformer.1.scd"
