"""What corresponds to what: equation, cell, library, official file, proof. PARITY.md is made of it.

A row names a proof that is run: a parity test against a module that nobody here wrote, or a cell
whose stored line says so and which the strict pass over the notebooks runs again.
"""

from dataclasses import dataclass

BLIP2, CLIP, VIT = "arXiv 2301.12597", "arXiv 2103.00020", "arXiv 2010.11929"
LAVIS = "salesforce/LAVIS, lavis/models/blip2_models/"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: the thing in a few words.
        equation: paper and place.
        line: "03: equal to the library's layer", a notebook and a line that one of its cells
            prints, without the ": True" at its end.
        symbol: dotted name in the library; "" where the notebook alone builds it.
        official: the authors' file.
        test: "file::function" below tests/parity; "" where the cell itself compares with a
            reference that nobody here wrote.
        difference: how ours differs from the authors' code on purpose, or what could not be tried.
    """

    what: str
    equation: str
    line: str
    symbol: str
    official: str
    test: str
    difference: str = "none known"


ROWS = (
    Row(
        "patches, class token, positions",
        f"{VIT}, equation 1",
        "01: layer 0 equal at 1e-5",
        "",
        "openai/CLIP, clip/model.py, VisionTransformer",
        "",
        "a matrix in place of the convolution, shown equal",
    ),
    Row(
        "block of the image encoder",
        f"{VIT}, equations 2 and 3",
        "01: layer 2 equal at 1e-5",
        "",
        "openai/CLIP, clip/model.py, ResidualAttentionBlock",
        "",
    ),
    Row(
        "contrastive loss",
        f"{CLIP}, figure 3",
        "01: the loss equal at 1e-5",
        "",
        "openai/CLIP, clip/model.py (logits alone; the training code was not released)",
        "",
        "the scale is not clipped at 100",
    ),
    Row(
        "decoder-only host, OPT",
        "arXiv 2205.01068, section 2.1",
        "02: equal to transformers' OPT",
        "",
        "facebookresearch/metaseq, metaseq/models/transformer_lm.py",
        "",
        "compared with transformers' class, not with metaseq",
    ),
    Row(
        "relative positions of T5",
        "arXiv 1910.10683, section 2.1",
        "02: equal to transformers' buckets, -200 to 200",
        "",
        "tensorflow/mesh, mesh_tensorflow/transformer/transformer_layers.py",
        "",
    ),
    Row(
        "attention of queries on patches",
        f"{BLIP2}, section 3.1",
        "03: equal to four pieces side by side",
        "course_lib.vpg.attention.MultiHeadAttention",
        f"{LAVIS}Qformer.py, BertSelfAttention",
        "test_parity_qformer.py::test_queries_text_and_both",
        "ln_vision is multiplied into the key and value matrices; its epsilon is 1e-6 as in "
        "transformers, LAVIS has 1e-5",
    ),
    Row(
        "layer of the Q-Former",
        f"{BLIP2}, section 3.1, figure 2",
        "03: equal to the library's layer",
        "course_lib.vpg.qformer_layer.QFormerLayer",
        f"{LAVIS}Qformer.py, BertLayer",
        "test_parity_qformer.py::test_queries_text_and_both",
    ),
    Row(
        "Q-Former: queries, text, both",
        f"{BLIP2}, section 3.1",
        "03: both: equal at 1e-5",
        "course_lib.vpg.qformer.QFormer",
        f"{LAVIS}Qformer.py, BertModel",
        "test_parity_qformer.py::test_queries_text_and_both",
        "queries alone are one row until they read an image",
    ),
    Row(
        "the three masks",
        f"{BLIP2}, section 3.2, figure 2",
        "03: queries as a prefix equal the joint mask",
        "course_lib.vpg.masks.make_mask",
        f"{LAVIS}Qformer.py, get_extended_attention_mask",
        "test_parity_stage1.py::test_itg_equals_bert_with_the_cache_of_the_queries",
        "booleans; LAVIS adds -10000",
    ),
    Row(
        "similarity of ITC",
        f"{BLIP2}, section 3.2",
        "03: equal to the library's",
        "course_lib.losses.contrastive.itc_similarity",
        f"{LAVIS}blip2_qformer.py, forward",
        "test_parity_stage1.py::test_itc_and_itm_logits",
    ),
    Row(
        "loss of ITC",
        f"{BLIP2}, section 3.2",
        "03: itc by hand equals the library's",
        "course_lib.losses.contrastive.itc_loss",
        f"{LAVIS}blip2_qformer.py, forward",
        "test_parity_stage1.py::test_itc_and_itm_losses_from_the_scores_of_transformers",
        "gathered features carry gradient; in LAVIS they do not",
    ),
    Row(
        "hard negatives and loss of ITM",
        f"{BLIP2}, section 3.2",
        "03: itm by hand equals the library's",
        "course_lib.losses.matching.itm_loss",
        f"{LAVIS}blip2_qformer.py, forward",
        "test_parity_stage1.py::test_itc_and_itm_losses_from_the_scores_of_transformers",
        "negatives come from the pairs of the own process, in LAVIS from all",
    ),
    Row(
        "loss of ITG",
        f"{BLIP2}, section 3.2",
        "03: itg by hand equals the library's",
        "course_lib.recipes.blip2_stage1.QFormerPretraining.itg_loss",
        f"{LAVIS}Qformer.py, BertLMHeadModel",
        "test_parity_stage1.py::test_itg_equals_bert_with_the_cache_of_the_queries",
    ),
    Row(
        "visual tokens take their places",
        f"{BLIP2}, section 3.3, figure 3",
        "04: splice equals concatenation",
        "course_lib.fusion.splice.splice",
        f"{LAVIS}blip2_opt.py, forward (a concatenation)",
        "test_parity_blip2.py::test_splice_is_prefix_concatenation_and_transformers_scatter",
        "any place of the text; LAVIS puts them first",
    ),
    Row(
        "stage 2 with OPT",
        f"{BLIP2}, section 3.3",
        "04: opt: loss equal at 1e-5",
        "course_lib.vlm.VLM",
        f"{LAVIS}blip2_opt.py",
        "test_parity_blip2.py::test_logits_and_loss[opt]",
        "the head reads labelled positions alone",
    ),
    Row(
        "stage 2 with T5",
        f"{BLIP2}, section 3.3",
        "04: t5: loss equal at 1e-5",
        "course_lib.vlm.VLM",
        f"{LAVIS}blip2_t5.py",
        "test_parity_blip2.py::test_logits_and_loss[t5]",
        "as with OPT",
    ),
    Row(
        "greedy decoding",
        "none",
        "04: equal to generate",
        "course_lib.backbones.decoding.greedy",
        "huggingface/transformers, generation/utils.py",
        "test_parity_blip2.py::test_logits_while_decoding_equal_one_long_forward",
    ),
    Row(
        "checkpoints of stage 1",
        "none",
        "03: both: equal at 1e-5",
        "course_lib.interop.load_lavis_stage1",
        f"{LAVIS}blip2_qformer.py",
        "test_parity_lavis.py::test_stage1_gives_the_scores_of_transformers",
        "the layout with random weights; the published files were not downloaded",
    ),
    Row(
        "checkpoints of stage 2",
        "none",
        "04: opt: logits equal at 1e-5",
        "course_lib.interop.load_lavis_stage2",
        f"{LAVIS}blip2_opt.py, blip2_t5.py",
        "test_parity_lavis.py::test_stage2_gives_the_logits_of_transformers",
        "the layout with random weights; the published files were not downloaded",
    ),
)
