#!/usr/bin/env python3
# A unit converter: one request a line in, one answer a line out.
import json, sys

SIZES = {"miles": ("m", 1609.344), "kilometres": ("m", 1000), "metres": ("m", 1), "feet": ("m", 0.3048),
         "inches": ("m", 0.0254), "centimetres": ("m", 0.01), "pounds": ("kg", 0.45359237), "kilograms": ("kg", 1),
         "ounces": ("kg", 0.028349523125), "grams": ("kg", 0.001), "gallons": ("l", 3.785411784), "litres": ("l", 1),
         "acres": ("ha", 0.40468564224), "hectares": ("ha", 1)}

def convert(quantity, to):
    number, _, unit = quantity.partition(" ")
    for name in (unit, to):
        if name not in SIZES:
            raise ValueError(f"no unit is named '{name}'")
    (kind, size), (kind_to, size_to) = SIZES[unit], SIZES[to]
    if kind != kind_to:
        raise ValueError(f"{unit} cannot be converted to {to}")
    return f"{float(number.replace(',', '')) * size / size_to:.2f}".rstrip("0").rstrip(".")

if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": convert(**request["args"])}
        except ValueError as error:
            answer = {"error": f"{error}"}
        print(json.dumps({"id": request["id"], **answer}), flush=True)
