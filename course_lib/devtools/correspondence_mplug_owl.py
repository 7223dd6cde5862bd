"""Lines of PARITY.md from notebooks 09a and 09b: mPLUG-Owl."""

from course_lib.devtools.correspondence_row import Row

PAPER = "arXiv 2304.14178"
OFFICIAL = "X-PLUG/mPLUG-Owl, mPLUG-Owl/mplug_owl/modeling_mplug_owl.py"
LORA = "arXiv 2106.09685, equation 3"

ROWS = (
    Row(
        "a layer of the abstractor",
        f"{PAPER}, section 3.1, without an equation",
        "09: equal to the library's layer",
        "course_lib.vpg.abstractor_layer.AbstractorLayer",
        f"{OFFICIAL}, MplugOwlVisualAbstractorLayer",
        "test_parity_abstractor.py::test_outputs_of_the_released_code",
        "the reference is stored output of the released class",
    ),
    Row(
        "the abstractor",
        f"{PAPER}, section 3.1, without an equation",
        "09: equal to the released code's outputs, at 1e-5",
        "course_lib.vpg.abstractor.Abstractor",
        f"{OFFICIAL}, MplugOwlVisualAbstractorEncoder",
        "test_parity_abstractor.py::test_outputs_of_the_released_code",
        "queries are drawn at random and belong to it; there they start at zero",
    ),
    Row(
        "tokens of the image encoder",
        f"{PAPER}, section 3.1",
        "09: what is read begins with CLIP's own pooled output",
        "course_lib.backbones.normed_vision.NormedVisionEncoder",
        f"{OFFICIAL}, MplugOwlVisionModel",
        "test_parity_mplug_owl.py::test_vision_layer_of_the_released_code",
        "queries, keys and values apart; fused and interleaved by heads there",
    ),
    Row(
        "projector and end token",
        "none",
        "09: as the library's projector",
        "course_lib.vpg.abstractor.EndTokenProjector",
        f"{OFFICIAL}, MplugOwlVisualAbstractorModel",
        "test_parity_joint.py::test_projector_and_end_token",
        "the reference is torch's own linear layer and a concatenation",
    ),
    Row(
        "LoRA",
        LORA,
        "09: equal to peft, at 1e-6",
        "course_lib.lora.LoRALinear",
        "microsoft/LoRA, loralib/layers.py",
        "test_parity_lora.py::test_outputs",
        "a subclass of nn.Linear, so that the frozen weight keeps its name",
    ),
    Row(
        "LoRA, merged",
        LORA,
        "09: merged weights equal peft's",
        "course_lib.lora.merge_lora",
        "microsoft/LoRA, loralib/layers.py",
        "test_parity_lora.py::test_merged_weights",
    ),
    Row(
        "a file of LoRA",
        "none",
        "09: opens in peft",
        "course_lib.interop.peft_lora.save_peft_lora",
        "huggingface/peft, src/peft/utils/save_and_load.py",
        "test_parity_lora.py::test_ours_opens_in_peft",
    ),
    Row(
        "one step from parts of text and images",
        f"{PAPER}, section 3.2",
        "09: and so is its gradient",
        "course_lib.training.accumulation.backward",
        "X-PLUG/mPLUG-Owl, mPLUG-Owl/pipeline/train.py",
        "test_parity_joint.py::test_one_step_from_parts_is_one_batch_of_transformers",
        "every labelled word of a step counts the same, whatever part it is in",
    ),
)
