"""An mPLUG-Owl of random weights that reads 48 × 48 pixels and the course's words."""

from dataclasses import replace

from transformers import LlamaForCausalLM

from course_lib.backbones.language import LanguageModel
from course_lib.backbones.normed_vision import NormedVisionEncoder
from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.commands.runs import Opened
from course_lib.data.chat_ids import ChatTokenizer
from course_lib.data.prompts import image_token_id
from course_lib.evaluation.chat_asking import ChatAsker
from course_lib.recipes import mplug_owl
from course_lib.vpg.abstractor import AbstractorConfig
from tests.tiny_models import randomise, text_config
from tests.tiny_runs import tiny_encoder

QUERIES, WIDTH = 3, 16


def numbers(queries: int = QUERIES) -> mplug_owl.Scale:
    """Returns toy's numbers with a tiny abstractor."""
    sizes = AbstractorConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=20,
        num_query_tokens=queries,
        dropout=0.0,
    )
    return replace(mplug_owl.scale("toy"), abstractor=sizes)


def tiny_owl(queries: int = QUERIES) -> Opened:
    """Builds it as stage 1 starts: no LoRA."""
    encoder = NormedVisionEncoder(tiny_encoder().model)
    tokenizer = build_tokenizer("llama")
    config = text_config("llama", vocabulary=len(tokenizer))
    config.max_position_embeddings = 384
    language = LanguageModel(randomise(LlamaForCausalLM(config), 2))
    toy = numbers(queries)
    model = mplug_owl.build(toy, encoder, language, image_token_id(tokenizer))
    randomise(model.vpg.head, 4)
    chat = ChatTokenizer(tokenizer, mplug_owl.places_of(toy))
    return Opened(model.eval(), encoder, tokenizer, {}, ChatAsker(chat, toy.template))
