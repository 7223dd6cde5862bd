"""A gated layer: what was read comes in through tanh gates, and nothing does while they are 0."""

from collections.abc import Callable
from typing import Any

import torch

from course_lib.teach.task import Case, Exercise, Mistake, call

Tensor = torch.Tensor


def gated_residual(
    states: torch.Tensor,
    look: Callable[[torch.Tensor], torch.Tensor],
    feed_forward: Callable[[torch.Tensor], torch.Tensor],
    alpha: torch.Tensor,
    beta: torch.Tensor,
) -> torch.Tensor:
    """Returns (T, D), the states behind a gated layer; `look`, `feed_forward`: (T, D) -> (T, D)."""
    states = states + alpha.tanh() * look(states)
    return states + beta.tanh() * feed_forward(states)


def reference(states: Tensor, look: Any, feed_forward: Any, alpha: Tensor, beta: Tensor) -> Tensor:
    """The same as a loop over both sublayers."""
    for part, gate in ((look, alpha), (feed_forward, beta)):
        made = part(states)
        states = torch.addcmul(states, gate.tanh().expand_as(made), made)
    return states


def _run(answer: Any, case: Case) -> Any:
    """Runs an answer, and asks whether both gates would move."""
    states, look, feed_forward, *gates = case.args
    alpha, beta = (gate.clone().requires_grad_() for gate in gates)
    made = call(answer, Case(case.says, (states, look, feed_forward, alpha, beta)))
    if made is ...:
        return made
    is_tensor = isinstance(made, Tensor)
    out: dict[str, Any] = {"states": made.detach() if is_tensor else made}
    if not any(map(bool, gates)):
        same = is_tensor and torch.equal(made, states)
        out["behind closed gates"] = "the same, bit by bit" if same else "changed"
    slopes = [None, None]
    if is_tensor and made.requires_grad:
        slopes = torch.autograd.grad((made**3).sum(), [alpha, beta], allow_unused=True)
    for name, slope in zip(("alpha", "beta"), slopes, strict=True):
        out[f"{name} learns"] = "no" if slope is None or not slope else "yes"
    return out


def _sigmoid(states, look, feed_forward, alpha, beta):
    states = states + alpha.sigmoid() * look(states)
    return states + beta.sigmoid() * feed_forward(states)


def _no_tanh(states, look, feed_forward, alpha, beta):
    states = states + alpha * look(states)
    return states + beta * feed_forward(states)


def _tanh_of_all(states, look, feed_forward, alpha, beta):
    states = states + (alpha * look(states)).tanh()
    return states + (beta * feed_forward(states)).tanh()


def _no_gates(states, look, feed_forward, alpha, beta):
    states = states + look(states)
    return states + feed_forward(states)


def _one_gate(states, look, feed_forward, alpha, beta):
    states = states + alpha.tanh() * look(states)
    return states + alpha.tanh() * feed_forward(states)


def _exchanged(states, look, feed_forward, alpha, beta):
    return reference(states, look, feed_forward, beta, alpha)


def _first_gate_alone(states, look, feed_forward, alpha, beta):
    states = states + alpha.tanh() * look(states)
    return states + feed_forward(states)


def _side_by_side(states, look, feed_forward, alpha, beta):
    return states + alpha.tanh() * look(states) + beta.tanh() * feed_forward(states)


def _words_ahead(states, look, feed_forward, alpha, beta):
    return reference(states, feed_forward, look, beta, alpha)


def _gates_all(states, look, feed_forward, alpha, beta):
    states = alpha.tanh() * (states + look(states))
    return beta.tanh() * (states + feed_forward(states))


def _mixes(states, look, feed_forward, alpha, beta):
    states = torch.lerp(states, look(states), alpha.tanh())
    return torch.lerp(states, feed_forward(states), beta.tanh())


def _leaves_early(states, look, feed_forward, alpha, beta):
    if alpha == 0 and beta == 0:
        return states
    return reference(states, look, feed_forward, alpha, beta)


def _plain_numbers(states, look, feed_forward, alpha, beta):
    return reference(states, look, feed_forward, alpha.detach(), beta.detach())


def _cases() -> list[Case]:
    chance = torch.Generator().manual_seed(0)

    def case(says: str, words: int, width: int, alpha: float, beta: float) -> Case:
        states = torch.randn(words, width, generator=chance)
        matrix, row = (torch.randn(size, generator=chance) for size in ((width, width), (width,)))
        jitter = 1 + 0.1 * torch.rand(2, generator=chance)
        gates = (torch.tensor(alpha) * jitter[0], torch.tensor(beta) * jitter[1])

        def look(x: Tensor) -> Tensor:
            return x @ matrix + row

        def feed_forward(x: Tensor) -> Tensor:
            return (x @ matrix.T).relu() + 1

        return Case(says, (states, look, feed_forward, *gates))

    return [
        case("2 words of 2 numbers, both gates at 0", 2, 2, 0.0, 0.0),
        case("3 words of 4 numbers, the first gate open", 3, 4, 0.7, 0.0),
        case("3 words of 4 numbers, both gates open", 3, 4, -0.4, 1.1),
    ]


EXERCISE = Exercise(
    objective="05.2",
    title="a layer behind two gates",
    difficulty=1,
    minutes=6,
    contract=(
        "`states` is (T, D), what the language model's block is about to read. `look` and "
        "`feed_forward` are functions from (T, D) to (T, D): what cross-attention reads from "
        "images, and a feed-forward. The norms are inside them. `alpha` and `beta` are one "
        "number each, parameters that start at 0.",
        "Gives (T, D): to the states what `look` makes of them is added, times the tanh of "
        "`alpha`; then, to these new states, what `feed_forward` makes of them, times the tanh of "
        "`beta`.",
        "With both gates at 0 the states come out as they went in, to the last bit, and both "
        "gates still get a gradient, or they would stay closed for ever.",
    ),
    hints=(
        "A frozen block was never trained on what the new layer says. Which value of a factor "
        "hides the layer from it at first, and which function of a parameter keeps the factor "
        "between -1 and 1?",
        "Two residual steps, one behind the other. In each the states go straight through, and "
        "what a sublayer makes of them is multiplied by its gate. The second reads what the "
        "first has left.",
        "`states + alpha.tanh() * look(states)` is the first step. No `if`: a factor of 0 gives "
        "the same states, and unlike an `if` it has a slope.",
    ),
    solution=gated_residual,
    reference=reference,
    cases=_cases,
    run=_run,
    mistakes=(
        Mistake(_sigmoid, "closed at 0", "a sigmoid is half open at 0, a tanh is closed"),
        Mistake(_no_tanh, "tanh of the gate", "the parameter itself is the factor, without bounds"),
        Mistake(
            _tanh_of_all,
            "tanh of the gate alone",
            "the tanh also went over what was read, and squeezes it",
        ),
        Mistake(_no_gates, "closed at 0", "the gates are not used"),
        Mistake(_one_gate, "two gates", "one gate serves both steps, the other never learns"),
        Mistake(_exchanged, "alpha is the gate of look", "the gates are exchanged"),
        Mistake(
            _first_gate_alone,
            "the feed-forward has a gate",
            "the feed-forward is added without its gate, and changes the states from the start",
        ),
        Mistake(
            _side_by_side,
            "one behind the other",
            "the feed-forward got the states that came in, and not what the first step made",
        ),
        Mistake(_words_ahead, "look comes first", "the feed-forward ran first, and then look"),
        Mistake(
            _gates_all,
            "the states go straight through",
            "the states were multiplied as well: closed gates leave nothing of the words",
        ),
        Mistake(
            _mixes,
            "the states go straight through",
            "as a gate opens, the states were faded out; they have to stay",
        ),
        Mistake(
            _leaves_early,
            "closed gates learn",
            "at 0 the states were returned before the gates were used: no gradient opens them",
        ),
        Mistake(
            _plain_numbers,
            "gates learn",
            "the gates were taken as plain numbers (detach, item, float): no gradient gets there",
        ),
    ),
)
