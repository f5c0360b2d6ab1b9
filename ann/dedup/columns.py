"""Columns of Arrow data as the pipeline wants them: texts with their sizes, and ids."""

from typing import Any

import numpy as np

from ann.dedup.arrays import Batch, Bools, Int64s
from ann.dedup.settings import InputError, need


def text_sizes(texts: list[str]) -> Int64s:
    """UTF-8 bytes of each text."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    ascii_only = np.fromiter(map(str.isascii, texts), np.bool_, len(texts))
    for row in np.flatnonzero(~ascii_only):
        sizes[row] = len(texts[row].encode())
    return sizes


def plain(column: Any) -> Any:
    """An Arrow array without dictionary and views, which few of Arrow's functions know."""
    pa = need("pyarrow")
    if pa.types.is_dictionary(column.type):
        return plain(column.dictionary).take(column.indices)
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(column.type):
        return column.cast(pa.large_binary())
    return column


def filtered(data: Any, stays: Bools) -> Any:
    """The rows of an Arrow table, batch or array that stay.

    Arrow filters no views, be it inside lists, structs or maps: those go by way of plain ones.
    """
    if not hasattr(data, "schema"):
        kind = _viewless(data.type)
        return data.filter(stays) if kind == data.type else _by_way_of(kind, data, stays)
    if all(kind == _viewless(kind) for kind in data.schema.types):
        return data.filter(stays)
    columns = [filtered(column, stays) for column in data.columns]
    return type(data).from_arrays(columns, schema=data.schema)


def check_filtered(schema: Any, label: str) -> None:
    """Refuse now what `filtered` would refuse once there are rows."""
    for field in schema:
        if _viewless(field.type) != field.type:
            try:
                filtered(need("pyarrow").array([], field.type), np.empty(0, np.bool_))
            except InputError as error:
                raise InputError(f"{label}: column {field.name!r}: {error}") from None


def _by_way_of(kind: Any, column: Any, stays: Bools) -> Any:
    try:
        return column.cast(kind).filter(stays).cast(column.type)
    except NotImplementedError as error:
        raise InputError(
            f"Arrow cannot take rows out of {column.type}: cast it ({error})"
        ) from None


def _viewless(kind: Any) -> Any:
    """A type with plain strings where it has views; those Arrow does filter stay."""
    pa = need("pyarrow")
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([_viewless_field(field) for field in kind])
    if types.is_map(kind):
        return pa.map_(_viewless_field(kind.key_field), _viewless_field(kind.item_field))
    if types.is_fixed_size_list(kind):
        return pa.list_(_viewless_field(kind.value_field), kind.list_size)
    if types.is_list(kind):
        return pa.list_(_viewless_field(kind.value_field))
    if types.is_large_list(kind):
        return pa.large_list(_viewless_field(kind.value_field))
    return kind


def _viewless_field(field: Any) -> Any:
    return field.with_type(_viewless(field.type))


def text_batch(column: Any, where: str) -> Batch:
    """A batch of an Arrow text column."""
    pa, compute = need("pyarrow"), need("pyarrow.compute")
    column = plain(column)
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    elif not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(
            f"{where} holds {column.type}, not text: choose another (--text, or text=)"
        )
    sizes = compute.fill_null(compute.binary_length(column), 0)
    return Batch(column, sizes.to_numpy(zero_copy_only=False).astype(np.int64))


def id_values(column: Any, where: str, start: int) -> list[int] | list[str]:
    """An Arrow id column, whose first row has the number `start`, as ints or texts."""
    pa = need("pyarrow")
    column = plain(column)
    kind = column.type
    usable = "is_string", "is_large_string", "is_integer", "is_null"
    if not any(getattr(pa.types, name)(kind) for name in usable):
        raise InputError(f"{where} holds {kind}; ids are text or whole numbers")
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        values = [value.decode("utf-8", "replace") for value in column.cast("binary").to_pylist()]
    if None in values:
        raise InputError(f"{where} is null in row {start + values.index(None)}: each needs an id")
    return values


def wanted_columns(text: str, id: str | None) -> list[str]:
    """The columns to read: one, if it is both."""
    return [text] if id in (None, text) else [text, str(id)]


def arrow_column(values: Any) -> Any:
    """A NumPy column of int64, float64, bool or str for Arrow.

    By way of buffers, since `pyarrow.array` imports pandas where that is installed: a third of a
    second, several times what a small job takes.
    """
    pa = need("pyarrow")
    if values.dtype == object:
        texts = [value.encode() for value in values]
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return pa.LargeStringArray.from_buffers(
            len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))
        )
    bits = values.dtype == np.bool_
    buffer = pa.py_buffer(np.packbits(values, bitorder="little") if bits else values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, buffer])


def id_array(values: list[Any]) -> Any:
    """Ids as one NumPy array: int64 where all are such ints, else object of str."""
    if all(type(value) is int for value in values):
        try:
            return np.array(values, np.int64)
        except OverflowError:
            pass
    ids = np.empty(len(values), object)
    ids[:] = [str(value) for value in values]
    return ids
