"""Instruction data from captions and boxes: how LLaVA let a teacher that sees no image write it.

Follows arXiv 2304.08485, section 3. An image becomes words (`symbols`), a teacher answers in one of
three ways (`teacher`; `rules` is exact and offline, `endpoint` asks a language model), answers are
checked (`validate`) and written as LLaVA's JSON (`generate`, `llava_json`).
"""
