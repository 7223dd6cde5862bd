"""BLIP-2's clinic: four functions as they were found, repaired, and repaired wrongly."""

import torch

from course_lib.teach.task import Case

FAR = -10000.0


def queries_for_batch_as_found(query_tokens: torch.Tensor, images: int) -> torch.Tensor:
    """Gives each image of a batch its queries, (images, Q, H)."""
    _, count, width = query_tokens.shape
    return query_tokens.repeat_interleave(images, dim=1).view(images, count, width)


def queries_for_batch(query_tokens: torch.Tensor, images: int) -> torch.Tensor:
    """Gives each image all queries in their order: (1, Q, H) -> (images, Q, H)."""
    return query_tokens.expand(images, -1, -1)


def stacked(query_tokens, images):
    return torch.cat([query_tokens] * images, dim=0)


def one_row(query_tokens, images):
    return query_tokens.clone()


def axes_turned(query_tokens, images):
    return query_tokens.expand(images, -1, -1).transpose(0, 1)


def one_query(query_tokens, images):
    return query_tokens[:, :1].expand(images, query_tokens.shape[1], -1)


def pad_prompts_as_found(rows: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pads prompts to one length and tells words (1) from padding (0)."""
    longest = max(len(row) for row in rows)
    ids = [row + [pad_id] * (longest - len(row)) for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def pad_prompts(rows: list[list[int]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pads prompts in front, so that each row ends with its last word."""
    longest = max(len(row) for row in rows)
    ids = [[pad_id] * (longest - len(row)) + row for row in rows]
    mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def padded(rows, pad_id):
    longest = max(map(len, rows))
    ids, mask = torch.full((len(rows), longest), pad_id), torch.zeros(len(rows), longest).long()
    for number, row in enumerate(rows):
        ids[number, longest - len(row) :] = torch.tensor(row)
        mask[number, longest - len(row) :] = 1
    return ids, mask


def mask_stays_right(rows, pad_id):
    return padded(rows, pad_id)[0], pad_prompts_as_found(rows, pad_id)[1]


def mask_by_the_id(rows, pad_id):
    ids = padded(rows, pad_id)[0]
    return ids, (ids != pad_id).long()


def mask_inverted(rows, pad_id):
    ids, mask = padded(rows, pad_id)
    return ids, 1 - mask


def caption_labels_as_found(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, prompt_length: int
) -> torch.Tensor:
    """Returns the labels of captions, -100 where there is no loss."""
    labels = input_ids.clone()
    labels[:, :prompt_length] = -100
    return labels


def caption_labels(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, prompt_length: int
) -> torch.Tensor:
    """Labels the caption and its end; neither the prompt nor padding is learned."""
    labels = input_ids.masked_fill(attention_mask == 0, -100)
    labels[:, :prompt_length] = -100
    return labels


def labelled(input_ids, attention_mask, prompt_length):
    places = torch.arange(input_ids.shape[1]) >= prompt_length
    return torch.where(places & attention_mask.bool(), input_ids, -100)


def prompt_learned(input_ids, attention_mask, prompt_length):
    return input_ids.masked_fill(attention_mask == 0, -100)


def moved_by_one(input_ids, attention_mask, prompt_length):
    labels = labelled(input_ids, attention_mask, prompt_length)
    return torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], dim=1)


def one_word_lost(input_ids, attention_mask, prompt_length):
    return labelled(input_ids, attention_mask, prompt_length + 1)


def additive_mask_as_found(attention_mask: torch.Tensor) -> torch.Tensor:
    """Turns a mask (B, T) into what is added to attention scores, (B, 1, 1, T)."""
    return attention_mask[:, None, None, :].float() * -10000.0


def additive_mask(attention_mask: torch.Tensor) -> torch.Tensor:
    """Gives 0 where there is a word and -10000 where there is padding, (B, 1, 1, T)."""
    return (1.0 - attention_mask[:, None, None, :].float()) * -10000.0


def added(attention_mask):
    far = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, FAR)
    return far[:, None, None, :]


def ones_and_zeros(attention_mask):
    return attention_mask[:, None, None, :].float()


def too_near(attention_mask):
    return added(attention_mask) / -FAR


def rows_masked(attention_mask):
    return added(attention_mask).transpose(2, 3)


def query_cases() -> list[Case]:
    queries = torch.arange(6.0).view(1, 3, 2)
    return [Case(f"3 queries, {n} images", (queries.clone(), n)) for n in (2, 3, 4)]


def prompt_cases() -> list[Case]:
    return [
        Case("a prompt of 3 words and one of 1", ([[4, 5, 6], [7]], 1)),
        Case("a word that has the padding's id", ([[2, 4, 2], [2, 7]], 2)),
    ]


def caption_cases() -> list[Case]:
    ids = torch.tensor([[9, 9, 2, 5, 6, 2], [9, 9, 2, 7, 2, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    return [Case("two captions", (ids, mask, 3)), Case("no padding", (ids[:1], mask[:1], 3))]


def mask_cases() -> list[Case]:
    return [Case("two texts", (torch.tensor([[1, 1, 0], [1, 0, 0]]),))]
