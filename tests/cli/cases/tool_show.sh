"$T" tool show Calculator
