"""The recogniser: network, decoding and the reader around them."""
