"""The command-line options of a paid endpoint, the same in every script that asks one."""

from __future__ import annotations

import argparse
import math
import os

from course_lib.instructions.budget import Budget, Prices
from course_lib.instructions.chat_endpoint import Patience

LIMIT_NAMES = ("max_tokens", "max_completion_tokens")


def add_endpoint_options(parser: argparse.ArgumentParser, temperature: float | None = None) -> None:
    """Adds the options to a command line.

    Args:
        parser: of the script.
        temperature: what the script asks for by itself; None leaves it to the endpoint.
    """
    usual = "the endpoint's own" if temperature is None else temperature
    add = parser.add_argument_group("endpoint").add_argument
    add("--model", help="name of the model at the endpoint")
    add("--base-url", help="of the endpoint; else OPENAI_BASE_URL")
    add("--key-from", default="OPENAI_API_KEY", help="environment variable that holds the key")
    add("--concurrency", type=int, default=4, help="answers under way at a time")
    add("--max-tokens", type=int, default=1024, help="of one answer")
    add("--temperature", type=float, default=temperature, help=f"of sampling; else {usual}")
    add("--limit-name", choices=LIMIT_NAMES, default=LIMIT_NAMES[0], help="of --max-tokens there")
    add("--timeout", type=float, default=120.0, help="seconds")
    add("--attempts", type=int, default=5, help="for one answer")
    add("--budget-tokens", type=float, default=math.inf, help="read and written, all runs together")
    add("--budget-money", type=float, default=math.inf, help="needs both prices")
    add("--price-read", type=float, default=0.0, help="of a million tokens")
    add("--price-written", type=float, default=0.0, help="of a million tokens")
    add("--ask-lost", action="store_true", help="ask again what a killed run had under way")


def endpoint_settings(args: argparse.Namespace) -> dict:
    """Returns the keyword arguments of a `ChatEndpoint` that the options name.

    Raises:
        ValueError: without a model, or for a budget that limits nothing.
    """
    if not args.model:
        raise ValueError("An endpoint needs --model NAME.")
    prices = Prices(args.price_read, args.price_written)
    return {
        "model": args.model,
        "budget": Budget(args.budget_tokens, args.budget_money, prices),
        "base_url": args.base_url,
        "api_key": os.environ.get(args.key_from),
        "concurrency": args.concurrency,
        "max_tokens": args.max_tokens,
        "temperature": args.temperature,
        "limit_name": args.limit_name,
        "patience": Patience(attempts=args.attempts, timeout=args.timeout),
    }
