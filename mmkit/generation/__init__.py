"""Text from vectors: what captioning and translation share.

A vector of a shared space becomes the first places of a decoder's input (`prefix`, with `gap` for vectors of the
other tower), a transformer reads on from there (`transformer`), and `search` turns its scores into texts of a
`vocabulary`. Import the modules; this package imports nothing heavy.
"""
