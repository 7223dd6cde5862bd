"""What each stage of each recipe makes of a row: tokenizer, template, places of an image, pictures.

| recipe | stage | text | pictures |
|---|---|---|---|
| BLIP-2 | 1 | [CLS] caption [SEP] | flipped crops |
| BLIP-2, VPGTrans | 2; 1, 2 | visual tokens, caption | flipped crops |
| LLaVA | 1 | visual tokens, caption | centre |
| LLaVA | 2 | chat in vicuna_v1 | padded (v1.5), centre (v1) |
| MiniGPT-4 | 1 | visual tokens, caption | crops |
| MiniGPT-4, VPGTrans | 2; 3 | a wish and a description in the recipe's chat | crops |
| mPLUG-Owl | 1 | visual tokens, caption | flipped crops |
| mPLUG-Owl | 2 | its chat; half of the rows without a picture | stretched |
| Flamingo | 1 | documents of three pairs | centre |
"""

from __future__ import annotations

from course_lib.corpora.streaming import Make
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.chat_templates import ChatTemplate, chat_template
from course_lib.full_size.building import Built
from course_lib.full_size.making import LONGEST, Captions, Documents, Pairs, Talks
from course_lib.full_size.naming import NUMBERS
from course_lib.full_size.pictures import CENTRE, CROPS, FLIPPED, PADDED, STRETCHED, Pictures

# In the course's own words; MiniGPT-4 draws one of four for a batch, here each row has its own.
WISHES = (
    "Describe this picture in detail.",
    "Give a detailed description of what the picture shows.",
    "Look at the picture: what can be seen in it?",
    "Could you tell me everything that is in this picture?",
)
_WAYS = {
    ("blip2", "1"): FLIPPED,
    ("blip2", "2"): FLIPPED,
    ("llava", "1"): CENTRE,
    ("llava", "2"): PADDED,
    ("minigpt4", "1"): CROPS,
    ("minigpt4", "2"): CROPS,
    ("mplug_owl", "1"): FLIPPED,
    ("mplug_owl", "2"): STRETCHED,
    ("flamingo", "1"): CENTRE,
    ("vpgtrans", "1"): FLIPPED,
    ("vpgtrans", "2"): FLIPPED,
    ("vpgtrans", "3"): CROPS,
}


def pictures_of(record: dict, built: Built) -> Pictures:
    """Returns how pictures become pixel values in training."""
    way = _WAYS[record["recipe"], record["stage_number"]]
    if record.get("llava_version") == "v1":
        way = CENTRE
    return Pictures(built.encoder.image_size, way, built.place)


def template_of(record: dict) -> ChatTemplate | None:
    """Returns the chat template of a stage, None where it has no chat."""
    recipe, stage = record["recipe"], record["stage_number"]
    if (recipe, stage) in (("llava", "1"), ("minigpt4", "1"), ("mplug_owl", "1")):
        return chat_template("plain")
    if recipe == "llava":
        return chat_template(record["template"])
    if (recipe, stage) in (("minigpt4", "2"), ("mplug_owl", "2"), ("vpgtrans", "3")):
        return NUMBERS[recipe](record["scale"]).template
    return None


def places_of(record: dict, built: Built) -> int:
    """Returns how many positions an image takes in the text."""
    if record["recipe"] == "llava":
        return built.encoder.num_tokens
    if record["recipe"] == "flamingo":
        return 1
    queries = built.model.vpg.head.config.num_query_tokens
    return queries + (record["recipe"] == "mplug_owl")  # and its end token


def samples_of(record: dict) -> int:
    """Returns how many rows of a data set one item of a batch takes."""
    return Documents.pairs if record["recipe"] == "flamingo" else 1


def maker_of(record: dict, built: Built) -> Make:
    """Returns what makes batches of rows for the stage of a record.

    Args:
        record: of the run.
        built: its model.
    """
    pictures, template = pictures_of(record, built), template_of(record)
    if record["recipe"] == "flamingo":
        return Documents(built.tokenizer, pictures)
    if record["recipe"] == "blip2" and record["stage_number"] == "1":
        return Pairs(built.tokenizer, pictures)
    places, language = places_of(record, built), built.model.language
    if template is None:
        return Captions(built.tokenizer, places, language.is_encoder_decoder, pictures)
    wishes = WISHES if template.keeps_words else ("",)
    longest = min(LONGEST, language.max_positions or LONGEST)
    chat = ChatTokenizer(built.tokenizer, places)
    return Talks(chat, template, pictures, longest, wishes)
