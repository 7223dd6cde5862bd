"""The string that a chat of LLaVA v1 becomes: roles, separators, the image, and the open end."""

from dataclasses import replace

from course_lib.data.chat_templates import chat_pieces, chat_template, data_turn
from course_lib.teach.task import Case, Exercise, Mistake


def chat_string(system: str, turns: list[str]) -> str:
    """Returns vicuna_v1's string of turns that begin with the human's."""
    text = system + " "
    for number, words in enumerate(turns):
        if number % 2 == 0:
            if "<image>" in words:
                words = "<image>\n" + words.replace("<image>", "").strip()
            text += f"USER: {words} ASSISTANT:"
        else:
            text += f" {words}</s>"
    return text


def reference(system: str, turns: list[str]) -> str:
    """The library's pieces, joined; the start token is the tokenizer's to add."""
    template = replace(chat_template("vicuna_v1"), system=system)
    said = [data_turn(("human", "gpt")[i % 2], words) for i, words in enumerate(turns)]
    pieces = chat_pieces(template, said, answered=len(turns) % 2 == 0)
    return "".join(piece.text for piece in pieces if piece.special != "bos")


def _space_at_open_end(system, turns):
    text = chat_string(system, turns)
    return text + " " if text.endswith("ASSISTANT:") else text


def _no_open_end(system, turns):
    return chat_string(system, turns).removesuffix(" ASSISTANT:")


def _stop_at_open_end(system, turns):
    text = chat_string(system, turns)
    return text + "</s>" if text.endswith("ASSISTANT:") else text


def _no_stop(system, turns):
    return chat_string(system, turns).replace("</s>", "")


def _one_separator(system, turns):
    return chat_string(system, turns).replace("</s>", " ").rstrip()


def _space_behind_stop(system, turns):
    return chat_string(system, turns).replace("</s>USER", "</s> USER")


def _stop_behind_everyone(system, turns):
    return chat_string(system, turns).replace(" ASSISTANT:", "</s>ASSISTANT:")


def _version_0(system, turns):
    text = chat_string(system, turns).replace(" USER: ", "###Human: ", 1)
    text = text.replace("</s>USER: ", "###Human: ").replace(" ASSISTANT:", "###Assistant:")
    return text.replace("</s>", "###")


def _image_where_it_was(system, turns):
    plain = [words.replace("<image>", "<picture>") for words in turns]
    return chat_string(system, plain).replace("<picture>", "<image>")


def _image_last(system, turns):
    moved = [
        words.replace("<image>", "").strip() + "\n<image>" if "<image>" in words else words
        for words in turns
    ]
    return _image_where_it_was(system, moved)


def _image_at_the_end_alone(system, turns):
    plain = [
        words if words.endswith("<image>") else words.replace("<image>", "<picture>")
        for words in turns
    ]
    return chat_string(system, plain).replace("<picture>", "<image>")


def _blanks_stay(system, turns):
    plain = []
    for words in turns:
        rest = words.replace("<image>", "")
        plain.append(f"<picture>{rest}" if "<image>" in words else words)
    return chat_string(system, plain).replace("<picture>", "<image>\n")


def _image_without_line(system, turns):
    return chat_string(system, turns).replace("<image>\n", "<image>")


def _image_before_role(system, turns):
    return chat_string(system, turns).replace("USER: <image>\n", "<image>\nUSER: ")


def _system_each_round(system, turns):
    return chat_string(system, turns).replace("</s>USER", f"</s>{system} USER")


def _no_system(system, turns):
    return chat_string(system, turns).removeprefix(system + " ")


def _lines(system, turns):
    text = chat_string(system, turns).replace(" USER:", "\nUSER:")
    return text.replace(" ASSISTANT:", "\nASSISTANT:").replace("</s>USER", "</s>\nUSER")


def _cases() -> list[Case]:
    first, answer = "what is this?\n<image>", "a red circle."
    return [
        Case("1 question, no image", ("Be brief.", ["is seven odd?"])),
        Case("1 question, the image behind it", ("Be brief.", [first])),
        Case("1 question, the image inside", ("Be brief.", ["is this<image> red?"])),
        Case("a question and its answer", ("Be brief.", [first, answer])),
        Case("a second question", ("Answer.", ["<image>\nwhy?", "no reason.", "who are you?"])),
        Case("2 questions, 2 answers", ("Answer.", [first, answer, "why?", "it is round."])),
    ]


EXERCISE = Exercise(
    objective="07.3",
    title="the string of a chat",
    difficulty=2,
    minutes=10,
    contract=(
        "`turns` are the human's and the assistant's words in turn, the human's first. With the "
        "assistant's at the end it is a chat to learn from, with the human's a prompt to answer.",
        "Gives one string in the format `vicuna_v1`: the system sentence and one space, then turn "
        "after turn. A human's turn is `USER: what is this?` and one space, an answer is "
        "`ASSISTANT: a red circle.</s>`, and the next `USER:` follows at once.",
        "A prompt ends with an open `ASSISTANT:`, and nothing stands behind the colon.",
        "A question that holds `<image>`, anywhere, has it first: `<image>`, a line break, then "
        "the rest of the words without blank space around them.",
    ),
    hints=(
        "Write the four strings of a chat with two rounds by hand, one under the other. To which "
        "of them does the open `ASSISTANT:` belong: to the question that it follows or to the "
        "answer that may be missing?",
        "Begin with the system sentence and a space. For each question bring the image to the "
        "front, write `USER: `, the words, and ` ASSISTANT:`. For each answer write a space, the "
        "words, and `</s>`. A prompt then ends as it should without a rule of its own.",
        "`number % 2 == 0` is a question, with `for number, words in enumerate(turns)`. "
        "`words.replace('<image>', '').strip()` is what is left of its words, and `'<image>\\n'` "
        "goes in front of that.",
    ),
    solution=chat_string,
    reference=reference,
    cases=_cases,
    mistakes=(
        Mistake(
            _space_at_open_end,
            "nothing stands behind an open colon",
            "the prompt ends with a space: in training that space was a part of the first word of "
            "the answer, and the model now has to begin with a word that has none",
        ),
        Mistake(
            _no_open_end,
            "a prompt opens the answer",
            "the prompt ends with the question, so the model may go on asking",
        ),
        Mistake(
            _stop_at_open_end,
            "a prompt opens the answer",
            "the end token stands where the answer should begin",
        ),
        Mistake(
            _no_stop,
            "an answer ends with its stop",
            "there is no end token, so nothing teaches the model when to stop",
        ),
        Mistake(
            _one_separator,
            "there are two separators",
            "both separators are spaces, but only the human's turn ends with one",
        ),
        Mistake(
            _space_behind_stop,
            "the next question follows at once",
            "a space stands between the end token and the next question",
        ),
        Mistake(
            _stop_behind_everyone,
            "there are two separators",
            "the human's words end with the end token too, so the model learns that a question is "
            "the end",
        ),
        Mistake(
            _version_0,
            "the format is vicuna_v1",
            "this is the format of the first LLaVA, which other checkpoints were trained with",
        ),
        Mistake(
            _image_where_it_was,
            "the image comes first",
            "the image stays where the file has it",
        ),
        Mistake(
            _image_at_the_end_alone,
            "the image comes first",
            "the image moves to the front only where it ends the words; it may stand anywhere",
        ),
        Mistake(
            _blanks_stay,
            "no blank space around the words",
            "the blank space beside the image stayed with the words",
        ),
        Mistake(
            _image_last,
            "the image comes first",
            "the image stands behind the question, as in the first LLaVA",
        ),
        Mistake(
            _image_without_line,
            "a line break stands behind the image",
            "the words follow the image without a line break",
        ),
        Mistake(
            _image_before_role,
            "the image belongs to the human's words",
            "the image stands before the role's name",
        ),
        Mistake(
            _system_each_round,
            "the system sentence stands once",
            "the system sentence was repeated before every question",
        ),
        Mistake(
            _no_system,
            "the system sentence opens the chat",
            "the system sentence is missing",
        ),
        Mistake(
            _lines,
            "the separators are spaces",
            "turns were put on lines of their own, which looks tidy and is another format",
        ),
    ),
)
