"""Lines of PARITY.md from notebook 05: Flamingo, by its two public rebuildings."""

from course_lib.devtools.correspondence_row import Row

PAPER = "arXiv 2204.14198 v1"
OPEN = "mlfoundations/open_flamingo, open_flamingo/src/helpers.py"
IDEFICS = "huggingface/transformers, src/transformers/models/idefics"
FILE = "test_parity_flamingo.py::"

ROWS = (
    Row(
        "the perceiver resampler",
        f"{PAPER}, section 3.1.1, figure 4",
        "05: OpenFlamingo's resampler, equal at 1e-5",
        "course_lib.vpg.resampler.PerceiverResampler",
        f"{OPEN}, PerceiverResampler",
        f"{FILE}test_resampler_of_open_flamingo",
        "the reference is stored output of the released class; a norm at the end and GELU there, "
        "none and squared ReLU by the paper",
    ),
    Row(
        "the resampler of Idefics",
        f"{PAPER}, section 3.1.1",
        "05: Idefics' resampler, equal at 1e-5",
        "course_lib.vpg.resampler.ResamplerConfig.idefics",
        f"{IDEFICS}/perceiver.py",
        f"{FILE}test_resampler_of_idefics",
    ),
    Row(
        "a gated layer",
        f"{PAPER}, section 3.1.2, figure 5",
        "05: OpenFlamingo's gated layer, equal at 1e-5",
        "course_lib.fusion.cross_attention.GatedCrossAttention",
        f"{OPEN}, GatedCrossAttentionBlock",
        f"{FILE}test_gated_layer_of_open_flamingo",
        "the reference is stored output of the released class",
    ),
    Row(
        "the gated layer of Idefics",
        f"{PAPER}, section 3.1.2",
        "05: Idefics' gated layer, equal at 1e-5",
        "course_lib.fusion.cross_attention.CrossAttentionConfig.idefics",
        f"{IDEFICS}/modeling_idefics.py",
        f"{FILE}test_gated_layer_of_idefics_and_its_gradients",
        "gradients too",
    ),
    Row(
        "a whole model: frozen blocks with layers in front",
        f"{PAPER}, section 3.1.2",
        "05: afterwards the language model is itself, bit by bit",
        "course_lib.gated_vlm.GatedVLM",
        f"{IDEFICS}/modeling_idefics.py, IdeficsForVisionText2Text",
        f"{FILE}test_whole_idefics_is_llama_with_gated_layers",
        "by hooks, so that class and names of the language model stay; decoupled embeddings there",
    ),
)
