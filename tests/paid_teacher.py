"""The paid teacher that tests let loose on a local server, and what one question costs there."""

import numpy as np

from course_lib.instructions.budget import Budget
from course_lib.instructions.endpoint import EndpointTeacher, Patience
from course_lib.instructions.symbols import Example
from course_lib.instructions.teacher import Usage
from tests.chat_server import USAGE

PHOTO = Example("7", "7.jpg", ("A dog sleeps on a red chair.", "There is a dog."))
ONE = Usage(USAGE["prompt_tokens"], USAGE["completion_tokens"])


def teacher(server, tokens=1e6, sleep=lambda seconds: None, **kind):
    patience = Patience(attempts=kind.pop("attempts", 4), timeout=kind.pop("timeout", 5.0))
    patience = Patience(patience.attempts, patience.timeout, 8.0, sleep)
    return EndpointTeacher(
        "m", Budget(tokens), base_url=server.url, api_key="none", patience=patience, **kind
    )


def ask(one, type="detail", example=PHOTO, asking=lambda most: None):
    return one.answer(example, type, np.random.default_rng(0), asking)
