"""Each planted bug produces its symptom, as a number, and its repair removes it."""

import math

from course_lib.clinics import (
    blip2,
    bugs_blip2,
    bugs_flamingo,
    bugs_llava,
    bugs_minigpt4,
    bugs_mplug_owl,
    bugs_vpgtrans,
    flamingo,
    llava,
    minigpt4,
    mplug_owl,
    vpgtrans,
)
from course_lib.training.stages import hash_tensors


def pair(bugs, name, measure, *more):
    """Returns what a measure gives with the function as found, and with its repair."""
    return tuple(measure(getattr(bugs, f"{name}{end}"), *more) for end in ("_as_found", ""))


class TestBlip2:
    def test_queries(self):
        alone, whole = pair(bugs_blip2, "queries_for_batch", blip2.named_things, 1)
        assert alone == whole >= 0.8
        found, healed = pair(bugs_blip2, "queries_for_batch", blip2.named_things, 4)
        assert found < 0.5 and healed == whole

    def test_padding(self):
        alone = blip2.answers(bugs_blip2.pad_prompts, together=False)
        found, healed = pair(bugs_blip2, "pad_prompts", blip2.answers)
        assert healed == alone
        assert sum(a == b for a, b in zip(found, alone, strict=True)) <= 4

    def test_labels(self):
        found, healed = pair(bugs_blip2, "caption_labels", blip2.caption_loss)
        assert healed < 0.2 and found > 1.0
        rows = blip2.caption_rows()
        counts = [
            blip2.labelled_counts(getattr(bugs_blip2, n)(*rows))
            for n in ("caption_labels_as_found", "caption_labels")
        ]
        assert counts[0]["<pad>"] > 0 and counts[1]["<pad>"] == 0
        assert counts[0]["other words"] == counts[1]["other words"]

    def test_mask(self):
        assert pair(bugs_blip2, "additive_mask", blip2.moved_words) == ((4, 1), (0, 4))


class TestFlamingo:
    def test_who_reads(self):
        found, healed = pair(bugs_flamingo, "may_read", flamingo.moved_words)
        tags = flamingo.patient().tags
        start, second = tags.nonzero().flatten().tolist()
        rest = len(tags) - second
        assert healed["first image"] == "." * start + "x" * (second - start) + "." * rest
        assert healed["second image"] == "." * second + "x" * rest
        for image, right in healed.items():
            turned = right.translate({ord("x"): ".", ord("."): "x"})
            assert found[image] == turned

    def test_gate(self):
        (bare, first), healed = pair(bugs_flamingo, "gated", flamingo.losses_at_start)
        assert first > math.log(flamingo.patient().model.language.vocab_size) > bare
        assert healed == (bare, bare)

    def test_what_trains(self):
        found, healed = pair(bugs_flamingo, "trains", flamingo.moved_parts)
        assert found["vpg.head"].startswith("0 of") and healed["vpg.head"] == "25 of 25"
        assert all(
            moved[part].startswith("0 of")
            for moved in (found, healed)
            for part in ("vpg.encoder", "language")
        )
        one_step = flamingo.moved_parts(bugs_flamingo.trains, steps=1)
        assert one_step["vpg.head"] == "0 of 25"  # closed gates hand no gradient on

    def test_shift(self):
        (found, right), (healed, _) = pair(
            bugs_flamingo, "next_word_loss", flamingo.language_losses
        )
        assert found > math.log(flamingo.patient().model.language.vocab_size) > right
        assert abs(healed - right) < 1e-4


class TestLlava:
    def test_places(self):
        found, healed = pair(bugs_llava, "expand_image", llava.loss_expanded)
        assert healed < 0.01 and found > math.log(llava.patient().run.model.language.vocab_size)

    def test_rounds(self):
        found, healed = pair(bugs_llava, "label_rounds", llava.loss_of_rounds)
        assert healed < 0.01 and found > 0.1
        start = llava.patient().run.tokenizer.bos_token_id
        made = bugs_llava.label_rounds_as_found(llava.conversation(), start)
        assert "user" in llava.labelled_words(*made)

    def test_pixels(self):
        assert pair(bugs_llava, "normalise", llava.right_answers) == (0, 12)
        assert llava.blind_answers() <= 4

    def test_groups(self):
        found, healed = pair(bugs_llava, "projector_groups", llava.short_training)
        assert not found["projector moved"] and healed["projector moved"]
        assert all(run["last loss"] < run["first loss"] for run in (found, healed))


class TestMiniGPT4:
    def test_prompt(self):
        found, healed = pair(bugs_minigpt4, "wrap_prompt", minigpt4.logit_gap)
        assert found > 1.0 and healed == 0.0

    def test_modes(self):
        found, healed = pair(bugs_minigpt4, "set_modes", minigpt4.visual_gap)
        assert found > 0.1 and healed == 0.0

    def test_norm(self):
        (empty, tokens), healed = pair(bugs_minigpt4, "rms_norm", minigpt4.empty_rows)
        assert empty == tokens / 2 and healed == (0, tokens)

    def test_ends(self):
        assert pair(bugs_minigpt4, "end_labels", minigpt4.learned_ends) == ((0, 6), (6, 6))


class TestMplugOwl:
    def test_layer(self):
        found, healed = pair(bugs_mplug_owl, "tokens_read", mplug_owl.loss_reading)
        assert healed < 0.02 and found > 4 * healed

    def test_scale(self):
        found, healed = pair(bugs_mplug_owl, "lora_weight", mplug_owl.logit_gap)
        assert found > 1.0 and healed < 1e-3
        found, healed = pair(bugs_mplug_owl, "lora_weight", mplug_owl.largest_gap)
        assert found > 1.0 and healed < 1e-4

    def test_merged_again_and_again(self):
        once = pair(bugs_mplug_owl, "switch_mode", mplug_owl.right_after, 1)
        again = pair(bugs_mplug_owl, "switch_mode", mplug_owl.right_after, 3)
        assert once[0] == once[1] == again[1] >= 10 and again[0] < 10

    def test_pictures(self):
        found, healed = pair(bugs_mplug_owl, "picture_of_row", mplug_owl.right_in_mixed)
        assert found < 6 <= healed


class TestVPGTrans:
    def test_order(self):
        found, healed = pair(bugs_vpgtrans, "merge", vpgtrans.merge_gap)
        assert found > 0.5 and healed < 1e-5

    def test_inherited(self):
        assert pair(bugs_vpgtrans, "inherited", lambda f: vpgtrans.inherited_head(f)[1]) == (0, 109)
        found, healed = pair(bugs_vpgtrans, "inherited", vpgtrans.named_things)
        assert found < 0.3 and healed >= 0.8

    def test_direction(self):
        found, healed = pair(bugs_vpgtrans, "direction_loss", vpgtrans.trained_cosine)
        assert 1 - found[0] > found[1] + 0.05
        assert abs(1 - healed[0] - healed[1]) < 0.01 and healed[1] > found[1] + 0.02

    def test_rate(self):
        fast = pair(
            bugs_vpgtrans, "rate_of_micro_step", lambda f: vpgtrans.rates_of_updates(f).count(5e-3)
        )
        assert fast == (4, 24)
        found, healed = pair(bugs_vpgtrans, "rate_of_micro_step", vpgtrans.still_far)
        assert found > 0.4 and healed < 0.3


def test_no_bug_leaks_into_a_trained_run():
    """The patients are shared: whatever was measured on them, they are as they were opened."""
    for clinic in (llava, minigpt4, mplug_owl, vpgtrans, flamingo):
        ill = clinic.patient()
        model = ill.model if hasattr(ill, "model") else ill.run.model
        before = hash_tensors(sorted(model.state_dict().items()))
        modes = {name: module.training for name, module in model.named_modules()}
        if clinic is llava:
            llava.short_training(bugs_llava.projector_groups)
        if clinic is minigpt4:
            minigpt4.visual_gap(bugs_minigpt4.set_modes_as_found)
        if clinic is mplug_owl:
            mplug_owl.right_after(bugs_mplug_owl.switch_mode_as_found, 2)
        if clinic is vpgtrans:
            vpgtrans.inherited_head(bugs_vpgtrans.inherited)
        if clinic is flamingo:
            flamingo.moved_parts(bugs_flamingo.trains)
        assert hash_tensors(sorted(model.state_dict().items())) == before
        assert {name: module.training for name, module in model.named_modules()} == modes
        if clinic is not flamingo:
            assert not any(p.requires_grad for p in model.parameters())
