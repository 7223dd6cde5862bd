"""Everything that is assumed and not computed stands here, each number once, with its reason.

The papers' own hours, beside ours, are in `papers`: they are what the first two numbers were chosen
by, so the table shows how far one number for all of them carries, and is no test of a prediction.
"""

# Share of the peak that a run reaches, recomputed activations counted as work. The runs of the
# table lie between .28 and .48, those left out of which a paper tells an upper bound alone.
EFFICIENCY = 0.40

# Images that a GPU's share of the machine reads, decodes and augments in a second. Arithmetic would
# let BLIP-2's first stage read over 150; no run of the table reads more than 68.
IMAGES_PER_GPU_SECOND = 65.0

# Share of a GPU's memory that a plan fills; the rest goes to CUDA itself and to gaps.
USABLE_MEMORY = 0.90

# Bytes of a number: frozen weights and activations are bfloat16, what trains is float32 and has a
# bfloat16 copy while autocast runs; AdamW keeps two float32 numbers for each.
HALF, FULL, ADAM = 2, 4, 8

# Numbers kept for the backward pass, for each number that a weight gives (and, where it trains,
# takes): norms, attention and activations keep theirs, too. Measured on the toy models, in a test.
KEPT_OF_OUTPUT, KEPT_OF_INPUT = 1.6, 0.5

# Bytes of one logit: bfloat16, its float32 copy, and the gradient; and of what a LoRA keeps of each
# number that it takes, a float32 copy and the same after dropout.
LOGIT, LORA_INPUT = 10, 8

# Bytes of a picture with its caption on the disk: MiniGPT-4's authors name 2.3 TB for LAION-115M,
# CC3M, CC12M and SBU, 129 million pairs, scaled down as they came (and some no longer came). A COCO
# picture as it was published has nine times as many.
BYTES_PER_PAIR = 2.3e12 / 129e6

# Pictures of 640 × 480 that one processor core decodes, scales and normalises in a second: 4.9 to
# 5.1 ms each by benchmarks/data_throughput.py, the exact way.
IMAGES_PER_CORE_SECOND = 200.0

# USD of a GB for a month in an object store, list price of 2023 and 2024.
USD_PER_GB_MONTH = 0.023
