"""Lines of PARITY.md from notebook 10: VPGTrans."""

from course_lib.devtools.correspondence_row import Row

PAPER = "arXiv 2305.01278"
OFFICIAL = "VPGTrans/VPGTrans, "
CONVERTERS = f"{OFFICIAL}tools/linear_proj/train_linear_proj_opt_and_llama.py"
FILE = "test_parity_vpgtrans.py::"

ROWS = (
    Row(
        "words of two tokenizers, in pairs",
        f"{PAPER}, section 3.2, shared words",
        "10: the library's pairs, but for the start token",
        "course_lib.data.word_pairs.caption_pairs",
        CONVERTERS,
        f"{FILE}test_pairs_are_those_of_the_released_procedure",
        "the code pairs captions of equal length, and so do we; unknown words are left out, there "
        "they are paired",
    ),
    Row(
        "loss of the word converter",
        f"{PAPER}, section 3.2",
        "10: equal to torch's own",
        "course_lib.converter.cosine_loss",
        CONVERTERS,
        f"{FILE}test_the_loss_is_torch_s_cosine_embedding_loss",
    ),
    Row(
        "the merge of projector and converter",
        f"{PAPER}, equation 2, in the order of the code",
        "10: one layer does what both did",
        "course_lib.merged_projector.merge_projectors",
        CONVERTERS,
        f"{FILE}test_the_merge_equals_both_layers_of_torch",
        "the order that the paper prints cannot be multiplied",
    ),
    Row(
        "a model with a merged projector",
        f"{PAPER}, equation 2, in the order of the code",
        "10: logits equal at 1e-5",
        "",
        f"{OFFICIAL}lavis/models/blip2_models/blip2_opt.py",
        "",
        "the cell compares with transformers' BLIP-2 and two layers, one behind the other",
    ),
    Row(
        "the inherited VPG",
        f"{PAPER}, section 3.2",
        "10: every tensor of the VPG is the source's",
        "course_lib.recipes.vpgtrans.build",
        f"{OFFICIAL}lavis/models/blip2_models/blip2_llama.py, from_config",
        f"{FILE}test_an_inherited_vpg_gives_the_tokens_of_transformers",
        "a name or a setting that does not match raises; there the part stays random",
    ),
    Row(
        "stage 1 and stage 2",
        f"{PAPER}, section 3.2, figure 6",
        "10: the rates of the recipe's stages",
        "course_lib.recipes.vpgtrans.Scale",
        f"{OFFICIAL}run_scripts/blip2/scale_up_train",
        f"{FILE}test_both_stages_equal_a_plain_loop_over_transformers",
        "what is frozen is in eval mode; there its dropout is on. The cosine falls every step, "
        "there every inner epoch",
    ),
    Row(
        "checkpoints of VL-LLaMA and VL-Vicuna",
        "none",
        "10: read again, every tensor the same",
        "course_lib.interop.vpgtrans.load_vl_llama",
        f"{OFFICIAL}lavis/runners/runner_base.py, _save_checkpoint",
        f"{FILE}test_vl_llama_gives_the_logits_of_transformers",
        "the layout with random weights; the published files were not downloaded",
    ),
)
