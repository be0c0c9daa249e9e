#!/bin/sh
# The example program writes with the default model and its own tool at hand; 77 where the model is absent.
set -eu
if out=$("$1" 1987 SmolLM2-135M-Instruct.Q4_1 'The year 1987 in Roman numerals is' 2>&1); then
    echo "$out"
    [ "$(echo "$out" | head -n 1)" = MCMLXXXVII ]
    echo "$out" | sed -n 2p | grep -q '^The year 1987 in Roman numerals is.'
    exit
fi
echo "$out"
case $out in *"model fetch"*) exit 77 ;; esac
exit 1
