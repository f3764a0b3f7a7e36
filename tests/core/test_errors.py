"""Errors that people read: one line, and the same line after a trip through another process."""

from __future__ import annotations

import pickle

import pytest

from mmkit import errors
from mmkit.errors import BadInput, MissingExtra, MmkitError, ModelUnavailable, RecipeError, UsageError

CLASSES = [
    cls
    for name in errors.__all__
    if isinstance(cls := getattr(errors, name), type) and cls not in (MissingExtra, RecipeError)
]


def test_the_text_says_where_what_and_how_to_mend_it() -> None:
    assert str(MmkitError("is torn", where="a.mm", mend="sew it")) == "a.mm: is torn; sew it"
    assert str(MmkitError("is torn", mend="sew it")) == "is torn; sew it"
    assert str(MmkitError("is torn", where="a.mm")) == "a.mm: is torn"


def test_the_text_is_one_line_whatever_it_is_made_of() -> None:
    assert str(MmkitError("two\nlines", where="a\tb", mend="x\r\n y")) == "a b: two lines; x y"


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_survives_pickling(cls: type[MmkitError]) -> None:
    error = cls("is torn", where="a.mm", mend="sew it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert (copy.what, copy.where, copy.mend, copy.exit_code) == ("is torn", "a.mm", "sew it", error.exit_code)


def test_a_missing_extra_survives_pickling_with_its_text_and_exit_code() -> None:
    error = MissingExtra("faiss", extra="faiss", feature="the index")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ModelUnavailable)
    assert str(copy) == str(error) == "the index needs the package faiss; install it with: pip install 'mmkit[faiss]'"


def test_a_recipe_error_keeps_every_problem_on_a_line_of_its_own() -> None:
    copy = pickle.loads(pickle.dumps(RecipeError(["a:1:1: x", "a:2:1: y"])))
    assert str(copy) == "a:1:1: x\na:2:1: y"
    assert copy.problems == ["a:1:1: x", "a:2:1: y"]


def test_exit_codes_are_those_of_the_shell_contract() -> None:
    codes = {cls.__name__: cls.exit_code for cls in CLASSES}
    assert codes.pop("UsageError") == errors.EXIT_USAGE == 2
    assert codes.pop("ModelUnavailable") == errors.EXIT_UNAVAILABLE == 4
    assert set(codes.values()) == {errors.EXIT_ERROR} == {1}
    assert RecipeError.exit_code == 2
    assert (errors.EXIT_PARTIAL, errors.EXIT_INTERRUPTED, errors.EXIT_PIPE) == (3, 130, 141)


def test_usage_errors_and_bad_inputs_can_be_told_apart() -> None:
    assert not issubclass(UsageError, BadInput)
    assert not issubclass(BadInput, UsageError)
