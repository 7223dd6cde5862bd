"""Lines of PARITY.md from notebook 08: MiniGPT-4."""

from course_lib.devtools.correspondence_row import Row

PAPER = "arXiv 2304.10592"
OFFICIAL = "Vision-CAIR/MiniGPT-4, minigpt4/"

ROWS = (
    Row(
        "what the queries bring back",
        f"{PAPER}, section 3",
        "08: what the queries bring back is BLIP-2's own",
        "course_lib.recipes.minigpt4.FrozenVPG",
        f"{OFFICIAL}models/mini_gpt4.py",
        "test_parity_minigpt4.py::test_logits_and_loss[stage 1]",
        "the layer of the encoder is the zoo's second-last, EVA's last there",
    ),
    Row(
        "logits and loss",
        f"{PAPER}, sections 3.1 and 3.3",
        "08: loss equal at 1e-5",
        "course_lib.recipes.minigpt4.build",
        f"{OFFICIAL}models/mini_gpt4.py, models/minigpt_base.py",
        "test_parity_minigpt4.py::test_logits_and_loss[stage 2]",
        "the reference is BLIP-2's forward, a linear layer and LlamaForCausalLM of transformers",
    ),
    Row(
        "visual tokens from a cache",
        "none",
        "08: the loss is the same",
        "course_lib.recipes.minigpt4.build",
        "",
        "test_parity_minigpt4.py::test_visual_tokens_from_a_cache_agree_as_well",
        "the authors compute them anew at every step",
    ),
)
