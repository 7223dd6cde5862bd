"""Lines of PARITY.md from notebook 07: LLaVA."""

from course_lib.devtools.correspondence_row import Row

V1, V15 = "arXiv 2304.08485", "arXiv 2310.03744"
OFFICIAL = "haotian-liu/LLaVA, llava/"
ALL = "one a row"

ROWS = (
    Row(
        "patches of the layer before the last",
        f"{V1}, section 4.1",
        "07: equal to the encoder of the course",
        "course_lib.backbones.vision.VisionEncoder",
        f"{OFFICIAL}model/multimodal_encoder/clip_encoder.py",
        f"test_parity_llava.py::test_logits_and_loss[{ALL}]",
    ),
    Row(
        "projector of v1.5",
        f"{V15}, section 3.2",
        "07: v1.5, equal to the library",
        "course_lib.projector.MLPProjector",
        f"{OFFICIAL}model/multimodal_projector/builder.py",
        f"test_parity_llava.py::test_logits_and_loss[{ALL}]",
        "v1's single layer has no place in transformers' class",
    ),
    Row(
        "logits and loss of a conversation",
        f"{V1}, equation 3",
        "07: loss equal at 1e-5",
        "course_lib.vlm.VLM",
        f"{OFFICIAL}model/llava_arch.py, train/train.py",
        "test_parity_llava.py::test_logits_and_loss[one to three a row]",
        "cut at a turn, not at model_max_length; the head reads labelled positions alone",
    ),
    Row(
        "names of checkpoints",
        "none",
        "07: same tensors",
        "",
        "huggingface/transformers, models/llava/convert_llava_weights_to_hf.py",
        "",
        "the layouts with random weights; the published files were not downloaded",
    ),
)
