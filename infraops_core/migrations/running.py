"""Run one block of a migration in a transaction, whole or not at all; and what no block may hold."""

from collections.abc import Callable
from contextlib import suppress

from infraops_core.errors import UserError
from infraops_core.migrations import indexes, refusals
from infraops_core.migrations.files import Block
from infraops_core.migrations.retries import Retries
from infraops_core.migrations.statements import Statement, tokens
from infraops_core.migrations.transport import ServerError, Transport

Finish = Callable[[str], None]


def check(block: Block) -> None:
    """Refuse a block that begins or ends transactions itself, or builds an index that nothing could find again.

    :raises UserError: with file:line:column.
    """
    for statement in block.statements:
        words = tokens(statement.text, limit=2)
        ends = words[0] in ("commit", "end", "abort", "rollback") and words[1:] != ["to"]
        if ends or words == ["prepare", "transaction"] or (words[0] in ("begin", "start") and not block.transaction):
            raise UserError(f"a migration neither begins nor ends a transaction itself: {words[0].upper()}",
                            where=block.place(statement.start), next="take it out; each file is one transaction, "
                            "and with transaction:false each statement is")  # fmt: skip
        if words == ["discard", "all"]:
            raise UserError("DISCARD ALL would give up the lock that keeps other runners out", where=block.place(statement.start),
                            next="take it out; each file begins with a session as new")  # fmt: skip
        built = indexes.build(statement)
        if built and not built.is_rebuild and not built.name:
            raise UserError("an index built CONCURRENTLY needs a name, or one left by an interrupted build could not be found",
                            where=block.place(statement.start), next="name it: create index concurrently NAME on …")  # fmt: skip


def in_transaction(transport: Transport, block: Block, finish: Finish) -> None:
    """Run all of it and `finish`, and commit; nothing of it is done where that fails.

    :raises UserError: for what the server refused, with file:line:column.
    """
    retries = Retries(block.file)
    while True:
        statement: Statement | None = None
        transaction = transport.begin(afresh=True)
        try:
            for statement in block.statements:
                transport.run(statement.text, within=transaction)
            statement = None
            finish(transaction)
            transport.commit(transaction)
            return
        except ServerError as error:
            if error.is_lost and not error.sqlstate:
                raise
            with suppress(ServerError):  # the server may have ended the session too
                transport.rollback(transaction)
            if not retries.pause(error):
                raise refusals.refused(block, statement, error) from None
