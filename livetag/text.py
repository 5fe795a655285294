"""Words for people: what several rooms print in the same way."""


def printable(text: str) -> str:
    """Text from outside on one line: a line feed or an escape code in it would break a screen."""
    return "".join(char if char.isprintable() else "?" for char in text)


def printable_lines(text: str) -> str:
    """As `printable`, of a message of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 window`, `2 windows`, `1,234 windows`; `plural` where it does not end with a mere s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
