"""On the PYTHONPATH of a process: checks over HTTP have two more fields, declared here alone."""

from functools import partial
from typing import Annotated

from monitor.resources import formats, http_options
from monitor.resources.fields import field, whole_number
from monitor.resources.secrets import SecretText


class HttpOptions(http_options.HttpOptions, frozen=True, omit_defaults=True, tag="http"):
    """The options there are, a plain one and a secret one."""

    patience: Annotated[int, whole_number(0, 9, "How patient to be.")] = 0
    token: Annotated[
        str,
        field(partial(formats.text, most=100, least=0), "What to send.", secret=SecretText()),
    ] = ""


http_options.HttpOptions = HttpOptions
