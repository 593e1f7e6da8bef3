"""The language of conditions on columns, such as ``camera = 'X100' AND taken >= '2024-05'``.

A text is cut into tokens, and these are read by recursive descent, one function for each rule::

    any_of     = all_of {OR all_of}
    all_of     = negated {AND negated}
    negated    = [NOT] (comparison | "(" any_of ")")
    comparison = column (= | != | < | <= | > | >=) literal
               | column [NOT] (LIKE | GLOB) text
               | column [NOT] IN "(" literal {"," literal} ")"
               | column IS [NOT] NULL

The length of a text, its depth and the number of its literals are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from clr_search.errors import UsageError
from clr_search.index.catalog.columns.literals import Literal, MistakeError, literal_of, name_error

MOST_CHARACTERS = 4096
"""Longest text of a condition."""

MOST_LITERALS = 200
"""Most literals of a condition."""

MAX_DEPTH = 32
"""Most parentheses and negations within each other."""

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
    r'|(?P<quoted>"[^"]+")|(?P<word>[^\W\d]\w*)|(?P<sign><=|>=|!=|<>|[=<>(),]))'
)
_COMPARISONS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_KEYWORDS = {"AND", "OR", "NOT", "IN", "LIKE", "GLOB", "IS", "NULL"}


class ConditionError(UsageError):
    """A text is no condition on the columns of the collection."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a column with literals.

    Attributes
    ----------
    column : str
        Name of the column.
    operator : str
        ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``IN``, ``LIKE``, ``GLOB`` or ``IS NULL``.
    literals : tuple of Literal
        The values to compare with: one, several for ``IN``, none for ``IS NULL``.
    negated : bool
        Whether it has to be false; a picture without a value passes neither, but ``IS NULL``.
    """

    column: str
    operator: str
    literals: tuple[Literal, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that all have to be met, or any of them."""

    word: str  # AND or OR
    parts: tuple[Condition, ...]


Condition = Comparison | Group
"""A condition on the columns of a picture, in which only comparisons are negated."""


def parse(text: str, kinds: Mapping[str, str]) -> Condition:
    """Return the condition that a text says.

    Parameters
    ----------
    text : str
        The condition.
    kinds : mapping of str to str
        Kind of each column, by its name.

    Raises
    ------
    ConditionError
        If the text is no condition on these columns; the message tells where, and what there is.

    Examples
    --------
    >>> parse("width > 100", {"width": "integer"}).operator
    '>'
    """
    if len(text) > MOST_CHARACTERS:
        raise ConditionError(
            f"The condition has {len(text):,} characters; the most is {MOST_CHARACTERS:,}."
        )
    try:
        return _Parser(text, kinds).whole()
    except MistakeError as mistake:
        start = max(mistake.at - 30, 0)
        near = text[start : mistake.at + 30].replace("\n", " ")
        where = f" at character {mistake.at + 1}, in {near!r}"
        raise ConditionError(
            f"The condition cannot be read{where}: {mistake.what}.", mistake.remedy
        ) from None


class _Parser:
    """Reads the tokens of one text, one after the other."""

    def __init__(self, text: str, kinds: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._tokens: list[tuple[str, str, int]] = []  # kind, text and place
        self._next = 0
        self._literals = 0
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                if text[at] == "'":
                    raise MistakeError(
                        at, "a text has no end", "Put a ' behind it; within it, write ''."
                    )
                raise MistakeError(at, f"{text[at]!r} has no meaning here", "")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._tokens.append(("end", "", len(text)))

    def whole(self) -> Condition:
        """Returns the condition of all tokens."""
        condition = self._any_of(0, negated=False)
        if self._tokens[self._next][0] != "end":
            self._wrong("AND, OR or the end")
        return condition

    def _word(self) -> str:
        """Returns the next token in capitals, if it is a keyword or sign; else nothing."""
        kind, text, _ = self._tokens[self._next]
        word = text.upper()
        return word if kind == "sign" or (kind == "word" and word in _KEYWORDS) else ""

    def _take(self, *words: str) -> str:
        """Passes over the next token if it is one of these, and returns it; else nothing."""
        word = self._word()
        if word not in words:
            return ""
        self._next += 1
        return word

    def _require(self, word: str) -> None:
        """Passes over a token that has to be there."""
        if not self._take(word):
            self._wrong(word)

    def _wrong(self, expected: str) -> NoReturn:
        """Tells what should stand here."""
        kind, text, at = self._tokens[self._next]
        found = "it ends" if kind == "end" else f"there is {text[:40]}"
        raise MistakeError(at, f"{found} where {expected} is expected", "")

    def _any_of(self, depth: int, *, negated: bool) -> Condition:
        """Reads conditions joined by OR; negated, each of them has to be false."""
        parts = [self._all_of(depth, negated=negated)]
        while self._take("OR"):
            parts.append(self._all_of(depth, negated=negated))
        return parts[0] if len(parts) == 1 else Group("AND" if negated else "OR", tuple(parts))

    def _all_of(self, depth: int, *, negated: bool) -> Condition:
        """Reads conditions joined by AND; negated, one of them has to be false."""
        parts = [self._one(depth, negated=negated)]
        while self._take("AND"):
            parts.append(self._one(depth, negated=negated))
        return parts[0] if len(parts) == 1 else Group("OR" if negated else "AND", tuple(parts))

    def _one(self, depth: int, *, negated: bool) -> Condition:
        """Reads a comparison, or a condition in parentheses, with NOT before it or without."""
        if depth > MAX_DEPTH:
            raise MistakeError(self._tokens[self._next][2], f"it is nested {MAX_DEPTH} deep", "")
        if self._take("NOT"):
            return self._one(depth + 1, negated=not negated)
        if self._take("("):
            condition = self._any_of(depth + 1, negated=negated)
            self._require(")")
            return condition
        return self._comparison(negated=negated)

    def _comparison(self, *, negated: bool) -> Comparison:
        """Reads a column, an operator and its literals."""
        kind, text, at = self._tokens[self._next]
        if kind not in ("word", "quoted") or self._word():
            self._wrong("a column")
        name = text.strip('"')
        if name not in self._kinds:
            name = next((n for n in self._kinds if n.casefold() == name.casefold()), name)
        if name not in self._kinds:
            raise name_error(at, name, list(self._kinds))
        self._next += 1
        if self._take("IS"):
            negated ^= bool(self._take("NOT"))
            self._require("NULL")
            return Comparison(name, "IS NULL", (), negated)
        if sign := self._take(*_COMPARISONS):
            return Comparison(name, _COMPARISONS[sign], (self._literal(name),), negated)
        negated ^= bool(self._take("NOT"))
        if word := self._take("LIKE", "GLOB"):
            if self._kinds[name] != "text":
                raise MistakeError(
                    at, f"{name} is no text, which {word} needs", "Compare with < and >."
                )
            return Comparison(name, word, (self._literal(name),), negated)
        if not self._take("IN"):
            self._wrong("=, !=, <, <=, >, >=, LIKE, GLOB, IN or IS")
        self._require("(")
        literals = [self._literal(name)]
        while self._take(","):
            literals.append(self._literal(name))
        self._require(")")
        return Comparison(name, "IN", tuple(literals), negated)

    def _literal(self, column: str) -> Literal:
        """Reads a literal, as the kind of the column has it."""
        kind, text, at = self._tokens[self._next]
        if kind not in ("text", "number"):
            if kind in ("word", "quoted"):
                quoted = text.strip('"')
                raise MistakeError(at, f"{text[:40]} is no value", f"Did you mean '{quoted[:40]}'?")
            self._wrong("a value")
        self._literals += 1
        if self._literals > MOST_LITERALS:
            raise MistakeError(at, f"it has more than {MOST_LITERALS} values", "")
        self._next += 1
        value = text[1:-1].replace("''", "'") if kind == "text" else text
        return literal_of(at, column, self._kinds[column], value, is_text=kind == "text")
