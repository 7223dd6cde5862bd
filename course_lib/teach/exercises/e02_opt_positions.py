"""Which row of its position table each token of an OPT reads, padding or not."""

import torch
from transformers.models.opt.modeling_opt import OPTLearnedPositionalEmbedding

from course_lib.teach.task import Case, Exercise, Mistake


def opt_positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Returns (B, S): the row of the position table that each place reads."""
    count = attention_mask.cumsum(dim=1)  # real tokens so far, this one included
    return count * attention_mask - 1 + 2


def reference(attention_mask: torch.Tensor) -> torch.Tensor:
    """transformers' own table, filled so that row r holds the number r."""
    longest = attention_mask.shape[1]
    with torch.random.fork_rng(devices=[]):
        table = OPTLearnedPositionalEmbedding(longest, 1)
    table.weight.data = torch.arange(longest + 2.0)[:, None]
    return table(attention_mask)[..., 0].long()


def _no_offset(attention_mask):
    return opt_positions(attention_mask) - 2


def _one_too_far(attention_mask):
    return attention_mask.cumsum(dim=1) * attention_mask + 2


def _counts_padding(attention_mask):
    return torch.arange(attention_mask.shape[1]).expand_as(attention_mask) + 2


def _places_of_tokens(attention_mask):
    return _counts_padding(attention_mask).where(attention_mask == 1, torch.tensor(1))


def _down_the_batch(attention_mask):
    return attention_mask.cumsum(dim=0) * attention_mask - 1 + 2


def _padding_has_a_place(attention_mask):
    return attention_mask.cumsum(dim=1) - 1 + 2


def _padding_reads_row_0(attention_mask):
    return (attention_mask.cumsum(dim=1) - 1 + 2) * attention_mask


def _cases() -> list[Case]:
    return [
        Case("3 tokens", (torch.tensor([[1, 1, 1]]),)),
        Case("1 pad, then 2 tokens", (torch.tensor([[0, 1, 1]]),)),
        Case("2 tokens, then 1 pad", (torch.tensor([[1, 1, 0]]),)),
        Case("2 rows of 5 places", (torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]], dtype=int),)),
    ]


EXERCISE = Exercise(
    objective="02.1",
    title="the rows of OPT's position table",
    difficulty=1,
    minutes=6,
    contract=(
        "`attention_mask` is (B, S), an integer tensor: 1 for a token, 0 for padding, which may "
        "stand on either side.",
        "Gives (B, S), integers: the first token of a row reads row 2 of the table, the next one "
        "row 3, and so on.",
        "Padding takes no number: it reads row 1, wherever it stands.",
    ),
    hints=(
        "A token's number is how many tokens stand before it, and padding is no token. Counting "
        "the ones of the mask from the left does it.",
        "Count the ones up to and including each place. Set the count to 0 where there is padding. "
        "Then move everything so that the first token gets 2 and padding gets 1.",
        "`attention_mask.cumsum(dim=1)` counts along a row, and a product with the mask sets a "
        "count to 0. What has to be added to turn 0 into 1 and 1 into 2?",
    ),
    solution=opt_positions,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _no_offset,
            "the first token reads row 2",
            "the two rows that OPT skips were not skipped",
        ),
        Mistake(
            _one_too_far,
            "the first token reads row 2",
            "the count includes the token itself, so it starts at 1 and not at 0",
        ),
        Mistake(
            _counts_padding,
            "padding takes no number",
            "places were counted, not tokens: with padding in front the first token comes too late",
        ),
        Mistake(
            _places_of_tokens,
            "padding takes no number",
            "padding reads row 1, but the tokens after it were counted by place, not by token",
        ),
        Mistake(
            _down_the_batch,
            "each row counts for itself",
            "the count runs down the batch and not along the text",
        ),
        Mistake(
            _padding_has_a_place,
            "padding reads row 1",
            "behind the text the count stays where it is, so padding reads the last token's row",
        ),
        Mistake(
            _padding_reads_row_0,
            "padding reads row 1",
            "the mask was applied last, after the shift, and so it sets rows to 0",
        ),
    ),
)
