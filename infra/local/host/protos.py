"""The message shapes that ``azure_functions_runtime`` expects, in plain Python.

The library was written against the protobuf classes of the Functions host
(https://github.com/Azure/azure-functions-language-worker-protobuf) but only builds them by keyword and reads their
fields, so ordinary objects of the same shape are enough. This is not a wire format: between our processes travel the
plain values of ``invocation``.
"""

import enum
from types import SimpleNamespace
from typing import Any

_KINDS = ("string", "json", "bytes", "stream", "http", "int", "double")


class Message(SimpleNamespace):
    """Any message of the protocol: the fields it was built with, as attributes."""


class StatusResult(Message):
    """Outcome of a request to the worker."""

    Failure, Success, Cancelled = range(3)


class BindingInfo(Message):
    """One binding of a function; the numbers are those of the protocol."""

    undefined, string, binary, stream = range(4)
    out, inout = 1, 2


class TypedData(Message):
    """A value and its kind: exactly one of the fields in ``_KINDS`` is set, or none."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - the name protobuf gives it
        """Name of the field that is set."""
        return next((kind for kind in _KINDS if kind in self.__dict__), None)


class ParameterBinding(Message):
    """A named value given to, or returned by, a function."""

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - the name protobuf gives it
        """Always ``data``: shared memory is not used here."""
        return "data"


class _SameSite(enum.IntEnum):
    None_, Lax, Strict, ExplicitNone = range(4)


# The library asks for the first member by getattr(..., "None").
_SAME_SITE = SimpleNamespace(
    **{"None": _SameSite.None_}, Lax=_SameSite.Lax, Strict=_SameSite.Strict, ExplicitNone=_SameSite.ExplicitNone
)


class RpcHttpCookie(Message):
    """One cookie of an answer; its attributes are ``Nullable…`` messages or ``None``."""

    SameSite = _SAME_SITE


PROTOS = SimpleNamespace(
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    TypedData=TypedData,
    ParameterBinding=ParameterBinding,
    RpcHttpCookie=RpcHttpCookie,
    **dict.fromkeys(
        (
            "WorkerInitResponse",
            "WorkerMetadata",
            "FunctionMetadataResponse",
            "FunctionLoadResponse",
            "InvocationResponse",
            "RpcException",
            "RpcFunctionMetadata",
            "RpcHttp",
            "RpcRetryOptions",
            "NullableString",
            "NullableBool",
            "NullableDouble",
            "NullableTimestamp",
            "Timestamp",
        ),
        Message,
    ),
)


def request(**fields: Message) -> Message:
    """A request as the library reads it: the one field that names it, and the shapes to answer in."""
    properties: dict[str, Any] = {"host": "127.0.0.1", "protos": PROTOS}
    return Message(request=Message(**fields), properties=properties)
