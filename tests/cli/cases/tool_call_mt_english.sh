mkdir modes
echo cat >modes/spa-eng.mode
sed 's|"backend": .*|"backend": {"type": "builtin:mt", "modes": "modes"}|' "$MODELS/../../../data/MT.json" >mt.json
"$T" tool call mt.json "The committee will meet again on Thursday to discuss the results of the vote."
