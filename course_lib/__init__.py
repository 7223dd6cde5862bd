"""Multimodal language models, taught by building them: BLIP-2, Flamingo, LLaVA and their kin.

Every model of the course is one sentence:

    image -> VPG (encoder + head) -> Q visual tokens -> projector -> LLM width -> fusion -> LLM

Letters of shapes, the same in every file: in comments, in docstrings, and in names where it helps.

    B  batch                          D  width of the language model
    N  patches (and CLS) of an image  E  width of the vision encoder
    Q  visual tokens of an image      H  heads
    T  text tokens                    K  width of one head
    S  spliced length, Q and T mixed  V  vocabulary
"""

__version__ = "0.1.0"
