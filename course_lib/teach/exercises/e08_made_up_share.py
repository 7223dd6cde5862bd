"""How much descriptions make up: mentions of what is not there, over all mentions."""

from course_lib.evaluation.made_up import hallucination
from course_lib.teach.task import Case, Exercise, Mistake
from course_lib.world.scene import Scene, Thing

Things = list[list[dict[str, str]]]


def made_up_share(
    named: list[list[dict[str, str]]], scenes: list[list[dict[str, str]]]
) -> tuple[float, float]:
    """Returns made-up mentions ÷ mentions, and the share of texts that make something up."""
    mentions = made_up = texts = 0
    for things, scene in zip(named, scenes, strict=True):
        kinds = {real["kind"] for real in scene}
        false = 0
        for thing in things:
            if "kind" in thing:
                false += thing["kind"] not in kinds
            else:
                false += not any(thing.items() <= real.items() for real in scene)
        mentions, made_up, texts = mentions + len(things), made_up + false, texts + (false > 0)
    return made_up / max(mentions, 1), texts / len(named)


def reference(named: Things, scenes: Things) -> tuple[float, float]:
    """Writes the mentions as sentences, and lets the library read them."""
    texts, truths = [], []
    for things, scene in zip(named, scenes, strict=True):
        told = (
            " ".join([*(v for k, v in t.items() if k != "kind"), t.get("kind", "thing")])
            for t in things
        )
        texts.append(". ".join(told))
        real = tuple(Thing(**one, box=(0, 0, 16, 16)) for one in scene)
        truths.append(Scene(real))
    found = hallucination(texts, truths)
    return found["chair_i"], found["chair_s"]


def _is_there(thing, scene):
    if "kind" in thing:
        return any(thing["kind"] == real["kind"] for real in scene)
    return any(thing.items() <= real.items() for real in scene)


def _false(named, scenes, is_there=_is_there):
    pairs = zip(named, scenes, strict=True)
    return [[not is_there(thing, scene) for thing in things] for things, scene in pairs]


def _shares(false):
    flat = [one for row in false for one in row]
    return sum(flat) / max(len(flat), 1), sum(map(any, false)) / len(false)


def _wrong_is_made_up(named, scenes):
    def fits(thing, scene):
        return any(thing.items() <= real.items() for real in scene)

    return _shares(_false(named, scenes, fits))


def _without_kind_is_there(named, scenes):
    def kind(thing, scene):
        return "kind" not in thing or _is_there(thing, scene)

    return _shares(_false(named, scenes, kind))


def _without_kind_is_made_up(named, scenes):
    def kind(thing, scene):
        return any(thing.get("kind") == real["kind"] for real in scene)

    return _shares(_false(named, scenes, kind))


def _one_attribute_is_enough(named, scenes):
    def some(thing, scene):
        if "kind" in thing:
            return _is_there(thing, scene)
        return any(set(thing.items()) & set(real.items()) for real in scene)

    return _shares(_false(named, scenes, some))


def _mean_of_texts(named, scenes):
    false = _false(named, scenes)
    shares = [sum(row) / max(len(row), 1) for row in false]
    return sum(shares) / len(shares), _shares(false)[1]


def _of_what_is_there(named, scenes):
    false = _false(named, scenes)
    return sum(map(sum, false)) / sum(map(len, scenes)), _shares(false)[1]


def _what_is_missing(named, scenes):
    missing = [
        [all(t.get("kind") != real["kind"] for t in things) for real in scene]
        for things, scene in zip(named, scenes, strict=True)
    ]
    return _shares(missing)


def _once_each(named, scenes):
    different = [[dict(x) for x in {tuple(t.items()) for t in things}] for things in named]
    return _shares(_false(different, scenes))


def _any_scene(named, scenes):
    everything = [real for scene in scenes for real in scene]
    return _shares([[not _is_there(t, everything) for t in things] for things in named])


def _a_text_a_mention(named, scenes):
    share, _ = made_up_share(named, scenes)
    return share, sum(map(sum, _false(named, scenes))) / len(named)


def _of_texts_that_name(named, scenes):
    share, _ = made_up_share(named, scenes)
    speaking = sum(bool(things) for things in named)
    return share, sum(map(any, _false(named, scenes))) / max(speaking, 1)


def _cases() -> list[Case]:
    def thing(line: str) -> dict[str, str]:
        return dict(zip(("size", "colour", "kind", "place"), line.split(), strict=True))

    star, seven = thing("small red star top-left"), thing("large blue 7 top-right")
    square = thing("small green square bottom-left")
    blue_star = star | {"colour": "blue"}
    place = {"colour": "red", "place": "top-left"}
    nowhere, else_ = place | {"place": "top-right"}, {"colour": "green", "place": "bottom-left"}
    return [
        Case("a thing that is there, one that is not", ([[star, square]], [[star, seven]])),
        Case("a star in another colour", ([[blue_star]], [[star]])),
        Case("things without a kind", ([[place, nowhere, else_]], [[star, seven]])),
        Case("one made-up thing, named twice", ([[star, square, square]], [[star]])),
        Case("2 texts, 1 and 3 mentions", ([[square], [star, seven, seven]], [[star], [star]])),
        Case("3 texts, one names nothing", ([[], [square], [star]], [[star], [seven], [star]])),
        Case("there, but in the other scene", ([[seven], [star]], [[star], [seven]])),
        Case("nothing is named", ([[]], [[star]])),
    ]


EXERCISE = Exercise(
    objective="08.7",
    title="what is made up",
    difficulty=2,
    minutes=10,
    contract=(
        "`named` holds for each text the things that it names, `scenes` for each text what is "
        "really there. A real thing has `size`, `colour`, `kind` and `place`; a named one has some "
        "of them.",
        "A mention is made up if no thing of its own scene has its kind. If it names no kind, it "
        "is made up if no thing of the scene has all that is said of it. (A star in a wrong colour "
        "is a mistake of another sort: a star is there.)",
        "Gives two shares: made-up mentions of all mentions, over all texts together, and texts "
        "that make up something, of all texts.",
        "What is named twice counts twice. Where nothing is named at all, the first share is 0.",
    ),
    hints=(
        "Do it once by hand: one text names a star and a square, the scene holds a red star and "
        "a 7. How many mentions, how many of them made up? Then a second text, and decide what is "
        "added to what.",
        "Keep three sums: mentions, made-up ones, texts with at least one. For each text and each "
        "mention: with a kind, look for the kind among the scene's; without one, look for a real "
        "thing that agrees in everything that is said. Divide last.",
        "`kinds = {real['kind'] for real in scene}`. Two dictionaries compare by "
        "`thing.items() <= real.items()`: all of the first is in the second. `not any(…)` counts "
        "as 1 in a sum, and `max(mentions, 1)` keeps from dividing by 0.",
    ),
    solution=made_up_share,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _wrong_is_made_up,
            "a wrong colour is not made up",
            "a thing that is there was counted because some other word about it is wrong",
        ),
        Mistake(
            _without_kind_is_there,
            "what has no kind is looked up, too",
            "mentions without a kind were all taken to be there",
        ),
        Mistake(
            _without_kind_is_made_up,
            "what has no kind is looked up, too",
            "mentions without a kind were all taken to be made up",
        ),
        Mistake(
            _one_attribute_is_enough,
            "all that is said has to agree",
            "a mention without a kind was taken to be there if one word about it agrees with "
            "something",
        ),
        Mistake(
            _mean_of_texts,
            "over all mentions together",
            "a share was taken for each text and then the mean, so a text with one mention counts "
            "as much as one with ten",
        ),
        Mistake(
            _of_what_is_there,
            "of all mentions",
            "it was divided by the things that are there, so who says more seems worse",
        ),
        Mistake(
            _what_is_missing,
            "said and not there",
            "it was counted what is there and was not said; leaving out is not making up",
        ),
        Mistake(
            _once_each,
            "what is named twice counts twice",
            "a thing that a text names twice was counted once",
        ),
        Mistake(
            _any_scene,
            "its own scene counts",
            "a mention was looked for in all scenes",
        ),
        Mistake(
            _a_text_a_mention,
            "a text counts once",
            "the second number counts mentions and not texts, so it can pass 1",
        ),
        Mistake(
            _of_texts_that_name,
            "of all texts",
            "texts that name nothing were left out of the second share",
        ),
    ),
)
