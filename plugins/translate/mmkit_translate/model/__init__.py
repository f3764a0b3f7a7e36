"""The bundled translator: network, weights, and what it does with lines."""
