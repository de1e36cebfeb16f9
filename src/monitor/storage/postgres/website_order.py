"""How lists of websites are sorted: a key with an index for each order, and keyset pages."""

from __future__ import annotations

import datetime as dt
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import sql

from monitor.resources import cursors
from monitor.resources.website_list import Sort


class Position(Struct, frozen=True, array_like=True):
    """Where a website stands in a list: its key, if that is not its id, and its id."""

    key: Any
    website_id: UUID


class _Order(Struct, frozen=True):
    """Sorted by ``key``, of the type ``sql_type`` and, in a cursor, ``python_type``, then by
    ``id``."""

    key: LiteralString
    sql_type: LiteralString
    python_type: type[Any]
    descending: bool = False
    id: LiteralString = "f.website_id"


_ORDERS = {
    Sort.NAME: _Order('lower(w.name COLLATE "C")', 'text COLLATE "C"', str, id="w.id"),
    Sort.CHANGED: _Order("f.changed_at", "timestamptz", dt.datetime, descending=True),
    Sort.STATUS: _Order("f.standing", "smallint", int),
    Sort.UPTIME_30D: _Order("f.uptime_30d", "real", float),
    Sort.P95_24H_MS: _Order("l.p95_24h_ms", "real", float, descending=True, id="l.website_id"),
}

_JOINS: dict[LiteralString, LiteralString] = {
    "w.id": "",
    "f.website_id": " JOIN website_figures f ON f.website_id = w.id ",
    "l.website_id": " JOIN website_latencies l ON l.website_id = w.id ",
}
"""Every website has a row in each."""


def join(sort: Sort | None) -> sql.SQL:
    """What to join to ``websites w`` for this order."""
    return sql.SQL("" if sort is None else _JOINS[_ORDERS[sort].id])


def key(sort: Sort | None) -> sql.SQL:
    """The column that a website's position is made of."""
    return sql.SQL("NULL" if sort is None else _ORDERS[sort].key)


def after(sort: Sort | None) -> sql.SQL:
    """The condition for what follows the position of %(key)s and %(after)s."""
    if sort is None:
        return sql.SQL("w.id > %(after)s")
    order = _ORDERS[sort]
    sign: LiteralString = "<" if order.descending else ">"
    return sql.SQL(f"({order.key}, {order.id}) {sign} (%(key)s::{order.sql_type}, %(after)s::uuid)")


def order_by(sort: Sort | None) -> sql.SQL:
    """The clause ORDER BY, as an index has it."""
    if sort is None:
        return sql.SQL(" ORDER BY w.id ")
    order = _ORDERS[sort]
    way: LiteralString = " DESC" if order.descending else ""
    return sql.SQL(f" ORDER BY {order.key}{way}, {order.id}{way} ")


def encode(sort: Sort | None, position: Position) -> bytes:
    """The position as bytes of a cursor."""
    return position.website_id.bytes if sort is None else msgspec.msgpack.encode(position)


def decode(sort: Sort | None, raw: bytes) -> Position:
    """The position in a cursor. Raises BadQuery."""
    if sort is None:
        if len(raw) != 16:
            raise cursors.not_a_cursor()
        return Position(None, UUID(bytes=raw))
    try:
        key, website_id = msgspec.msgpack.decode(raw, type=tuple[Any, UUID])
    except msgspec.DecodeError:
        raise cursors.not_a_cursor() from None
    if not isinstance(key, _ORDERS[sort].python_type):
        raise cursors.not_a_cursor()
    return Position(key, website_id)
