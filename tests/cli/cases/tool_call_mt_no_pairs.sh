sed 's|"backend": .*|"backend": {"type": "builtin:mt", "modes": "/nonexistent"}|' "$MODELS/../../../data/MT.json" >mt.json
"$T" tool call mt.json "El perro duerme en la cocina mientras la abuela prepara la comida para todos."
