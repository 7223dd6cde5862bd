"""Two teachers that repair descriptions and see nothing but the text: rules, or a language model.

MiniGPT-4, arXiv 2304.10592, section 3.2, asked ChatGPT. Both have the interface of
`instructions.teacher`, so that queues, journal, budget and retries are those of LLaVA's
instructions; the paid one asks through the same client.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_lib.curation.describing import WISH, Described
from course_lib.curation.toy_repair import repair
from course_lib.evaluation.scene_grammar import TOKEN
from course_lib.instructions.chat_endpoint import ChatEndpoint
from course_lib.instructions.teacher import NOTHING, Answer, Turn, Usage
from course_lib.instructions.validate import unknown_words

REPAIR = "repair"  # the one type of question in the journal
# Our own words for what the paper's prompt asks.
SYSTEM = (
    "You are given a description that a small model wrote about an image which you cannot see. "
    "Rewrite it so that it reads well: mend spelling and grammar, say nothing twice, take out what "
    "makes no sense or is not English, and finish a sentence that breaks off with no more than it "
    "already says. Add nothing about the image, and leave out nothing that makes sense. Reply with "
    "the description alone. If nothing in it makes sense, reply with nothing."
)


def repair_messages(described: Described) -> list[dict[str, str]]:
    """Returns the messages that ask for one repair."""
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": described.text},
    ]


class RuleRepairer:
    """Repairs toy descriptions by rule: exact, offline, free. See `toy_repair`."""

    name = "rules"
    concurrency = 0

    def answer(
        self,
        described: Described,
        type: str = REPAIR,
        rng: np.random.Generator | None = None,
        asking: Callable[[Usage], None] | None = None,
    ) -> Answer:
        """Repairs one description; a text of another world is rejected, and not cut to pieces."""
        words = [token for token in TOKEN.findall(described.text.lower()) if token[0].isalnum()]
        foreign = set(unknown_words(described.text))
        if sum(word in foreign for word in words) > len(words) / 2:
            return Answer(
                rejected="the description is not in the toy world's words: ask an endpoint",
                raw=described.text,
            )
        return _answered(repair(described.text), described)

    def spent_before(self, file: str, usage: Usage) -> None:
        """Rules cost nothing."""


class EndpointRepairer(ChatEndpoint):
    """Asks a language model for each repair; one that is cut off at max_tokens is rejected."""

    def answer(
        self,
        described: Described,
        type: str,
        rng: np.random.Generator,
        asking: Callable[[Usage], None] = lambda most: None,
    ) -> Answer:
        """Asks for one repair, again where that may help; an empty description is not asked about.

        Raises:
            Unanswered: after the last attempt.
            BudgetSpent: when asking could pass the budget.
            EndpointRefuses: when no request would be answered.
        """
        if not described.text.strip():
            return _answered("", described)
        reply = self.reply(repair_messages(described), rng, asking)
        if reply.rejected:
            return Answer(rejected=reply.rejected, usage=reply.usage)
        if reply.cut_off:
            reason = "the repair was cut off at max_tokens"
            return Answer(rejected=reason, usage=reply.usage, raw=reply.text or "")
        return _answered((reply.text or "").strip(), described, reply.usage)


def _answered(caption: str, described: Described, usage: Usage = NOTHING) -> Answer:
    if not caption:
        return Answer(
            rejected="nothing in the description speaks of a picture",
            usage=usage,
            raw=described.text,
        )
    return Answer((Turn(WISH, caption, kind=REPAIR),), usage=usage)
