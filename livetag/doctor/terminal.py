"""Whether there is a terminal for the dashboard, and what it can show."""

from rich.console import Console

from livetag.doctor.check import Check, judged

_NARROW = 60
_LOW = 12


def check_terminal(dashboard: bool | None) -> Check:
    """Look at where the dashboard goes. `dashboard`: as configured; None: where it can be."""
    console = Console(stderr=True)
    size = console.size
    drawable = console.is_terminal and not console.is_dumb_terminal
    details = {
        "terminal": console.is_terminal,
        "dumb": console.is_dumb_terminal,
        "width": size.width,
        "height": size.height,
        "colors": console.color_system,
        "encoding": console.encoding,
    }
    if not drawable:
        what = "is dumb" if console.is_terminal else "is no terminal"
        found = f"standard error {what}: there is no dashboard"
        asked = ["leave --dashboard out, or let standard error be a terminal"] if dashboard else []
        return judged("terminal", found, details, asked)
    shown = "dashboard" if dashboard is not False else "no dashboard, as configured"
    colors = {None: "no colours", "standard": "16 colours", "256": "256 colours"}
    found = (
        f"{size.width} by {size.height}, {colors.get(console.color_system, 'true colour')}, "
        f"{console.encoding}: {shown}"
    )
    warnings = []
    if dashboard is not False and (size.width < _NARROW or size.height < _LOW):
        warnings.append(f"the dashboard is cut below {_NARROW} by {_LOW}: make the window larger")
    if dashboard is not False and not console.encoding.startswith("utf"):
        warnings.append("bars are drawn in ASCII: a UTF-8 locale shows finer ones (LANG=C.UTF-8)")
    return judged("terminal", found, details, warnings)
