"""Which characters a regular expression's matches can begin with, read off the expression."""

from __future__ import annotations

LENGTH = 3
"""How many characters are looked at."""

_ZERO_WIDTH = frozenset("bBAZ")
_MOST_IN_SET = 200
_MOST = 5_000

Beginnings = frozenset[tuple[str, bool]]
"""Each: characters, and whether anything may follow them (else what the pattern has next does)."""

_ANY: Beginnings = frozenset([("", True)])
_EMPTY: Beginnings = frozenset([("", False)])


class _UnknownSyntaxError(Exception):
    """Something that is not read here: anything may come first then."""


def prefixes(pattern: str) -> frozenset[str] | None:
    """What a match of `pattern` can begin with, up to three characters each; `None` where that cannot be told.

    It may hold some that no match begins with, and misses none.

    >>> sorted(prefixes("(?:can't|we|'ll) [a-z]"))
    ["'ll", 'can', 'we ']
    >>> sorted(prefixes("(?!x)a{0,3}[bc]")), prefixes(r"\\w{1,9} no"), prefixes("a?")
    (['aaa', 'aab', 'aac', 'ab', 'ac', 'b', 'c'], None, None)
    """
    reader = _Reader(pattern)
    try:
        found = reader.choice()
    except (_UnknownSyntaxError, IndexError):
        return None
    if reader.at < len(pattern) or len(found) > _MOST or any(not prefix for prefix, _ in found):
        return None
    return frozenset(prefix for prefix, _ in found)


def is_one_sequence(pattern: str) -> bool:
    """Whether no `|` parts the whole pattern: what it begins with holds for all of it.

    >>> is_one_sequence("^(?:a|b)"), is_one_sequence("^a|b")
    (True, False)
    """
    reader = _Reader(pattern)
    try:
        reader.sequence()
    except (_UnknownSyntaxError, IndexError):
        return False
    return reader.at == len(pattern)


class _Reader:
    """Reads from left to right; recursion goes as deep as the groups of a pattern, which no model writes."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.pattern[self.at - 1]

    def choice(self) -> Beginnings:
        found = self.sequence()
        while self.peek() == "|":
            self.at += 1
            found |= self.sequence()
        return found

    def sequence(self) -> Beginnings:
        found = _EMPTY
        while self.peek() not in ("", "|", ")"):
            found = _then(found, self.item())
        return found

    def item(self) -> Beginnings:
        found = self.atom()
        while self.peek() in ("?", "*", "{", "+"):
            sign = self.take()
            if sign == "{":
                least, comma, most = self.pattern[self.at :].partition("}")[0].partition(",")
                if "}" not in self.pattern[self.at :] or not least.isdecimal():
                    raise _UnknownSyntaxError
                self.at = self.pattern.index("}", self.at) + 1
                again = _EMPTY if (most if comma else least) == "1" else found
                sign = "?" if int(least) == 0 else ""
            else:
                again = _EMPTY if sign == "?" else found
            for _ in range(LENGTH - 1):
                found = _then(found, again | _EMPTY)
            if sign in ("?", "*"):  # a lazy `{2,5}?` is taken as one that may be empty: that only names more
                found |= _EMPTY
        return found

    def atom(self) -> Beginnings:
        char = self.take()
        if char == "(":
            return self.group()
        if char == "[":
            return self.characters()
        if char == ".":
            return _ANY
        if char in "^$":
            return _EMPTY
        if char == "\\":
            char = self.take()
            if char in _ZERO_WIDTH:
                return _EMPTY
            if char in "wWsSdD":
                return _ANY
            if char.isalnum():
                raise _UnknownSyntaxError
        return frozenset([(char, False)])

    def group(self) -> Beginnings:
        looks = False
        if self.peek() == "?":
            opening = next((o for o in ("?:", "?=", "?!", "?<=", "?<!") if self.pattern.startswith(o, self.at)), None)
            if opening is None:
                raise _UnknownSyntaxError
            self.at += len(opening)
            looks = opening != "?:"
        found = self.choice()
        if self.take() != ")":
            raise _UnknownSyntaxError
        return _EMPTY if looks else found

    def characters(self) -> Beginnings:
        negated = self.peek() == "^"
        self.at += negated
        found: set[str] = set()
        known, begun = not negated, self.at
        while self.at == begun or self.peek() != "]":
            low = high = self.member()
            if self.peek() == "-" and self.pattern[self.at + 1] != "]":
                self.at += 1
                high = self.member()
            if low is None or high is None or ord(high) - ord(low) > _MOST_IN_SET:
                known = False
            else:
                found.update(map(chr, range(ord(low), ord(high) + 1)))
        self.at += 1
        return frozenset((char, False) for char in found) if known and len(found) <= _MOST_IN_SET else _ANY

    def member(self) -> str | None:
        """One character of a set; `None` for a class of them."""
        char = self.take()
        if char != "\\":
            return char
        char = self.take()
        return None if char.isalnum() else char


def _then(one: Beginnings, other: Beginnings) -> Beginnings:
    """What begins with `one` and goes on with `other`."""
    done = {(prefix, closed) for prefix, closed in one if closed or len(prefix) >= LENGTH}
    if len(one) * len(other) > _MOST and len(done) < len(one):
        return frozenset((prefix[:1], True) for prefix, _ in one)
    for prefix, _ in one - done:
        done.update(((prefix + more)[:LENGTH], closed) for more, closed in other)
    return frozenset(done)
