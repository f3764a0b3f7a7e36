"""Texts as people have them: lines, subtitles, tables, long paragraphs, languages not named."""
