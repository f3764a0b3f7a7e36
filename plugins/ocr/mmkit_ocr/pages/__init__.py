"""Pages: found, turned upright, cut into lines and words, read, put in reading order and written out."""
