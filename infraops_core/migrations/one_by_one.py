"""Run a block that asks for no transaction, a statement at a time, so that an interruption at any place is found.

Each statement is committed together with the note of the one after it, so whatever kills the runner, a statement is
done exactly when the note has gone past it. Only a statement that Postgres refuses in any transaction is run by itself,
after the note that it begins; whether that one was done, its run must see from what it left.
"""

from contextlib import suppress
from dataclasses import dataclass

from infraops_core.errors import UserError
from infraops_core.migrations import indexes, ledger, refusals
from infraops_core.migrations.files import Block, Migration
from infraops_core.migrations.ledger import Direction, UnderWay
from infraops_core.migrations.retries import Retries
from infraops_core.migrations.running import Finish
from infraops_core.migrations.statements import tokens
from infraops_core.migrations.transport import ServerError, Transport

_NOT_IN_A_TRANSACTION = ("25001", "2D000")  # this statement; a COMMIT inside a procedure
_NOT_THERE = ("42704", "42P01", "3D000")  # an index, a table, a database


@dataclass(frozen=True)
class OneByOne:
    """One block of one migration, and what is to be done in the transaction that ends it."""

    transport: Transport
    migration: Migration
    direction: Direction
    finish: Finish

    @property
    def block(self) -> Block:
        return self.migration.up if self.direction is Direction.UP else self.migration.down

    def run(self, resumed: UnderWay | None = None) -> None:
        """Run all statements, or those from the one on that was under way.

        :raises UserError: for what the server refused, with file:line:column, which statement it is and how to go on.
        """
        first = resumed.statement if resumed else 1
        if resumed and self.block.checksum(first - 1) != resumed.checksum:
            raise UserError(f"{first - 1} statements of an interrupted migration are done, and its file no longer begins with them",
                            where=self.migration.path.name, next="restore those statements, or do the rest by hand, then: "
                            f"infraops migrate mark {self.migration.version}")  # fmt: skip
        self.transport.start_afresh()
        self._set_again(first)
        if not resumed:
            ledger.note(self.transport, self.migration, self.direction, self.block, 1)
        count = len(self.block.statements)
        for number in range(first, count + 1):
            try:
                if not (resumed and number == first and self._is_done(resumed)):
                    self._statement(number, is_resumed=resumed is not None and number == first)
                else:
                    self._committed(number + 1)
            except ServerError as error:
                if error.is_lost and not error.sqlstate:
                    raise
                raise refusals.stopped(self.migration, self.direction, self.block, number, error) from None
        if first > count:
            self._committed(first)

    def _set_again(self, first: int) -> None:
        """Have what the statements before `first` SET: the session that they did it for is gone."""
        for statement in self.block.statements[: first - 1]:
            if tokens(statement.text, limit=1)[0] in ("set", "reset"):
                try:
                    self.transport.run(statement.text)
                except ServerError as error:
                    if error.is_lost and not error.sqlstate:
                        raise
                    raise refusals.refused(self.block, statement, error) from None

    def _is_done(self, resumed: UnderWay) -> bool:
        """Whether the index that was being built is there: its build ended, and its runner before it could say so."""
        if resumed.statement > len(self.block.statements):
            return False
        built = indexes.build(self.block.statements[resumed.statement - 1])
        there = indexes.left(self.transport, built) if built else {}
        if invalid := [name for name, is_valid in there.items() if not is_valid]:
            raise refusals.interrupted(resumed, self.migration, invalid)
        return bool(there)

    def _statement(self, number: int, *, is_resumed: bool) -> None:
        """Run one statement and say which is next, trying again where another session's lock was in the way."""
        retries = Retries(self.block.file)
        builds = indexes.build(self.block.statements[number - 1]) is not None
        while True:
            try:
                if not builds and self._together(number):
                    return
                self._alone(number, is_resumed=is_resumed)
                break
            except ServerError as error:
                if error.is_lost and not error.sqlstate:
                    raise
                self._refuse_invalid(number, error.message)
                if not retries.pause(error):
                    raise
        if builds:
            self._refuse_invalid(number, "one of that name was there already")
        self._committed(number + 1)

    def _together(self, number: int) -> bool:
        """Whether the statement could be run in a transaction, with the note of the next one; if so both are committed."""
        transaction = self.transport.begin()
        try:
            self.transport.run(self.block.statements[number - 1].text, within=transaction)
            self._note(number + 1, transaction)
            self.transport.commit(transaction)
        except ServerError as error:
            with suppress(ServerError):  # the server may have ended the session too
                self.transport.rollback(transaction)
            if error.sqlstate in _NOT_IN_A_TRANSACTION:
                return False
            raise
        return True

    def _alone(self, number: int, *, is_resumed: bool) -> None:
        text = self.block.statements[number - 1].text
        try:
            self.transport.run(text)
        except ServerError as error:
            if not (is_resumed and error.sqlstate in _NOT_THERE and tokens(text, limit=1) == ["drop"]):
                raise  # but what an interrupted DROP has dropped is not there, and is as it should be

    def _committed(self, after: int) -> None:
        transaction = self.transport.begin()
        self._note(after, transaction)
        self.transport.commit(transaction)

    def _note(self, number: int, transaction: str) -> None:
        """Say that statement `number` is next, or that all are done."""
        if number > len(self.block.statements):
            self.finish(transaction)
        else:
            ledger.note(self.transport, self.migration, self.direction, self.block, number, within=transaction)

    def _refuse_invalid(self, number: int, why: str) -> None:
        """Refuse to go on where an index is invalid: what is tried again would meet it, or take it for good."""
        statement = self.block.statements[number - 1]
        names: list[str] = []
        with suppress(ServerError):  # the error that led here says more
            names = indexes.invalid(self.transport, statement)
        if names:
            raise UserError(f"the index {', '.join(names)} is not valid: {why}", where=self.block.place(statement.start),
                            next=f"{refusals.drops(names)} then: infraops migrate {self.direction} --continue")  # fmt: skip
