"""What schemathesis loads beside its command line: how lines are written, which key not to end."""

import json
import os

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection, use_after_free

_OWN = os.environ["OWN_KEY_ID"]
_NONE = "00000000-0000-7000-8000-000000000000"


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """A key found in an answer may be the one that the run itself is made with."""
    if str(case.path_parameters.get("key_id")).replace("-", "").lower() == _OWN:
        case.path_parameters["key_id"] = _NONE


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    """A line each of what the document says are lines; text as it is, however broken."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    lines = value if isinstance(value, list) else [value]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


@schemathesis.check
def bad_data_refused(context, response, case):
    """``negative_data_rejection``, for an import line by line: its answer says which it refused."""
    if case.operation.label == "POST /websites/bulk" and response.status_code == 200:
        told = response.json()
        if told["failed"] == told["lines"]:
            return None
    return negative_data_rejection(context, response, case)


@schemathesis.check
def gone_is_gone(context, response, case):
    """``use_after_free``; of a key that was revoked the list goes on to say so."""
    told = case.operation.label == "GET /keys/{key_id}" and response.status_code == 200
    if told and response.json()["state"] == "revoked":
        return None
    return use_after_free(context, response, case)
