"""Records in LLaVA's format, for the tests that read files of them."""

import json

from course_lib.data.llava_json import Problem, stream_conversations

TEXT = ("what?", "red")


def record(number=0, image="a.png", values=("<image>\nwhat is this?", "a red circle."), roles=()):
    roles = roles or ("human", "gpt") * len(values)
    said = [{"from": r, "value": v} for r, v in zip(roles, values, strict=False)]
    return {"id": f"{number:09d}", "conversations": said} | ({"image": image} if image else {})


def write(path, *items, indent=None):
    path.write_text(json.dumps(items, indent=indent), encoding="utf-8")
    return path


def problems_of(path, **how):
    return [item for item in stream_conversations(path, **how) if isinstance(item, Problem)]
