"""Addresses that people are sent to, as a link on a page or in a header."""

from __future__ import annotations


def is_link(address: str) -> bool:
    """Tell whether an address can be a link, and be written into a header and a page as it is."""
    if not address.startswith(("https://", "http://")) or not address.isascii():
        return False
    return address.isprintable() and not set(address) & set(' "<>\\')
