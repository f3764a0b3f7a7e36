"""Lines, sentences, subtitles and languages."""

from __future__ import annotations

import pytest
from mmkit_translate.text.languages import Detector, languages_of
from mmkit_translate.text.lines import translate_lines
from mmkit_translate.text.normal import has_words, normalised
from mmkit_translate.text.sentences import parts_of, sentences_of
from mmkit_translate.text.subtitles import parse_srt, srt_text, wrapped
from mmkit_translate.translating import Search


def test_normal_texts_have_composed_letters_and_plain_spaces():
    assert normalised(" Scho\u0308n\u00a0 \t\x07x\u2028y ") == "Schön x y"
    assert has_words("a") and not has_words("12:30 → 😀 …") and not has_words("")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('One. Two! Three? "Four." Five', 5),
        ("Dr. Smith met Mr. J. R. Jones at 3.5 km.", 1),
        ("Am 3. Mai, z. B. heute, kam er. Dann ging er.", 2),
        ("M. Dupont est là. Il dort…", 2),
        ("V 19. století žil např. Karel. Pak zemřel.", 2),
        ("", 0),
    ],
)
def test_sentences(text: str, count: int):
    sentences = sentences_of(text)
    assert len(sentences) == count
    assert " ".join(sentences) == text


def test_long_lines_come_in_parts_that_hold_every_word():
    long = ", ".join(f"w{n} x y" for n in range(1700))  # 5,100 words in one sentence
    parts = parts_of(long, longest=40)
    assert max(len(part.split()) for part in parts) <= 40
    assert " ".join(parts).split() == long.split()
    bare = " ".join(["word"] * 101)
    assert [len(part.split()) for part in parts_of(bare, longest=40)] == [40, 40, 21]
    assert parts_of("short. and. so", longest=40) == ["short. and. so"]


def test_as_many_lines_come_out_in_the_same_order(shouting):
    lines = ["b one", "", "  ", "a two", "😀 12", "b one", "x\ty\x00z", "c " * 50]
    found = list(translate_lines(shouting, lines, target="de", source="en", search=Search(n_best=2)))
    assert [line.translation for line in found[:7]] == ["B ONE", "", "", "A TWO", "😀 12", "B ONE", "X Y Z"]
    assert len(found[7].translation.split()) == 50
    assert found[0].alternatives[0].text == "B ONE!" and found[1].score is None
    assert shouting.asked.count("b one") == 1, "what is said twice is translated once"


def test_a_hundred_thousand_lines(shouting):
    lines = [f"line {n % 70}" if n % 3 else "" for n in range(100_000)]
    found = list(translate_lines(shouting, lines, target="de", source="en"))
    assert [line.translation for line in found] == [line.upper() for line in lines]


def test_no_lines_are_no_lines(shouting):
    assert list(translate_lines(shouting, [], target="de")) == []


def test_languages_are_found_line_by_line(shouting):
    lines = [
        "A man in a blue shirt is standing on a ladder cleaning a window.",
        "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.",
        "Un homme en chemise bleue est debout sur une échelle.",
        "Muž v modré košili stojí na žebříku a čistí okno.",
    ]
    found = list(translate_lines(shouting, lines, target="de"))
    assert [line.source for line in found] == ["en", "de", "fr", "cs"]
    assert found[1].translation == lines[1], "it is in the target language already"
    assert found[0].translation == lines[0].upper()


def test_a_short_line_follows_the_others():
    detector = Detector(("en", "de", "fr", "cs", "tlh"))
    assert "tlh" not in detector.languages
    texts = ["Muž v modré košili stojí na žebříku a čistí okno.", "OK", ""]
    assert languages_of(texts, detector, target="en")[:2] == ["cs", "cs"]
    assert detector.detect("12 ;") == ("", 0.0)


SRT = """\ufeff1
00:00:01,000 --> 00:00:02,500
<i>a dog runs
through the snow</i>

2
00:00:03,000 --> 00:00:04,000
- who?
- me.


3
00:00:05,000 --> 00:00:06,000

"""


def test_subtitles_keep_numbers_and_times(shouting):
    cues = parse_srt(SRT.removesuffix("\n").split("\n"))
    assert srt_text(cues) == SRT
    said = [cue.speeches() for cue in cues]
    assert said[0] == ["a dog runs through the snow"]
    assert ["- who?", "- me."] in said
    translated = [cue.saying([speech.upper() for speech in cue.speeches()]) for cue in cues]
    text = srt_text(translated)
    assert "<i>A DOG RUNS\nTHROUGH THE SNOW</i>" in text
    assert [line for line in text.split("\n") if "-->" in line] == [line for line in SRT.split("\n") if "-->" in line]
    assert text.count("\n") == SRT.count("\n")


def test_wrapped_lines_are_about_equal():
    assert wrapped("one two three four", 2) == ["one two", "three four"]
    assert wrapped("one", 3) == ["one"] and wrapped("", 2) == [""]
