"""Tells an outage, which waiting mends, from a row that a database will never take.

Whoever delivers tries an outage for ever and keeps everything waiting, and gives up a row that is refused. So a
failure counts as the row's own only where the database says that it is about a value; all else, a missing table and a
full disk too, is for a person to mend while the inspections wait.
"""

from __future__ import annotations

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from linecore.errors import ConnectionFailedError, LinecoreError, RefusedError
from linecore_db.urls import shown

# Classes of SQLSTATE: a value that does not fit, one that breaks a constraint, a row beyond a limit of the program's.
_VALUES = {"22", "23", "54"}
# SQLite's TOOBIG, CONSTRAINT, MISMATCH and RANGE.
_SQLITE_VALUES = {18, 19, 20, 25}
# MariaDB's own numbers that PyMySQL files under "operational": a row too large, a packet too large, a value that is
# none (twice), a wrong value, JSON that is none, a CHECK that fails.
_MARIADB_VALUES = {1118, 1153, 1292, 1366, 1367, 4025, 4038}


def failure(url: URL, error: SQLAlchemyError) -> LinecoreError:
    """Return the sentence for *error*: a ConnectionFailedError to wait out, or a RefusedError."""
    if isinstance(error, StatementError) and _is_about_a_value(error):
        return RefusedError(f"the database {shown(url)} refuses this: {_cause(error)}")
    return cannot_use(url, error)


def cannot_use(url: URL, error: SQLAlchemyError) -> ConnectionFailedError:
    """Return the sentence for a database that does not answer as it should."""
    return ConnectionFailedError(f"the database {shown(url)} cannot be used: {_cause(error)}")


def _is_about_a_value(error: StatementError) -> bool:
    if not isinstance(error, DBAPIError):
        return True  # a value that cannot even be sent
    if error.connection_invalidated:
        return False
    original = error.orig
    if state := getattr(original, "sqlstate", None):
        return str(state)[:2] in _VALUES
    if code := getattr(original, "sqlite_errorcode", None):
        return int(code) & 0xFF in _SQLITE_VALUES
    kinds = {kind.__name__ for kind in type(original).__mro__}  # PEP 249's names, whatever the driver
    if type(original).__module__.startswith("pymysql"):
        number = original.args[0] if original is not None and original.args else None
        return bool(kinds & {"DataError", "IntegrityError"}) or number in _MARIADB_VALUES
    # Without a number, it never reached the database: the driver could not translate a value, or found nobody.
    return not kinds & {"OperationalError", "InterfaceError", "InternalError"}


def _cause(error: SQLAlchemyError) -> str:
    """Return the first line of what the driver says: the statement and its values come later."""
    original = error.orig if isinstance(error, StatementError) else error
    said = original.args[1] if original is not None and len(original.args) > 1 else original
    return next(iter(str(said).splitlines()), type(error).__name__)
