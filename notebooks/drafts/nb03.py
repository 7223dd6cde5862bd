"""Writes notebook 03, not executed yet: python notebooks/drafts/nb03.py OUT [STEPS SCENES].

A draft that waits for the finished image encoder; it goes when the notebook stands.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "notebooks/03_blip2_stage1.ipynb")
CELLS = []


def md(text):
    CELLS.append(new_markdown_cell(text.strip("\n")))


def code(text, alt=None, tags=None):
    metadata = {}
    if tags:
        metadata["tags"] = tags
    if alt:
        metadata["alt"] = alt
    CELLS.append(new_code_cell(text.strip("\n"), metadata=metadata))


# ------------------------------------------------------------------------------------------ title
md(r"""
# BLIP-2 stage 1: build the Q-Former and teach it without a language model

A frozen image encoder turns a picture into patches, and a frozen language model reads words. BLIP-2 puts a small
network between the two, the **Q-Former**: a fixed number of learned vectors, called *queries*, look at the patches and
come back with what a text might say about them. Its first stage of training needs no language model at all, only
pictures with captions.

At the end of this notebook you have a Q-Former that you took apart line by line, shown equal to the one in transformers,
and trained on your CPU. It finds the caption of a scene it has never seen, tells right from wrong pairs, and writes a
caption of its own. Notebook 04 gives this very Q-Former a language model.
""")
md(r"""
## What you will be able to do

| id | after this notebook you can |
|---|---|
| 03.1 | compute by hand what a query reads from patches, and show that multi-head attention is the same thing |
| 03.2 | say what self-attention, cross-attention and the two feed-forward networks of a Q-Former layer are for |
| 03.3 | explain why equal queries stay equal, and what makes them differ |
| 03.4 | draw the three masks of stage 1 and prove each one by perturbation |
| 03.5 | compute ITC, ITM and ITG by hand and say which text each loss lets the queries see |
| 03.6 | train stage 1 on a frozen encoder, show that frozen stayed frozen, and measure retrieval |
| 03.7 | read attention maps and failures of the trained Q-Former without claiming too much |

**You need** softmax, matrix products and a little PyTorch. Attention is built from zero here.
**Time**: about 90 minutes, of which 4 are training on one CPU thread.
""")
md(r"""
## Where this model sits

```mermaid
flowchart LR
    accTitle: The model of notebook 03 on the map of the course
    accDescr: An image goes through a frozen image encoder into the Q-Former. Encoder and Q-Former together are the visual prompt generator. In this notebook the Q-Former also reads captions and trains on three losses. The projector and the language model behind it follow in notebook 04.
    I["image"] --> E
    subgraph VPG["visual prompt generator"]
        E["image encoder<br/>(frozen)"] --> Q["Q-Former<br/>(trains here)"]
    end
    C["caption"] --> Q
    Q --> L["ITC + ITM + ITG"]
    Q -.-> P["projector"] -.-> M["language model"]
    classDef lit fill:#0072B2,stroke:#004a75,color:#ffffff
    classDef later fill:#eeeeee,stroke:#999999,color:#555555
    class E,Q,C,L lit
    class P,M later
```

Every model of the course is the sentence *image → visual prompt generator → projector → language model*. Blue is
what this notebook uses: the encoder (frozen), the Q-Former (trained) and captions. The projector and the language model,
in grey, come in notebook 04.
""")
# ------------------------------------------------------------------------------------------ set-up
code(r'''
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from transformers import Blip2QFormerConfig, Blip2QFormerModel
from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

from course_lib.backbones.tokenizers import build_tokenizer
from course_lib.data.prompts import pad_rows
from course_lib.data.toy import ToyScenes, stage1_batch
from course_lib.evaluation.retrieval import r_at_1
from course_lib.interop import qformer_from_hf
from course_lib.losses import itc_loss, itc_similarity, sample_hard_negatives
from course_lib.recipes import blip2
from course_lib.training.loop import train
from course_lib.training.order import seed_everything
from course_lib.training.stages import apply_stage, frozen_fingerprint, stage_table
from course_lib.vpg import MultiHeadAttention, QFormer, QFormerConfig, make_mask
from course_lib.vpg.qformer_layer import QFormerLayer
from course_lib.world.language import canonical_caption
from course_lib.zoo.load import zoo_vision

torch.set_num_threads(1)
seed_everything(0)


def check(what, holds):
    """Prints a statement and whether it holds."""
    print(f"{what}: {bool(holds)}")


def close(a, b, tolerance=1e-5):
    return (a - b).abs().max().item() < tolerance
''')
md(r"""
## The problem in numbers

The zoo's CLIP encoder cuts a picture of 48 × 48 pixels into 6 × 6 patches of 8 × 8 pixels. Each patch comes out as a
vector of 128 numbers, and one more vector, the class token CLS, stands for the whole picture. We read the second-last
layer, as BLIP-2 does, whose authors found it slightly better: the last one is shaped for CLIP's own contrast.

Three letters stay with us: **B** images in a batch, **N** vectors per image (36 patches and CLS), **E** their width.
""")
code(r'''
encoder = zoo_vision("clip")
unseen = ToyScenes(256, seed=3, split="test", encoder=encoder)  # digit scans never trained on
row = next(i for i, s in enumerate(unseen.scenes) if len({t.colour for t in s.things}) == 3)
features = unseen.features[row : row + 1]
print(canonical_caption(unseen.scenes[row]))
print("features of one image (B, N, E):", tuple(features.shape))
''')
code(r'''
figure, axes = plt.subplots(1, 2, figsize=(5, 2.6), dpi=90)
for axis, title in zip(axes, ("the scene", "its 36 patches"), strict=True):
    axis.imshow(unseen.images[row])
    axis.set(title=title, xticks=[], yticks=[])
for edge in range(8, 48, 8):
    _ = axes[1].axhline(edge - 0.5, color="white", linewidth=0.8)
    _ = axes[1].axvline(edge - 0.5, color="white", linewidth=0.8)
plt.show()
''', alt="A held-out scene of three coloured things on dark ground; beside it the same scene cut by white lines into six by six patches.")
md(r"""
*The picture: the scene named above, three coloured things on dark ground, and the same scene under a grid of six by six
patches. A large thing covers parts of nine patches.*

A language model could be given all these vectors, and LLaVA (notebook 07) does that with the patches. BLIP-2 asks for a fixed and smaller
number, so something has to choose. What chooses is a **query**: a vector that is compared with every patch and brings
back a mixture of them, more of those that fit. Three patches of two numbers are enough to do it by hand.
""")
code(r'''
patches = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # "red", "round", "red and round"
query = torch.tensor([1.0, 0.5])  # wants red, and round a little
attn_scores = patches @ query  # how well each patch fits
attn_weights = attn_scores.exp() / attn_scores.exp().sum()  # softmax: positive, sum 1
answer = attn_weights @ patches  # the mixture
print("scores: ", [f"{number:.2f}" for number in attn_scores])
print("weights:", [f"{number:.2f}" for number in attn_weights])
print("answer: ", [f"{number:.2f}" for number in answer])
''')
md(r"""
Check the middle line with a pencil: $e^{1} = 2.72$, $e^{0.5} = 1.65$, $e^{1.5} = 4.48$, sum $8.85$, so the third patch
gets $4.48 / 8.85 = 0.51$. Before the softmax the numbers are *scores*, after it *weights*; these two words keep their
meaning below.
""")
# ------------------------------------------------------------------------------------------ paper
md(r"""
## The paper in one page

Li, Li, Savarese, Hoi: *BLIP-2*, arXiv 2301.12597, sections 3.1 and 3.2.

| symbol | what | paper | here |
|---|---|---|---|
| $Q$ | queries of an image | 32 | 16 |
| $d$ | width of the Q-Former ("hidden" in the library) | 768 | 128 |
| | layers, heads | 12, 12 | 4, 4 |
| | the queries read the image in | every second layer | every layer |
| $V \in \mathbb{R}^{N \times E}$ | features of the frozen encoder | 257 × 1408 (ViT-g) | 37 × 128 |
| $Z \in \mathbb{R}^{Q \times d}$ | what the queries come back with | 32 × 768 | 16 × 128 |
| $w_1 \dots w_T$ | the caption, $T$ tokens | at most 32 (code) | at most 64 |
| | start of training | BERT-base; cross-attention random | all random |

**Three losses**, added with weight 1, each with a mask that says who may read whom:

| loss | question | query reads text | text reads query | text reads text |
|---|---|---|---|---|
| ITC, contrast | which caption of the batch belongs to this image? | no | no | yes |
| ITG, generation | what is the next word? | no | yes | earlier words and itself |
| ITM, matching | do these two belong together? | yes | yes | yes |

Queries always read queries. With $g_v, g_t$ two linear maps to vectors of length 1 and $\tau$ a learned temperature:

$$s_{ij} = \max_{q \le Q} \; g_v(Z_{i,q})^\top g_t(\text{CLS}_j) \in [-1, 1], \qquad
\mathcal L_{ITC} = \tfrac12 \big[\mathrm{CE}(s_{i\cdot} / \tau,\, i) + \mathrm{CE}(s_{\cdot i} / \tau,\, i)\big]$$

$$\mathcal L_{ITM} = \mathrm{CE}\Big(\tfrac1Q \sum_{q} W Z_q,\ \text{match?}\Big), \ W \in \mathbb{R}^{2 \times d} \qquad
\mathcal L_{ITG} = -\tfrac1T \sum_{t} \log p\,(w_t \mid Z, w_{<t})$$

**What the paper reports** (no verdict yet): without stage 1, stage 2 does clearly worse (figure 5); adding ITG to ITC and
ITM lifts COCO retrieval from 84.5 / 67.2 to 85.4 / 68.3 R@1, text / image (table 6).
""")
# ------------------------------------------------------------------------------------------ step 1
md(r"""
## Step 1. One query looks at patches (03.1)

Comparing raw vectors would tie what a patch is searched by to what it gives back. So three learned matrices make a
*query*, a *key* and a *value*:

$$\text{answer} = \sum_{n=1}^{N} \underbrace{\mathrm{softmax}_n\!\Big(\frac{q \cdot k_n}{\sqrt K}\Big)}_{\text{weight of patch } n} v_n,
\qquad q = W_q x,\quad k_n = W_k V_n,\quad v_n = W_v V_n \in \mathbb{R}^{K}$$

A dot product of $K$ terms grows like $\sqrt K$, hence the division; without it the softmax would pick one patch
from the start. First one query, patch after patch.
""")
code(r'''
queries = 0.02 * torch.randn(16, 128)
one_head = MultiHeadAttention(query_dim=128, kv_dim=128, num_heads=1)
query, attn_scores = one_head.q_proj(queries[0]), []
for patch in features[0]:
    attn_scores.append(query @ one_head.k_proj(patch) / math.sqrt(128))
attn_weights = torch.stack(attn_scores).softmax(dim=0)
by_loop = sum(w * one_head.v_proj(p) for w, p in zip(attn_weights, features[0], strict=True))
print("weights of one query:", tuple(attn_weights.shape), " answer:", tuple(by_loop.shape))
''')
md("The same for all 16 queries at once is two matrix products.")
code(r'''
query, key = one_head.q_proj(queries), one_head.k_proj(features[0])  # (Q, K), (N, K)
attn_weights = (query @ key.T / math.sqrt(128)).softmax(dim=-1)  # (Q, N)
by_matrix = attn_weights @ one_head.v_proj(features[0])  # (Q, K)
print("weights:", tuple(attn_weights.shape), " answers:", tuple(by_matrix.shape))
check("row 0 is what the loop brought back", close(by_matrix[0], by_loop))
''')
md(r"""
One softmax can follow one interest at a time. **Heads** give each query several: the width is cut into $H$ pieces of
$K = d / H$ numbers, each piece attends for itself, and a last matrix mixes the answers. The *mask* is used in step 4:
where it is False, the score becomes $-\infty$ and the weight exactly 0.
""")
code(r'''
def attend(module, reading, read, mask=None):
    """Lets `reading` (B, Tq, d) read `read` (B, Tk, ...) with the matrices of `module`."""
    projected = module.q_proj(reading), module.k_proj(read), module.v_proj(read)
    query, key, value = (  # each (B, H, tokens, K)
        states.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for states in projected
    )
    attn_scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if mask is not None:
        attn_scores = attn_scores.masked_fill(~mask, -math.inf)
    mixed = attn_scores.softmax(dim=-1) @ value
    return module.out_proj(mixed.transpose(1, 2).flatten(2))


four_heads = MultiHeadAttention(query_dim=128, kv_dim=128, num_heads=4)
by_hand = attend(four_heads, queries[None], features)
print("16 queries, 4 heads (B, Q, d):", tuple(by_hand.shape))
check("equal to the library's", close(by_hand, four_heads(queries[None], features)))
''')
# ------------------------------------------------------------------------------------------ step 2
md(r"""
## Step 2. One layer of the Q-Former (03.2)

A layer has three jobs. **Self-attention** over queries *and* text, with the same matrices for both: here queries divide the
work among themselves, and here alone image and text can meet. **Cross-attention**: the queries, and only they, read
the image. **Two feed-forward networks**, one for queries and one for text, since one half speaks of pictures and the
other of words. Each sub-block adds its result and then normalises (*post-norm*, as in BERT):

$$h \leftarrow \mathrm{LN}\big(h + \mathrm{SA}(h)\big), \qquad
z \leftarrow \mathrm{LN}\big(z + \mathrm{CA}(z, V)\big), \qquad
z \leftarrow \mathrm{LN}\big(z + \mathrm{FFN}_{\text{query}}(z)\big), \quad
t \leftarrow \mathrm{LN}\big(t + \mathrm{FFN}_{\text{text}}(t)\big)$$

with $h = [z; t] \in \mathbb{R}^{(Q + T) \times d}$, queries first, and
$\mathrm{FFN}(x) = W_2\, \mathrm{gelu}(W_1 x)$, $W_1 \in \mathbb{R}^{4d \times d}$. The alternative would be two separate
networks, one per modality, as CLIP has; then no text could ever be read *together with* the image.
""")
code(r'''
def layer_by_hand(layer, hidden, num_queries, image, mask=None):
    mixed = attend(layer.self_attention, hidden, hidden, mask)
    hidden = layer.self_attention_norm(hidden + mixed)
    queries, text = hidden[:, :num_queries], hidden[:, num_queries:]
    seen = attend(layer.cross_attention, queries, image)
    queries = layer.cross_attention_norm(queries + seen)
    return torch.cat([layer.query_ffn(queries), layer.text_ffn(text)], dim=1)
''')
md(r"""
Who notices when the picture changes? In one layer the queries do; the words do not, for they never touch a patch.
""")
code(r'''
tokenizer = build_tokenizer("bert", max_length=64)
config = replace(blip2.scale("toy").qformer, vocab_size=len(tokenizer))
layer = QFormerLayer(config, cross_attention=True)
image = F.layer_norm(features, (128,))
hidden = torch.randn(1, 16 + 5, 128)  # 16 queries and 5 words
out = layer_by_hand(layer, hidden, 16, image)
print("16 queries and 5 words go in and come out:", tuple(out.shape))
check("equal to the library's layer", close(out, layer(hidden, 16, image)[0]))
other_image = F.layer_norm(unseen.features[row + 1 : row + 2], (128,))
difference = (layer_by_hand(layer, hidden, 16, other_image) - out).abs().amax(dim=-1)[0]
check("another image changes every query", (difference[:16] > 1e-3).all())
check("another image changes a word", (difference[16:] > 1e-6).any())
''')
# ------------------------------------------------------------------------------------------ step 3
md(r"""
## Step 3. The whole Q-Former (03.3)

What is left is short. The queries are a parameter, $Q \times d$ numbers that are the same for every image. A fresh
LayerNorm, `ln_vision`, brings the frozen features to a common scale; it belongs to the Q-Former, since it trains. Then
the layers follow one another: $Z = f(Z_0, \mathrm{LN}(V))$ with $Z_0, Z \in \mathbb{R}^{Q \times d}$, whatever $N$ is. We
also keep the weights of the cross-attention, to look at them at the end.
""")
code(r'''
def qformer_by_hand(qformer, image_features):
    """Runs the queries alone: (B, N, E) -> answers (B, Q, d), weights (B, layers, H, Q, N)."""
    image = qformer.ln_vision(image_features)
    hidden = qformer.embedding_norm(qformer.query_tokens).expand(len(image), -1, -1)
    looks = []
    for layer in qformer.layers:
        mixed = attend(layer.self_attention, hidden, hidden)
        asking = layer.self_attention_norm(hidden + mixed)
        looks.append(layer.cross_attention.weights(asking, image))
        hidden = layer_by_hand(layer, hidden, hidden.shape[1], image)
    return hidden, torch.stack(looks, dim=1)
''')
code(r'''
qformer = QFormer(config).eval()
answers, looks = qformer_by_hand(qformer, features)
print("answers (B, Q, d):", tuple(answers.shape), " weights:", tuple(looks.shape))
check("equal to the library's Q-Former", close(answers, qformer(features)))
print("from 5 patches instead of 37:", tuple(qformer(features[:, :5]).shape))
''')
md(r"""
**How large is it?** The paper says 188M parameters for the Q-Former, and later 107M for what stage 2 trains. No
contradiction: word embeddings, text feed-forward networks and heads serve stage 1 alone and are deleted after it. A count
on torch's *meta* device (shapes without memory) shows both, at the paper's sizes with ViT-g:
""")
code(r'''
def millions(**changes):
    with torch.device("meta"):
        return sum(p.numel() for p in QFormer(QFormerConfig(**changes)).parameters()) / 1e6


print(f"ours: {sum(p.numel() for p in qformer.parameters()):,} parameters")
print(f"the paper's sizes, with the text half: {millions():.1f} M")
print(f"the paper's sizes, without it: {millions(use_text=False):.1f} M")
''')
md(r"""
With the heads of stage 1 the first number becomes 186.7M by our count; the paper's 188M could not be reproduced to the
million. A linear layer to OPT-2.7B brings the second to 107.1M.

**Why queries have to start different.** Nothing in the network knows the number of a query: there is no position
embedding on queries, and every matrix is shared. For every permutation $P$ of the queries $f(P Z_0, V) = P f(Z_0, V)$. So two
queries that start equal get equal answers and equal gradients, for ever, under any loss that treats queries alike.
(transformers starts `query_tokens` at zero; the authors' code draws them from $\mathcal N(0, 0.02)$, and so do we.)
""")
code(r'''
with torch.no_grad():
    qformer.query_tokens.data = qformer.query_tokens.flip(1)
    check("queries reversed, answers reversed", close(qformer(features), answers.flip(1)))
    qformer.query_tokens.data = qformer.query_tokens.flip(1)


def spread_after_training(start, steps=20):
    """Trains a small Q-Former; returns how far its 16 answers are apart in the end."""
    torch.manual_seed(1)
    student, target = QFormer(replace(config, num_hidden_layers=2)), torch.randn(8, 128)
    student.query_tokens.data *= start
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-3)
    for _ in range(steps):
        loss = (student(unseen.features[:8]).mean(dim=1) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    answers = student(unseen.features[:8])
    return (answers - answers[:, :1]).abs().max().item()


check("started at zero, all 16 answers are still equal", spread_after_training(0.0) < 1e-3)
check("started from N(0, 0.02), all 16 answers are equal", spread_after_training(1.0) < 1e-3)
''')
# ------------------------------------------------------------------------------------------ step 4
md(r"""
## Step 4. The three masks, proven (03.4)

"Which mask is where?" is what people ask most about BLIP-2. A mask is a table of booleans over the $S = Q + T$ positions,
$M \in \lbrace 0, 1 \rbrace^{S \times S}$: row $i$ reads column $j$ where $M_{ij} = 1$, and elsewhere the score is $-\infty$ before the
softmax. Cut it into four blocks and it is the table from the paper.
""")
code(r'''
BLOCKS = {  # query reads query, query reads text, text reads query, text reads text
    "itc": ("all", "none", "none", "all"),
    "itg": ("all", "none", "all", "earlier"),
    "itm": ("all", "all", "all", "all"),
}


def block(word, rows, columns):
    full = torch.ones(rows, columns, dtype=torch.bool)
    return {"all": full, "none": ~full, "earlier": full.tril()}[word]


def mask_by_hand(mode, Q, T):
    qq, qt, tq, tt = BLOCKS[mode]
    top = torch.cat([block(qq, Q, Q), block(qt, Q, T)], dim=1)
    bottom = torch.cat([block(tq, T, Q), block(tt, T, T)], dim=1)
    return torch.cat([top, bottom])
''')
code(r'''
masks = {mode: mask_by_hand(mode, 4, 4) for mode in BLOCKS}
figure, axes = plt.subplots(1, 3, figsize=(7, 2.6), dpi=90)
places = [*range(8)], [f"q{i}" for i in range(4)] + [f"t{i}" for i in range(4)]
for axis, (mode, mask) in zip(axes, masks.items(), strict=True):
    axis.pcolormesh(range(8), range(8), mask, edgecolors="gray", cmap="Blues", vmin=0, vmax=1.4)
    axis.set(title=mode.upper(), xlabel="is read", ylabel="reads", aspect="equal")
    axis.set_xticks(*places, fontsize=8)
    axis.set_yticks(*places, fontsize=8)
    axis.invert_yaxis()
figure.tight_layout()
plt.show()
for mode, mask in masks.items():
    check(f"{mode}: equal to the library's", mask.equal(make_mask(mode, 4, torch.ones(1, 4))[0]))
''', alt="Three eight by eight tables for four queries and four words. ITC: two full blue squares on the diagonal, the rest white. ITG: the query square, the full block where words read queries, and a lower triangle where words read words. ITM: all blue.")
md(r"""
*The picture: blue means "may read", for four queries and four words. ITC has two full squares on the diagonal and nothing else.
ITG has the query square, a full block where words read queries, and a lower triangle among words. ITM is blue
everywhere.*

A picture of a mask shows what somebody meant. What the network **does** shows in an experiment: replace input $j$ by a
random vector, run the layer, note which outputs change. (Adding a constant is a
poor test: the Q-Former begins with a LayerNorm, which takes a constant out again.) We use **one** layer, without an image, since with several layers influence can travel in steps.
""")
code(r'''
def influence(run, inputs):
    """Replaces one input at a time; entry (i, j) is 1 where output i notices input j."""
    before, grid = run(inputs), torch.zeros(inputs.shape[1], inputs.shape[1], dtype=torch.int)
    for j in range(inputs.shape[1]):
        changed = inputs.clone()
        changed[:, j] = torch.randn(inputs.shape[-1])
        grid[:, j] = (run(changed) - before).abs().amax(dim=-1)[0] > 1e-5
    return grid


def through(mask):
    return lambda hidden: layer(hidden, 4, no_image, mask=mask)[0]


no_image, inputs = torch.zeros(1, 1, 128), torch.randn(1, 8, 128)
grids = {mode: influence(through(mask), inputs) for mode, mask in masks.items()}
print("   itc        itg        itm")
for rows in zip(*grids.values(), strict=True):
    print("   ".join("".join(map(str, r.tolist())) for r in rows))
for mode, mask in masks.items():
    check(f"{mode}: what was measured is the mask", grids[mode].bool().equal(mask))
''')
md(r"""
The measured grids *are* the masks: rows 1 to 4 are queries, rows 5 to 8 words. (The diagonal would light up under any
mask, since each input also reaches its own output through the residual connection.)

**And with more layers?** Then $i$ may notice $j$ by way of somebody who reads $j$: two layers act like the mask
multiplied by itself. A mask where each position reads its neighbours widens with every layer. Ours do not, since
whoever is read may read only what the reader may read as well. They are *transitive*: $M_{ij} = M_{jk} = 1$ implies
$M_{ik} = 1$. That is why one layer proves the whole stack.
""")
code(r'''
def twice(run):
    return lambda hidden: run(run(hidden))


near = (torch.arange(8)[:, None] - torch.arange(8)).abs() <= 1  # everyone reads its neighbours
for mode, mask in {**masks, "neighbours": near}.items():
    reached = (mask.int() @ mask.int()) > 0  # read somebody who reads
    check(f"{mode}: two layers reach no further than one", reached.equal(mask))
    grid = influence(twice(through(mask)), inputs)
    check(f"{mode}: two layers, measured, agree", grid.bool().equal(reached))
''')
md(r"""
One thing does change with depth: **the image reaches the text**. Words never touch a patch, but in the second layer
they may read queries that looked at the image in the first one. Under ITC they may not, at any depth.
""")
code(r'''
ids = tokenizer(["a small red circle at top-left."], return_tensors="pt").input_ids
for mode in BLOCKS:
    mask, told = make_mask(mode, 16, torch.ones_like(ids)), []
    for depth in (1, 2, 4):
        deep = QFormer(replace(config, num_hidden_layers=depth)).eval()
        words = deep(unseen.features[:2], ids.repeat(2, 1), self_attention_mask=mask)[:, 16:]
        told.append(not close(words[0], words[1]))
    print(f"{mode}: the words depend on the image after 1, 2, 4 layers:", *told)
''')
md(r"""
**ITC must not leak.** Contrast asks which caption belongs to an image. If queries could read the caption that they are being
compared with, the right answer would stand in their own input and nothing about images would be learned. Under the ITC
mask, one joint pass equals two passes that know nothing of each other, and that is how the authors' code computes it.
""")
code(r'''
other_ids = tokenizer(["a large blue star at top-left."], return_tensors="pt").input_ids
joint = qformer(features, ids, self_attention_mask=make_mask("itc", 16, torch.ones_like(ids)))
check("ITC: the query part equals queries alone", close(joint[:, :16], qformer(features)))
check("ITC: the text part equals text alone", close(joint[:, 16:], qformer(input_ids=ids)))
with_text = [qformer(features, text)[:, :16] for text in (ids, other_ids)]
check("ITM: another caption changes the queries", not close(*with_text))
''')
md(r"""
**ITG must not see the future.** A word that could read its successor would copy it. So the last word may change no
earlier output, and no query. Hence the queries need not be computed again for the text: `encode_image`
keeps each layer's keys and values, and `decode_text` lets the words read them as a *prefix*. This is the authors' route,
and the reason why no triangle appears in their training code: it is made inside, where the text is decoded. One rule
holds under all three masks: padding is never read.
""")
code(r'''
mask = make_mask("itg", 16, torch.ones_like(ids))
joint = qformer(features, ids, self_attention_mask=mask)
last_changed = torch.cat([ids[:, :-1], other_ids[:, 2:3]], dim=1)
again = qformer(features, last_changed, self_attention_mask=mask)
check("another last word changes an earlier output", not close(again[:, :-1], joint[:, :-1]))
prefix = qformer.decode_text(ids, qformer.encode_image(features)[1])
check("queries as a prefix equal the joint mask", close(prefix, joint[:, 16:]))
padded, real = (F.pad(x, (0, 3), value=0) for x in (ids, torch.ones_like(ids)))  # 0 is [PAD]
unchanged = close(qformer(features, padded, real)[:, :-3], qformer(features, ids))
check("three pads behind the text change anything before them", not unchanged)
''')
# ------------------------------------------------------------------------------------------ step 5
md(r"""
## Step 5. The three losses (03.5)

Now the whole model of stage 1: encoder, Q-Former, and four small heads (a projection for images, one for texts, two
classes for ITM, words for ITG). The text side has a tokenizer of its own: `[CLS]` starts a text that is read, `[DEC]` one
that is written. Our batch has eight scenes with their captions.
""")
code(r'''
model = blip2.build_stage1(blip2.scale("toy"), encoder, tokenizer, seed=0).eval()
batch = stage1_batch(unseen, tokenizer, step=0, batch_size=8, seed=0)
ids, mask = batch["input_ids"], batch["attention_mask"]  # (B, T), (B, T)
own, features_8 = torch.arange(8), batch["image_features"]
print({name: tuple(tensor.shape) for name, tensor in batch.items()})
print(" ".join(tokenizer.convert_ids_to_tokens(ids[0, :8])), "...")
''')
md(r"""
**ITC.** Every image has $Q$ vectors and every caption one. They need not all agree: the *best* query counts, so
each may specialise. Three images with two queries of two numbers, by hand:
""")
code(r'''
images = torch.tensor([[[1.0, 0], [0.6, 0.8]], [[0, 1], [0.8, 0.6]], [[-1, 0], [0, -1]]])
texts = torch.tensor([[1.0, 0], [0, 1], [-0.6, -0.8]])  # all of length 1
similarity = torch.zeros(3, 3)
for i, queries in enumerate(images):  # (Q, C)
    for j, text in enumerate(texts):  # (C,)
        similarity[i, j] = max(query @ text for query in queries)
print("\n".join(" ".join(f"{cosine:5.1f}" for cosine in line) for line in similarity))
check("equal to the library's", close(similarity, itc_similarity(images, texts)))
''')
md(r"""
The diagonal holds the right pairs. Cosines differ too little for a softmax, hence the **temperature** $\tau$,
a learned number that starts at 0.07. And the target is not quite 1: with **label smoothing** $\varepsilon = 0.1$ a tenth
of it is spread over the whole row, so that a pair which happens to fit as well costs less:
$(1 - \varepsilon)(-\log p_i) + \varepsilon \cdot \tfrac1B \sum_j -\log p_j$.
""")
code(r'''
def smoothed(line, target, smoothing=0.1):
    surprise = -line.log_softmax(dim=-1)
    return (1 - smoothing) * surprise[target] + smoothing * surprise.mean()


for tau in (1.0, 0.07):
    print(f"image 0 at {tau}:", *(f"{p:.2f}" for p in (similarity[0] / tau).softmax(dim=-1)))
both = [smoothed(lines[i] / 0.07, i) for lines in (similarity, similarity.T) for i in range(3)]
check("equal to the library's", close(sum(both) / 6, itc_loss(similarity, similarity.T, 0.07)))
''')
md(r"""
**ITM** looks at pairs again, this time with the full mask, so that words and patches can be compared in detail. Easy
wrong pairs would teach nothing. So wrong partners are *drawn*, the likelier the more similar ITC finds them, never the own
one: $P(j \mid i) \propto \exp(s_{ij} / \tau)$ for $j \ne i$.
Image 0 above has a close rival (text 1, cosine 0.8), image 2 two equally poor ones (cosine 0).
""")
code(r'''
chance = torch.Generator().manual_seed(0)
drawn = torch.stack([sample_hard_negatives(similarity / 0.5, chance) for _ in range(300)])
check("the own text was drawn", (drawn == torch.arange(3)).any())
check("image 0 got its rival in 4 of 5 draws or more", (drawn[:, 0] == 1).float().mean() > 0.8)
check("image 2 got each wrong text at least 90 times", drawn[:, 2].bincount()[:2].min() > 90)
''')
md(r"""
A batch of $B$ gives $3B$ pairs: $B$ right ones, $B$ texts with a wrong image, $B$ images with a wrong text. The
two-class head judges each query, and the mean over queries is the verdict.
""")
code(r'''
sims = model.similarity(batch) / model.heads.temperature  # (B, B)
chance = torch.Generator().manual_seed(0)
wrong_image, wrong_text = (sample_hard_negatives(s, chance) for s in (sims.T, sims))
images, texts = torch.cat([own, wrong_image, own]), torch.cat([own, own, wrong_text])
hidden = model.qformer(features_8[images], ids[texts], mask[texts])  # (3B, Q + T, d)
verdict = model.heads.itm_head(hidden[:, :16]).mean(dim=1)  # (3B, 2)
itm = F.cross_entropy(verdict, (torch.arange(24) < 8).long())  # class 1 = match
print("judged pairs:", tuple(hidden.shape), " verdicts:", tuple(verdict.shape))
''')
md(r"""
**ITG** writes the caption behind the queries. `[DEC]` takes the place of `[CLS]`, each position predicts the next
token, padding has no target, and the targets are smoothed as in ITC. Here is what predicts what:
""")
code(r'''
written = torch.cat([torch.full_like(ids[:, :1], tokenizer.bos_token_id), ids[:, 1:]], dim=1)
states = model.qformer.decode_text(written, model.qformer.encode_image(features_8)[1], mask)
logits, targets = model.lm_head(states[:, :-1]), written[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
itg = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=0.1)
tokens = tokenizer.convert_ids_to_tokens(written[0, :7])
print(", ".join(f"{now} → {then}" for now, then in pairwise(tokens)))
''')
md(r"""
Together: the library's model runs the same four passes (queries, text, text behind queries, $3B$ pairs) and adds the
losses. An untrained model should guess, and a guess has a known price: $\log B$ for one of $B$ captions, $\log 2$ for yes or no,
$\log$ of the vocabulary for a word. It pays to check this before any training.
""")
code(r'''
model.generator = torch.Generator().manual_seed(0)  # draws the same wrong partners
loss, parts = model(batch)
itc = itc_loss(sims, sims.T, temperature=1.0)  # sims are divided already
for name, by_hand in {"itc": itc, "itm": itm, "itg": itg}.items():
    check(f"{name} by hand equals the library's", close(by_hand, parts[name]))
guess = {"itc": math.log(8), "itm": math.log(2), "itg": math.log(len(tokenizer))}
for name, price in guess.items():
    check(f"{name} starts near the price of a guess", abs(parts[name].item() - price) < 0.15)
''')
# ------------------------------------------------------------------------------------------ parity
md(r"""
## Is it the same as the reference?

So far our code has agreed with our library, and both could be wrong in the same way. transformers has a
`Blip2QFormerModel` that nobody here wrote. We give it random weights, copy them over, and compare at $10^{-5}$. The weights have
to be **scaled up**: with transformers' own initialisation the queries are zero, every bias is zero and most
mistakes are invisible.
""")
code(r'''
def randomise(module, seed):
    """Gives every parameter values that matter: no zero queries, no zero biases."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        scale = 1.0 / math.sqrt(parameter.shape[-1]) if parameter.dim() == 2 else 0.3
        parameter.data = noise * scale + ("norm" in name.lower() and name.endswith("weight"))


hf_config = Blip2QFormerConfig(
    hidden_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    encoder_hidden_size=32,
    vocab_size=97,
    use_qformer_text_input=True,
)
theirs = nn.Module()
theirs.qformer, theirs.embeddings = Blip2QFormerModel(hf_config), Blip2TextEmbeddings(hf_config)
theirs.norm, theirs.queries = nn.LayerNorm(32, eps=1e-6), nn.Parameter(torch.zeros(1, 5, 48))
randomise(theirs.eval(), seed=0)
ours = qformer_from_hf(theirs.qformer, theirs.queries, theirs.norm, theirs.embeddings).eval()
''')
code(r'''
@torch.no_grad()
def reference(image=None, text=None):
    rows, count = (2, 0) if image is None else (len(image), 5)
    embeds = None if image is None else theirs.queries.expand(rows, -1, -1)
    if text is not None:
        embeds = theirs.embeddings(text, query_embeds=embeds)
    seen = None if image is None else theirs.norm(image)
    return theirs.qformer(embeds, query_length=count, encoder_hidden_states=seen).last_hidden_state


image, text = torch.randn(2, 7, 32), torch.randint(0, 97, (2, 6))
for name, case in {"queries": (image,), "text": (None, text), "both": (image, text)}.items():
    check(f"{name}: equal at 1e-5", close(ours(*case), reference(*case)))
''')
md(r"""
A comparison that nothing can fail proves nothing. So we plant two mistakes, both ones that people make: the approximate
GELU in place of the exact one, and queries in another order.
""")
code(r'''
expected = reference(image, text)
theirs.queries.data = theirs.queries.data.flip(1)
check("queries in another order are noticed", not close(ours(image, text), reference(image, text)))
theirs.queries.data = theirs.queries.data.flip(1)
for part in theirs.qformer.encoder.layer:
    part.intermediate_query.intermediate_act_fn = nn.GELU(approximate="tanh")
check("the approximate GELU is noticed", not close(ours(image, text), reference(image, text)))
''')
md(r"""
Where paper, code and this notebook part: the paper trains stage 1 for 250,000 steps on 129M images in batches of up to 2,320,
the released configuration for 10 epochs on COCO and Visual Genome in batches of 1,600. The authors start from BERT and
copy each text feed-forward network to the query one beside it; here all starts at random. Across several GPUs their ITC
gathers features without gradient, ours with. `ln_vision` has an epsilon of $10^{-5}$ in their code and $10^{-6}$ in
transformers and here.
""")
# ------------------------------------------------------------------------------------------ train
md(r"""
## Train it (03.6)

The real thing: toy scenes with their captions, the encoder frozen. A frozen encoder says the same about a picture every time,
so its features are computed **once** and kept. To see more of a real run, raise `STEPS`; the course's own command,
`course train blip2 --stage 1 --scale toy`, takes more of them.
""")
code(r'''
STEPS, BATCH_SIZE, NUM_SCENES, SEED = 600, 64, 8_000, 0

scenes = ToyScenes(NUM_SCENES, SEED, "train", encoder)
batches = partial(stage1_batch, scenes, tokenizer, batch_size=BATCH_SIZE, seed=SEED)
print("features, computed once (scenes, N, E):", tuple(scenes.features.shape))
print("a caption for the first:", canonical_caption(scenes.scenes[0]))
'''.replace("600, 64, 8_000", "{STEPS}, 64, {SCENES}"))
md(r"""
A stage is a list of what trains; all else is frozen: no gradient, eval mode, and compared bit by bit at the end.
""")
code(r'''
stage = replace(blip2.scale("toy").stage1, steps=STEPS, warmup_steps=min(STEPS, 50))
model = blip2.build_stage1(blip2.scale("toy"), encoder, tokenizer, seed=SEED)
_ = apply_stage(model, stage)
frozen_before = frozen_fingerprint(model, stage)
for part in stage_table(model):
    print(f"{part.module:12} {part.parameters:>10,}  trains: {part.trains!s:5}  mode: {part.mode}")
''')
md(r"""
We measure on 64 held-out scenes with 64 different captions, their digits from scans that no training saw. **R@1**
is the share of images whose own caption comes first among the 64, averaged with the share of captions whose own image does. *Re-ranked* means
that ITC chooses 16 candidates, which are then sorted by ITM plus ITC, as the paper does with 128. For ITG we count the
words that are right given all words before; a language model guesses many from grammar, so we count again with
*another scene's* image, and the difference is what came from the image.
""")
code(r'''
@torch.no_grad()
def words_right(model, pairs, features):
    ids, mask = pairs["input_ids"], pairs["attention_mask"]
    states = model.itg_states(ids, mask, model.qformer.encode_image(features)[1])
    right = model.lm_head(states[:, :-1]).argmax(dim=-1) == ids[:, 1:]
    return right[mask[:, 1:].bool()].float().mean().item()


@torch.no_grad()
def measure(model, pairs):
    features, similarity = pairs["image_features"], model.similarity(pairs)  # (n, n)
    repeat = [{**pairs, "image_features": f.expand(len(features), -1, -1)} for f in features]
    logits = torch.stack([model.itm_logits(one_image) for one_image in repeat])  # (n, n, 2)
    match, own = logits.argmax(dim=-1), torch.arange(len(features))
    rival = similarity.clone().fill_diagonal_(-2).argmax(dim=1)  # most similar wrong text
    words, blind = (words_right(model, pairs, f) for f in (features, features.roll(1, 0)))
    return similarity, {
        "R@1": r_at_1(similarity)["r_at_1"],
        "R@1 re-ranked": r_at_1(similarity, logits[..., 1] + similarity)["r_at_1"],
        "ITM right": (match[own, own].float().mean() + 1 - match[own, rival].float().mean()) / 2,
        "words right": words,
        "words from the image": words - blind,
    }
''')
code(r'''
first_with = {}
for i, scene in enumerate(unseen.scenes):
    first_with.setdefault(canonical_caption(scene), i)
captions, rows = list(first_with)[:64], list(first_with.values())[:64]
token_ids = tokenizer(captions).input_ids
held_out = {
    "image_features": unseen.features[rows],
    "input_ids": pad_rows(token_ids, tokenizer.pad_token_id),
    "attention_mask": pad_rows([[1] * len(line) for line in token_ids], 0),
}
print({name: tuple(tensor.shape) for name, tensor in held_out.items()})
_, untrained = measure(model, held_out)
for name in ("R@1", "R@1 re-ranked", "words right"):
    check(f"untrained, {name} at most 0.10", untrained[name] <= 0.10)
check("untrained, ITM is right about half of the time", abs(untrained["ITM right"] - 0.5) < 0.1)
''')
md(r"""
Now train. The numbers printed by the next cell differ a little from one processor to another, so nobody compares them; the
cell after it states what has to hold everywhere. The lines are batch losses: ITC is a choice among 64, so guessing costs
4.16; ITM of two classes, one right in three, costs 0.64 when only the ratio is known.
""")
code(r'''
def report(step, row):
    if step % max(STEPS // 6, 1) == 0:
        print(f"step {step:4}", *(f"  {name} {row[name]:.3f}" for name in ("itc", "itm", "itg")))


how = {"seed": SEED, "log_every": 10, "on_step": report, "progress": False}
log = train(model, stage, batches, accelerator=Accelerator(cpu=True), **how)
figure, axes = plt.subplots(1, 3, figsize=(8, 2.3), dpi=90)
for axis, name in zip(axes, ("itc", "itm", "itg"), strict=True):
    _ = axis.plot([line["step"] for line in log], [line[name] for line in log], color="#0072B2")
    axis.set(title=name.upper(), xlabel="step", ylim=(0, None))
figure.tight_layout()
plt.show()
similarity, trained = measure(model.eval(), held_out)
for name, value in trained.items():
    print(f"{name}: {untrained[name]:.2f} before, {value:.2f} after")
''', alt="Three falling curves of training loss against the step: ITC, ITM and ITG.", tags=["nbval-ignore-output"])
md(r"""
*The picture: three loss curves over the steps, one for each loss.* Read them against their prices. ITG falls first, since
grammar is cheap to learn. ITM has to chase ITC, because its wrong pairs get harder as ITC gets better.
""")
code(r'''
BANDS = {"R@1": 0.50, "R@1 re-ranked": 0.50, "ITM right": 0.75}
BANDS |= {"words right": 0.70, "words from the image": 0.15}

similarity, trained = measure(model.eval(), held_out)
check("frozen parts are bit-identical", frozen_fingerprint(model, stage) == frozen_before)
for name, least in BANDS.items():
    check(f"{name}, 64 held-out scenes, at least {least:.2f}", trained[name] >= least)
''')
# ------------------------------------------------------------------------------------------ look
md(r"""
## Look inside (03.7)

Where do the 16 queries look? We take the scene of the beginning and the cross-attention of the last layer, mean over its
heads. And since the scene knows where its things are, we need not judge by eye: for each thing we sum a query's weight
over the patches whose centre lies in its box, divided by what an even gaze would give. 1 means "no interest".
""")
code(r'''
def gaze(scene_row):
    """Returns (Q, 36) weights of the last layer over patches, each row of sum 1."""
    with torch.no_grad():
        looks = qformer_by_hand(model.qformer, unseen.features[scene_row : scene_row + 1])[1]
    looks = looks[0, -1].mean(dim=0)[:, 1:]  # last layer, mean of heads, without CLS
    return looks / looks.sum(dim=-1, keepdim=True)


def interest(scene_row):
    """Returns (Q, things): weight on each thing, relative to an even gaze."""
    centres, columns = 8 * torch.arange(6) + 4, []
    for thing in unseen.scenes[scene_row].things:
        left, top, width, height = thing.box
        across = (centres >= left) & (centres < left + width)
        down = (centres >= top) & (centres < top + height)
        columns.append((down[:, None] & across[None]).flatten().float())
    inside = torch.stack(columns, dim=1)  # (36, things)
    return gaze(scene_row) @ inside * 36 / inside.sum(dim=0)
''')
code(r'''
figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), dpi=90)
for q, axis in enumerate(axes.flat):
    axis.imshow(gaze(row)[q].view(6, 6), cmap="cividis", vmin=0)
    axis.set_title(f"query {q}", fontsize=8)
    axis.set(xticks=[], yticks=[])
plt.show()
''', alt="Sixteen maps of six by six patches, one for each query, light where the query looks in the held-out scene.")
code(r'''
BEST_QUERY = 1.5

figure, axis = plt.subplots(figsize=(8, 1.5), dpi=90)
axis.imshow(interest(row).T, cmap="cividis", aspect="auto", vmin=0)
names = [f"{thing.colour} {thing.kind}" for thing in unseen.scenes[row].things]
axis.set(xticks=range(16), xlabel="query", yticks=range(3), yticklabels=names)
for q, line in enumerate(interest(row)):
    for i, value in enumerate(line):
        paint = {"color": "black" if value > interest(row).max() / 2 else "white", "fontsize": 7}
        _ = axis.text(q, i, f"{value:.1f}", ha="center", va="center", **paint)
plt.show()
best = torch.cat([interest(scene_row).amax(dim=0) for scene_row in rows])  # one number a thing
check(f"the keenest query of a thing, mean interest {BEST_QUERY} or more", best.mean() > BEST_QUERY)
''', alt="A table of three rows, the things of the scene, and sixteen columns, the queries; each cell holds the interest of a query in a thing and is light where it is high.")
md(r"""
*The pictures: first sixteen maps of six by six patches, one for each query, light where it looks. Then the same as a
table, a row for each thing, a column for each query, light where the interest is high.* Search the table for a
query that serves one thing, one that serves several, and one that serves none. Two warnings: a weight says what
was read, not what it was used for; and the encoder has mixed its patches already, so a patch of empty ground may well
carry news of its neighbour. That is why the last line counts over all 64 held-out scenes.
""")
md(r"""
Which captions are found, and which are not? We sort the 64 scenes by margin, the cosine of the own caption minus that of
the best wrong one, and show the six worst. And because ITG has taught the Q-Former to write, we let it: one word at a
time, always the likeliest, behind the image's keys and values. No language model takes part.
""")
code(r'''
@torch.no_grad()
def write(features, longest=32):
    cache = model.qformer.encode_image(features)[1]
    ids = torch.full((len(features), 1), tokenizer.bos_token_id)
    for _ in range(longest):
        last = model.qformer.decode_text(ids, cache)[:, -1]
        ids = torch.cat([ids, model.lm_head(last).argmax(dim=-1, keepdim=True)], dim=1)
    return [tokenizer.decode(line[1:]).split("[SEP]")[0].strip() for line in ids]


wrong_best = similarity.clone().fill_diagonal_(-2).max(dim=1)
worst = (similarity.diagonal() - wrong_best.values).argsort()[:6].tolist()
texts = write(held_out["image_features"][worst])
figure, axes = plt.subplots(6, 1, figsize=(8.5, 7), dpi=90)
for axis, i, text in zip(axes, worst, texts, strict=True):
    _ = axis.imshow(unseen.images[rows[i]], extent=(0, 1, 0, 1))
    failed = wrong_best.values[i] >= similarity[i, i]
    lines = [f"true:    {captions[i]}", f"rival:   {captions[wrong_best.indices[i]]}"]
    lines += [f"written: {text}", "FOUND THE RIVAL" if failed else "found the true one, narrowly"]
    _ = axis.text(1.1, 0.5, "\n".join(lines), va="center", fontsize=7, family="monospace")
    axis.set(xlim=(0, 9), ylim=(0, 1), aspect="equal")
    axis.axis("off")
plt.show()
''', alt="Six held-out scenes, one below the other, each with its true caption, the most similar wrong caption, the caption that the Q-Former wrote, and whether retrieval failed.")
md(r"""
*The picture: six held-out scenes, one below the other, those with the smallest or most negative margin. Beside each stand its
true caption, the nearest wrong one, what the Q-Former wrote, and whether retrieval took the rival.* Compare
true and rival word by word, and note which attribute tells them apart. Digits are the hardest thing to see here:
scans of 8 × 8 pixels, drawn 16 or 22 pixels wide, each of them unseen in training.
""")
# ------------------------------------------------------------------------------------------ FAQ
md(r"""
## Questions people ask

Eight threads of the authors' repository ask about this stage. Short answers, with the place above where you can test them.

- **Why ITG in stage 1, when stage 2 generates text anyway?**
  ([#303](https://github.com/salesforce/LAVIS/issues/303)) An author's answer: ITG works with ITC and ITM to make queries
  extract what text speaks of; stage 2 adapts the Q-Former to a given language model. Table 6 of the paper measures it for
  retrieval only.
- **The paper says causal mask, the code looks bidirectional.**
  ([#342](https://github.com/salesforce/LAVIS/issues/342), [#402](https://github.com/salesforce/LAVIS/issues/402)) The
  triangle is there, inside `Qformer.py`, where a decoder's mask is made; the training code passes padding alone. Step 4
  proved that queries as a prefix with a triangle equal the joint mask.
- **Is ITG's attention mask longer than its input by mistake?** ([#436](https://github.com/salesforce/LAVIS/issues/436)) It is
  meant to be: the input is $T$ words, what they read is $Q + T$ positions, the first $Q$ being cached keys and values.
- **Is it three passes with three masks? No momentum model? Only the hardest negative?**
  ([#524](https://github.com/salesforce/LAVIS/issues/524)) Four passes: queries, text, text behind queries, and $3B$ pairs for
  ITM. No momentum model, as a frozen encoder leaves room for batches large enough. Negatives are drawn by
  similarity, so not always the hardest.
- **Where are the loss functions?** ([#653](https://github.com/salesforce/LAVIS/issues/653)) In the `forward` of
  `blip2_qformer.py` for ITC and ITM, in the language head of `Qformer.py` for ITG; all three are cross-entropies. Here:
  `course_lib/losses/`.
- **Is the "image captioning" loss in the code ITG, and could its captions help the language model?**
  ([#714](https://github.com/salesforce/LAVIS/issues/714)) It is ITG. The text half that writes is deleted before
  stage 2, so the language model never reads those captions.
- **Should the text mask of ITG not be causal?** ([#779](https://github.com/salesforce/LAVIS/issues/779)) That mask states which
  positions are padding; causality is added to it inside. The cell "another last word changes an earlier output" tests
  exactly this.
""")
md(r"""
## Summary

- A query is a learned vector that brings back a weighted mixture of patches; 16 of them make a picture of any
  size into 16 vectors.
- Queries and text share self-attention, only queries read the image, and each half has its own feed-forward network.
- Queries differ only because they start different.
- A mask decides what a loss can teach. ITC keeps the halves apart, ITG lets text read queries and the past, ITM
  lets all read all. All three are transitive, so depth does not break them; the image reaches text
  from the second layer on, and under ITC never.
- ITC chooses among a batch, ITM judges pairs that ITC finds hard, ITG predicts the next word.
- The encoder did not change by a bit.

**Next, notebook 04**: the text half is thrown away, a linear layer takes its place, and a frozen language model reads the 16
answers as if they were words.

## References

- J. Li, D. Li, S. Savarese, S. Hoi: *BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large
  Language Models*, 2023, arXiv 2301.12597. Sections 3.1, 3.2 and 4.4.
- The authors' code: `salesforce/LAVIS`, `lavis/models/blip2_models/blip2_qformer.py` and `Qformer.py`.
- J. Li and others: *Align before Fuse* (ALBEF), 2021, arXiv 2107.07651: where the hard negatives come from.
- A. Radford and others: *Learning Transferable Visual Models From Natural Language Supervision* (CLIP), 2021, arXiv
  2103.00020.
""")

steps, scenes = (sys.argv[2:4] + ["600", "8_000"][len(sys.argv[2:4]) :])[:2]
counts = {"code": 0, "markdown": 0}
for cell in CELLS:
    if "{STEPS}, 64, {SCENES}" in cell.source:
        cell.source = cell.source.replace("{STEPS}", steps).replace("{SCENES}", scenes)
    counts[cell.cell_type] += 1
    cell["id"] = f"{'c' if cell.cell_type == 'code' else 'm'}{counts[cell.cell_type]:02d}"
kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
notebook = new_notebook(cells=CELLS, metadata={"kernelspec": kernel})
notebook.nbformat_minor = 5
nbformat.validate(notebook)
OUT.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8")

sizes = sorted(len(cell.source.splitlines()) for cell in CELLS if cell.cell_type == "code")
text = "\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
print("whitespace words without code fences:", len(text.split()), "without math:", len(re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$", " ", text, flags=re.DOTALL).replace("|"," ").split()))
words = len(re.findall(r"[A-Za-z][\w'’-]*", re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)", " ", text, flags=re.DOTALL)))
print(f"{OUT.name}: {counts}, lines a code cell: median {sizes[len(sizes) // 2]}, max {sizes[-1]}; {words} words")
print(sizes)
