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


def duration(seconds: float) -> str:
    """A duration for people: 7 s, 3:07, 2:03:07, 4 d 02:03."""
    whole = int(seconds)
    minutes, secs = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02}:{minutes:02}"
    if hours:
        return f"{hours}:{minutes:02}:{secs:02}"
    return f"{minutes}:{secs:02}" if minutes else f"{secs} s"


def milliseconds(seconds: float | None, places: int = 0) -> str:
    """A short time with so many decimals; `- ms` while it is not known."""
    return "- ms" if seconds is None else f"{seconds * 1e3:.{places}f} ms"


def decibels(dbfs: float) -> str:
    """A level in six columns, as far down as 24 bits go."""
    return "  -inf" if dbfs < -144.0 else f"{dbfs:6.1f}"
