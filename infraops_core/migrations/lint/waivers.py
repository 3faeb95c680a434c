"""Waivers: comments in a migration that let a finding through, each with its reason.

    -- infraops:allow RULE REASON        for the next statement
    -- infraops:allow-file RULE REASON   for the whole -- migrate:up block

Each stands on a line of its own between statements; a line like it inside a string, a function's body
or a block comment is no waiver.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infraops_core.migrations import statements
from infraops_core.migrations.files import Migration
from infraops_core.migrations.lint.findings import Finding, Level
from infraops_core.migrations.lint.rules import RULES
from infraops_core.migrations.statements import Statement

_MARK = re.compile(r"--[ \t]*(?P<tool>infraops:|squawk-ignore)(?P<rest>[^\n]*)")
_COMMENT = re.compile(r"--[^\n]*|/\*")
_BLOCK = re.compile(r"/\*|\*/")
_WAIVER = re.compile(r"(?P<reach>allow|allow-file)[ \t]+(?P<rule>[a-z][a-z0-9-]*)(?:[ \t]+(?P<reason>\S[^\n]*))?")
_FORM = "write it as -- infraops:allow RULE REASON, or -- infraops:allow-file RULE REASON"


@dataclass(frozen=True)
class Waiver:
    """One comment: the rule it waives, from `begin` up to but not including `end` (offsets in the up block)."""

    rule: str
    reason: str
    offset: int
    begin: int
    end: int


def read(migration: Migration) -> tuple[list[Waiver], list[Finding]]:
    """The waivers of a migration, and what is wrong with comments that look like some."""
    sql = migration.up.sql
    waivers: list[Waiver] = []
    wrong: list[Finding] = []
    for begin, end, following in _gaps(sql, migration.up.statements):
        for mark in _marks(sql, begin, end):
            problem = _problem(sql, mark, following)
            if problem:
                wrong.append(finding_at(migration, mark.start(), "waiver", problem))
                continue
            parts = _WAIVER.fullmatch(mark["rest"].strip())
            assert parts is not None
            whole = parts["reach"] == "allow-file" or following is None
            reach = (0, len(sql) + 1) if whole or following is None else (following.start, following.start + len(following.text))
            waivers.append(Waiver(parts["rule"], parts["reason"].strip(), mark.start(), *reach))
    return waivers, wrong


def judge(
    migration: Migration, findings: Sequence[Finding], waivers: Sequence[Waiver], is_rule: Callable[[str], bool]
) -> tuple[list[Finding], list[Finding]]:
    """What of `findings` stays and what is waived; a waiver that waives nothing becomes a finding that stays.

    :param is_rule: whether a name that is not ours is one of the other linter's rules.
    """
    used: set[Waiver] = set()
    stay: list[Finding] = []
    waived: list[Finding] = []
    for finding in findings:
        offset = offset_of(finding)
        for_it = [waiver for waiver in waivers if waiver.rule == finding.rule and waiver.begin <= offset < waiver.end]
        used.update(for_it)
        (waived if for_it else stay).append(finding)
    for waiver in waivers:
        if waiver not in used:
            known = waiver.rule in RULES or is_rule(waiver.rule)
            problem = f"nothing here breaks the rule {waiver.rule}: take the waiver out" if known else f"there is no rule {waiver.rule}"
            stay.append(finding_at(migration, waiver.offset, "waiver", problem))
    return stay, waived


def finding_at(migration: Migration, offset: int, rule: str, reason: str, level: Level | None = None) -> Finding:
    """A finding by one of our rules at an offset of the up block."""
    line, column = statements.place(migration.up.sql, offset, first_line=migration.up.first_line)
    return Finding(migration, line, column, rule, level or RULES[rule].level, reason)


def offset_of(finding: Finding) -> int:
    """The finding's place in its up block; a place outside of it becomes its end."""
    block = finding.migration.up
    lines = block.sql.split("\n")
    before = finding.line - block.first_line
    if not 0 <= before < len(lines):
        return len(block.sql)
    return sum(len(line) + 1 for line in lines[:before]) + finding.column - 1


def _gaps(sql: str, found: Sequence[Statement]) -> list[tuple[int, int, Statement | None]]:
    """Where comments between statements are: begin, end, and the statement that follows."""
    begins = [0, *(one.start + len(one.text) for one in found)]
    ends = [*(one.start for one in found), len(sql)]
    return list(zip(begins, ends, [*found, None], strict=True))


def _marks(sql: str, begin: int, end: int) -> Iterator[re.Match[str]]:
    """The marks between statements, but for those that a block comment takes out."""
    depth, position = 0, begin
    while found := (_BLOCK if depth else _COMMENT).search(sql, position, end):
        depth += {"/*": 1, "*/": -1}.get(found[0], 0)
        position = found.end()
        if found[0].startswith("--") and (mark := _MARK.search(sql, *found.span())):
            yield mark


def _problem(sql: str, mark: re.Match[str], following: Statement | None) -> str:
    if mark["tool"] != "infraops:":
        return f"squawk's own waivers are not heeded, for they give no reason: {_FORM}"
    parts = _WAIVER.fullmatch(mark["rest"].strip())
    if parts is None:
        return f"this is no waiver: {_FORM}"
    if not parts["reason"]:
        return f"the waiver of {parts['rule']} gives no reason: {_FORM}"
    if sql[sql.rfind("\n", 0, mark.start()) + 1 : mark.start()].strip():
        return "a waiver stands on a line of its own, above the statement it is for"
    if parts["reach"] == "allow" and following is None:
        return "no statement follows this waiver"
    return ""
