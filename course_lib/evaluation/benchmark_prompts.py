"""What each recipe is asked at each data set, in one table with its sources.

A place in braces is filled in: {question}, {choices} "(A) a rock (B) rain", {context} the hint of
ScienceQA or "N/A". Where a paper tells no wording, the source says "ours": such a number has no
other to be compared with. Decoding is greedy here, as LLaVA-1.5 evaluates (docs/Evaluation.md);
BLIP-2 and VPGTrans report with 5 beams, Flamingo with 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.errors import unknown_name_error
from course_lib.evaluation.science_choice import options

CAPTIONS, ANSWERS, CHOICES = ("coco", "nocaps"), ("vqav2", "okvqa", "gqa"), ("scienceqa",)
_STRIPPED = re.compile(r"[.!\"()*#:;~]")
_MOST_WORDS = 50


@dataclass(frozen=True)
class Wording:
    """How a recipe is asked.

    Args:
        text: with places in braces; "" asks with the image alone.
        source: where it stands.
        longest: most words (tokens) of an answer.
        lavis: questions are cleaned as LAVIS does: small letters, most punctuation gone, at most 50
            words (blip_processors.py).
    """

    text: str
    source: str
    longest: int
    lavis: bool = False

    def about(self, question: str = "", choices: Sequence[str] = (), context: str = "") -> str:
        """Returns the words for one example."""
        asked = lavis_cleaned(question) if self.lavis else question
        shown = {"question": asked, "choices": options(choices), "context": context or "N/A"}
        return self.text.format(**shown)


def lavis_cleaned(question: str) -> str:
    """Cleans a question as LAVIS does before it goes into a prompt."""
    return " ".join(_STRIPPED.sub("", question.lower()).split()[:_MOST_WORDS])


_B2 = "arXiv 2301.12597, section 4.1"
_PHOTO = Wording("a photo of", "arXiv 2301.12597, appendix: after fine-tuning on COCO", 30)
_OPT = Wording("Question: {question} Answer:", f"{_B2} (OPT)", 10, lavis=True)
_T5 = Wording("Question: {question} Short answer:", f"{_B2} (FlanT5)", 10, lavis=True)
_VPGTRANS = Wording(_OPT.text, "VPGTrans/VPGTrans, lavis/projects/blip2/eval", 10, lavis=True)
_SHORT = "{question}\nAnswer the question using a single word or phrase."
_LLAVA = Wording(_SHORT, "haotian-liu/LLaVA, docs/Evaluation.md; arXiv 2310.03744", 16)
_LETTER = Wording(
    "Context: {context}\nQuestion: {question}\nOptions: {choices}\n"
    "Answer with the option's letter from the given choices directly.",
    "haotian-liu/LLaVA, scripts/convert_sqa_to_llava_base_prompt.py (CQM-A) and docs/Evaluation.md",
    16,
)
_CAPTION = "Provide a one-sentence caption for the provided image."
_TEXTCAPS = Wording(_CAPTION, "arXiv 2310.03744, table 7, as TextCaps is asked; COCO is not", 48)
_V2 = Wording(
    "Based on the image, respond to this question with a short answer: {question}",
    "MiniGPT-v2's, without its tag [vqa]; the paper of MiniGPT-4 tells none",
    16,
)
_OUR_CAPTION = Wording("Describe this image in one sentence.", "ours: the paper tells none", 48)
_OUR_ANSWER = Wording(_SHORT, "ours, as LLaVA-1.5 asks: the paper has no such number", 16)
_OUR_CHOICE = Wording(
    "Question: {question} Options: {choices} Answer:", "ours: the paper has no such number", 10
)
_FLAMINGO = "arXiv 2204.14198, v1 section 4.1.3; its two examples in words are left out"
_TABLE: dict[str, tuple[Wording, Wording, Wording]] = {  # captions, answers, choices
    "blip2": (_PHOTO, _OPT, _OUR_CHOICE),
    "blip2 short": (_PHOTO, _T5, _OUR_CHOICE),
    "vpgtrans": (_PHOTO, _VPGTRANS, _OUR_CHOICE),
    "llava": (_TEXTCAPS, _LLAVA, _LETTER),
    "minigpt4": (_OUR_CAPTION, _V2, _LETTER),
    "mplug_owl": (_OUR_CAPTION, _OUR_ANSWER, _LETTER),
    "flamingo": (
        Wording("Output:", _FLAMINGO, 30),
        Wording("Question: {question} Answer:", _FLAMINGO, 10),
        _OUR_CHOICE,
    ),
}


def wording(recipe: str, data: str, short: bool = False) -> Wording:
    """Returns how a recipe is asked at a data set.

    Args:
        recipe: its name.
        data: name of the data set.
        short: a BLIP-2 whose language model is a T5.

    Raises:
        ValueError: for an unknown recipe or data set.
    """
    if recipe not in _TABLE:
        raise unknown_name_error("recipe", recipe, [name for name in _TABLE if " " not in name])
    for place, names in enumerate((CAPTIONS, ANSWERS, CHOICES)):
        if data in names:
            key = "blip2 short" if recipe == "blip2" and short else recipe
            return _TABLE[key][place]
    raise unknown_name_error("data set", data, (*CAPTIONS, *ANSWERS, *CHOICES))


def table() -> list[dict[str, str]]:
    """Returns every row: recipe, data sets, prompt, source."""
    kinds = (CAPTIONS, ANSWERS, CHOICES)
    return [
        {"recipe": name, "data": ", ".join(data), "prompt": one.text, "source": one.source}
        for name, row in _TABLE.items()
        for data, one in zip(kinds, row, strict=True)
    ]
