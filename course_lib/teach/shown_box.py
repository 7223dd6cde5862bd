"""What all widgets of the course share: how a cell shows them, what a notebook stores of them."""

from __future__ import annotations

import html

import ipywidgets as widgets


class ShownBox:
    """Shows `box` where a cell ends with it; a notebook stores `stored`, one line.

    That line is the same on every machine: it holds no bytes of a picture and no address.
    """

    stored = ""
    box: widgets.Box

    def __repr__(self) -> str:
        return self.stored

    def _repr_mimebundle_(self, **kwargs: object) -> dict:
        """Shows the widget, with its text beside it for paper."""
        return {**(self.box._repr_mimebundle_(**kwargs) or {}), "text/plain": repr(self)}


def alert(text: str) -> str:
    """Returns the HTML of a message; "" for none. A screen reader says it without being asked."""
    return f'<p role="alert">{html.escape(text)}</p>' if text else ""
