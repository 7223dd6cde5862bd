"""A chat template as Jinja, the form in which transformers keeps it beside a tokenizer.

With it a directory of the zoo can be asked by `apply_chat_template`, or served behind an
OpenAI-compatible endpoint; both then write the string that `chat_pieces` writes.
"""

from __future__ import annotations

import json

from course_lib.data.chat_templates import EOS, ChatTemplate


def chat_jinja(template: ChatTemplate) -> str:
    """Returns the Jinja of a template of words alone; images are the course's own to place.

    A message of the role "system" takes the place of the template's own sentence, "user" and
    "assistant" come by turns. A prompt is left open where the last message is the user's.

    Raises:
        ValueError: for a template that throws the user's words away.
    """
    if not template.keeps_words:
        raise ValueError("This template takes an image and its caption alone: it has no chat form.")
    system, first, human, assistant, answer = map(
        json.dumps,
        (template.system, template.first, template.human, template.assistant, template.answer),
    )
    stop = "eos_token" if template.stop == EOS else json.dumps(template.stop)
    return (
        f"{{%- set ns = namespace(system={system}, begun=false) -%}}"
        "{{- bos_token -}}"
        "{%- for message in messages if message['role'] == 'system' -%}"
        "{%- set ns.system = message['content'] -%}{%- endfor -%}"
        "{{- ns.system -}}"
        "{%- for message in messages if message['role'] != 'system' -%}"
        "{%- if message['role'] == 'user' -%}"
        f"{{{{- ({human} if ns.begun else {first}) + message['content'] + {assistant} -}}}}"
        "{%- set ns.begun = true -%}"
        "{%- else -%}"
        f"{{{{- {answer} + message['content'] + {stop} -}}}}"
        "{%- endif -%}{%- endfor -%}"
    )
