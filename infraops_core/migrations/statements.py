"""A SQL script's statements, found as Postgres' own scanner and psql find them.

Three functions are for others: `split`, `tokens`, and `place` for where in the script something stands. The rules are those of
PostgreSQL documentation, "Lexical Structure", with `standard_conforming_strings` on, and psql's for where a
statement ends: at a semicolon outside parentheses and outside the body of a function BEGIN ATOMIC ... END.
"""

import re
from dataclasses import dataclass, field

from infraops_core.errors import UserError

# What may begin a name, and what may go on in it: any character beyond ASCII too. Written as what is not of it, for a class
# that counts those up takes a hundred times as long to compile.
_FIRST = r"[^\x00-@\[-\^`{-\x7f]"
_NEXT = r"[^\x00-/:-@\[-\^`{-\x7f]"
_NEXT_OR_DOLLAR = r"[^\x00-#%-/:-@\[-\^`{-\x7f]"
_TOKEN = re.compile(
    rf"""(?sx)
      (?P<space> [ \t\n\r\f\v]+ | --[^\n\r]* )
    | (?P<comment> /\* )
    | (?P<escaped> [eE]' )
    | (?P<string> ' )
    | (?P<quoted> " )
    | (?P<dollar> \$ (?: {_FIRST} {_NEXT}* )? \$ )
    | (?P<word> {_FIRST} {_NEXT_OR_DOLLAR}* )
    | (?P<open> \( )
    | (?P<close> \) )
    | (?P<end> ; )
    | (?P<backslash> \\ [^ \t\n\r\f\v]* )
    | (?P<other> [0-9]+ | . )
    """
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_QUOTED_REST = re.compile(r'(?:[^"]+|"")*+"')
_STRING_REST = re.compile(r"(?:[^']+|'')*+'")
_ESCAPED_REST = re.compile(r"(?s)(?:[^'\\]+|\\.|'')*+'")
# A string goes on, with its own kind of escapes, in the quotes that follow on a later line.
_CONTINUED = re.compile(r"(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'")
_ROUTINE = ("function", "procedure")


@dataclass(frozen=True)
class Statement:
    """One statement without its semicolon, and the offset of its first character in the script.

    Comments and whitespace around it are not of it; those inside are.
    """

    text: str
    start: int


def split(sql: str, *, file: str = "SQL", first_line: int = 1) -> list[Statement]:
    """The script's statements in their order; empty ones are left out.

    :param file: the name its errors carry, `first_line` the line of it that `sql` begins in.
    :raises UserError: with file:line:column, for what is psql's and no SQL (a backslash command, COPY's data), and
        for a quote or comment that nothing closes.
    """
    return _Scanner(sql, file, first_line).statements()


def tokens(statement: str, *, limit: int = 20) -> list[str]:
    """The statement's first tokens, without comments: words in small letters, names in quotes and strings as they stand."""
    found: list[str] = []
    scanner, position = _Scanner(statement, "", 1), 0
    while len(found) < limit and (token := _TOKEN.match(statement, position)):
        kind, start = token.lastgroup or "", position
        position = scanner.after(kind, token)
        if kind not in ("space", "comment"):
            found.append(token[0].lower() if kind == "word" else statement[start:position])
    return found


def place(sql: str, offset: int, *, first_line: int = 1) -> tuple[int, int]:
    """Line and column, both counted from 1, of the character at `offset`."""
    before = sql[:offset]
    return first_line + before.count("\n"), offset - before.rfind("\n")


@dataclass
class _Open:
    """What is known of the statement being read."""

    start: int = -1
    end: int = -1
    depth: int = 0
    words: list[str] = field(default_factory=list)
    last: str = ""
    in_body: bool = False


class _Scanner:
    def __init__(self, sql: str, file: str, first_line: int) -> None:
        self._sql = sql
        self._file = file
        self._first_line = first_line

    def statements(self) -> list[Statement]:
        found: list[Statement] = []
        now, position = _Open(), 0
        while token := _TOKEN.match(self._sql, position):
            kind, start = token.lastgroup or "", position
            position = self.after(kind, token)
            if kind in ("space", "comment"):
                continue
            if kind == "end" and not now.depth and not now.in_body:
                found += self._closed(now)
                now = _Open()
                continue
            now.start = start if now.start < 0 else now.start
            now.end = position
            self._note(now, kind, token[0].lower())
        return found + self._closed(now)

    def after(self, kind: str, token: re.Match[str]) -> int:
        """Where the token, of which the regular expression knows the beginning only, ends."""
        start, inside = token.start(), token.end()
        if kind == "comment":
            return self._after_comment(start)
        if kind in ("string", "escaped"):
            return self._after_string(_STRING_REST if kind == "string" else _ESCAPED_REST, start, inside)
        if kind == "quoted":
            return self._after_name(start, inside)
        if kind == "dollar":
            return self._after_next(token[0], f"a dollar quote ({token[0]}) is never closed", start, inside)
        if kind == "backslash":
            raise self._refused(start, f"{token[0]} is psql's, and no SQL", "write it as SQL: a migration is not run by psql")
        return inside

    def _after_comment(self, start: int) -> int:
        depth = 0
        for mark in _COMMENT_MARK.finditer(self._sql, start):
            depth += 1 if mark[0] == "/*" else -1
            if not depth:
                return mark.end()
        raise self._refused(start, "a comment (/*) is never closed", "close it with */; comments nest")

    def _after_string(self, rest: re.Pattern[str], start: int, inside: int) -> int:
        while closed := rest.match(self._sql, inside):
            more = _CONTINUED.match(self._sql, closed.end())
            if not more:
                return closed.end()
            inside = more.end()
        raise self._refused(start, "a string (') is never closed", "close it; a quote inside is doubled: ''")

    def _after_name(self, start: int, inside: int) -> int:
        if closed := _QUOTED_REST.match(self._sql, inside):
            return closed.end()
        raise self._refused(start, 'a quoted name (") is never closed', 'close it; a quote inside is doubled: ""')

    def _after_next(self, closing: str, what: str, start: int, inside: int) -> int:
        end = self._sql.find(closing, inside)
        if end < 0:
            raise self._refused(start, what, f"close it with {closing}")
        return end + len(closing)

    def _note(self, now: _Open, kind: str, text: str) -> None:
        """Keep count of what decides whether the next semicolon ends the statement."""
        if kind == "open":
            now.depth += 1
        elif kind == "close":
            now.depth = max(0, now.depth - 1)
        elif kind == "word" and not now.depth:
            now.words = [*now.words, text] if len(now.words) < 4 else now.words
            if now.last == "begin" and text == "atomic" and _makes_routine(now.words):
                now.in_body = True
            elif now.in_body and text == "end" and now.last in (";", "atomic"):
                now.in_body = False  # an END of CASE or a column of that name never follows a semicolon
            elif now.words[0] == "copy" and now.last == "from" and text == "stdin":
                raise self._refused(now.start, "COPY FROM STDIN reads its rows from psql", "write them as INSERT")
        now.last = text if kind in ("word", "end") else ""

    def _closed(self, now: _Open) -> list[Statement]:
        return [Statement(self._sql[now.start : now.end], now.start)] if now.start >= 0 else []

    def _refused(self, offset: int, what: str, then: str) -> UserError:
        line, column = place(self._sql, offset, first_line=self._first_line)
        return UserError(what, where=f"{self._file}:{line}:{column}", next=then)


def _makes_routine(words: list[str]) -> bool:
    """Whether these are the first words of CREATE [OR REPLACE] FUNCTION or PROCEDURE."""
    kind = words[3:4] if words[1:3] == ["or", "replace"] else words[1:2]
    return words[0] == "create" and kind[0:1] != [] and kind[0] in _ROUTINE
