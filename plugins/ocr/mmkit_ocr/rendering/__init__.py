"""Draws labelled word pictures for training: words, glyph masks, pictures of them, distortions of real crops."""
