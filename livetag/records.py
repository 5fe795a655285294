"""Records as other programs read them: ISO times, rounded numbers, JSON objects."""

import json
from datetime import datetime
from typing import Any

from livetag.events import EventAlert, EventEnd, EventStart, Explanation, Gap, Pace, Record
from livetag.pace import KEEPING_UP_SECONDS
from livetag.text import printable


def iso_time(unix_time: float) -> str:
    """ISO 8601 in the machine's time zone, with milliseconds and offset."""
    return datetime.fromtimestamp(unix_time).astimezone().isoformat(timespec="milliseconds")


def rounded(seconds: float) -> float:
    """Seconds to the millisecond, as records carry them."""
    return round(seconds, 3)


def score(value: float) -> float:
    """Scores to four places: the runtimes agree to more, readers need less."""
    return round(value, 4)


def level(dbfs: float) -> float | None:
    """A level to a tenth of a decibel; None for digital silence, which JSON has no number for."""
    return round(dbfs, 1) if dbfs > float("-inf") else None


def as_object(record: Record, source: str) -> dict[str, Any]:
    """A record as the JSON object that users' scripts read."""
    match record:
        case EventStart():
            return {"type": "event_start", **_start_fields(record, source)}
        case EventAlert():
            return {
                "type": "event_alert",
                **_start_fields(record.start, source),
                "alert": True,
                "alert_label": record.label.name,
                "alert_time": iso_time(record.time),
                "alert_s": rounded(record.start_s),
                "alert_score": score(record.score),
            }
        case EventEnd():
            return {
                "type": "event_end",
                **_start_fields(record.start, source),
                "alert": record.alert,
                "level_dbfs": level(record.level_dbfs),
                "end_time": iso_time(record.end_time),
                "end_s": rounded(record.end_s),
                "peak_score": score(record.peak_score),
                "mean_score": score(record.mean_score),
                "windows": record.windows,
            }
        case Gap():
            return {
                "type": "gap",
                "time": iso_time(record.time),
                "start_s": rounded(record.start_s),
                "lost_seconds": rounded(record.lost_seconds),
                "reason": record.reason,
                **({"ongoing": True} if record.ongoing else {}),
            }
        case Pace():
            return {
                "type": "pace",
                "time": iso_time(record.time),
                "start_s": rounded(record.start_s),
                "behind_s": rounded(record.behind_s),
                "hop_seconds": rounded(record.hop_seconds),
                "frame_factor": record.frame_factor,
                "degraded": record.degraded,
            }


def as_json(record: Record, source: str) -> str:
    """A record as one line of JSON, without the line's end."""
    return json.dumps(as_object(record, source), separators=(",", ":"))


def called(event: EventStart | Explanation) -> str:
    """An event's name for people: a group's event names its group, too. On one line."""
    name = f"{event.group}: {event.label.name}" if event.group else event.label.name
    return printable(name)


def said_of_pace(pace: Pace, usual_hop_seconds: float) -> str:
    """What to tell the user when the pace of the analysis changes."""
    if not pace.degraded:
        return f"analysis keeps up again: a window every {pace.hop_seconds:g} s, as set"
    differs = []
    if pace.hop_seconds > usual_hop_seconds:
        differs.append(f"a window every {pace.hop_seconds:g} s, not every {usual_hop_seconds:g} s")
    if pace.frame_factor > 1:
        differs.append(f"the dashboard is drawn {pace.frame_factor} times less often")
    behind = f"is {pace.behind_s:.1f} s behind"
    if pace.behind_s <= KEEPING_UP_SECONDS:
        behind = "keeps up better"
    return f"analysis {behind}: {'; '.join(differs)}"


def _start_fields(start: EventStart, source: str) -> dict[str, Any]:
    fields = {
        "time": iso_time(start.time),
        "start_s": rounded(start.start_s),
        "label": start.label.name,
        "index": start.label.index,
        "mid": start.label.mid,
        "score": score(start.score),
        "threshold": score(start.threshold),
        "alert": start.alert,
        "source": source,
        "level_dbfs": level(start.level_dbfs),
    }
    if start.group:
        fields["group"] = start.group
    if start.withheld:
        fields["withheld"] = start.withheld
    return fields
