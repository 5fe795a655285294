"""What a key of the configuration may hold, in words for people: read from its JSON Schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from livetag.text import counted

Schema = Mapping[str, Any]
Step = str | int
ANY = "..."
"""The step to whichever entry of a table whose keys the user names."""
_STEP = re.compile(r"\[(\.\.\.|\d+)\]|([^.\[\]]+)")
_MOST_CHARACTERS = 60
_ITEMS = {"string": "texts", "integer": "whole numbers", "number": "numbers", "object": "tables"}


def steps(path: str) -> list[Step]:
    """The steps of a path such as `rule[0].confirm[1]`."""
    found = (match[1] or match[2] for match in _STEP.finditer(path))
    return [int(step) if step.isdecimal() else step for step in found]


def expected(schema: Schema, path: Sequence[Step]) -> str:
    """What may stand there: `a number from 0 to 86,400`, `true, false or 'listed'`; or nothing."""
    found = list(_alternatives(schema, schema))
    for step in path:
        found = [below for one in found for below in _below(schema, one, step)]
    words = list(dict.fromkeys(word for one in found for word in _words(schema, one)))
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def given(values: Any, path: Sequence[Step]) -> str:
    """What stands there, in short; or nothing, where the path does not say where."""
    for step in path:
        if step == ANY:
            return ""
        values = values[step]
    return _short(values)


def _short(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return f"a table of {counted(len(value), 'name')}"
        case str():
            cut = len(value) > _MOST_CHARACTERS
            return repr(f"{value[:_MOST_CHARACTERS]}..." if cut else value)
        case Sequence():
            return f"a list of {len(value):,}"
        case int() if abs(value) >= 10**_MOST_CHARACTERS:
            return "a number of very many digits"
    return str(value)[:_MOST_CHARACTERS]


def _alternatives(root: Schema, schema: Schema) -> Iterator[Schema]:
    """What a schema leads to, where it names others."""
    if "$ref" in schema:
        yield from _alternatives(root, root["$defs"][schema["$ref"].rpartition("/")[2]])
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _alternatives(root, one)
    else:
        yield schema


def _below(root: Schema, schema: Schema, step: Step) -> Iterator[Schema]:
    if isinstance(step, int):
        first = schema.get("prefixItems", [])
        below = first[step] if step < len(first) else schema.get("items")
    elif step == ANY:
        below = schema.get("additionalProperties")
    else:
        below = schema.get("properties", {}).get(step)
    if below:
        yield from _alternatives(root, below)


def _words(root: Schema, schema: Schema) -> list[str]:
    words: list[str] = [repr(value) for value in schema.get("enum", ())]
    match schema.get("type"):
        case "boolean":
            words = ["true", "false"]
        case "integer":
            words = [f"a whole number{_range(schema)}"]
        case "number":
            words = [f"a number{_range(schema)}"]
        case "string":
            words = [_text(schema)]
        case "array":
            words = [f"a list of {_items(root, schema)}"]
        case "object":
            most = schema.get("maxProperties")
            words = ["a table" if most is None else f"a table of at most {most:,} names"]
    return words


def _text(schema: Schema) -> str:
    least, most = schema.get("minLength"), schema["maxLength"]
    return f"a text of {f'{least} to' if least else 'at most'} {most:,} characters"


def _range(schema: Schema) -> str:
    if "exclusiveMinimum" in schema:
        least, most = schema["exclusiveMinimum"], schema["maximum"]
        return f" above {_number(least)} and at most {_number(most)}"
    if "minimum" in schema:
        return f" from {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    return ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _items(root: Schema, schema: Schema) -> str:
    (first, *_) = _alternatives(root, (schema.get("prefixItems") or [schema["items"]])[0])
    most, least = schema.get("maxItems"), schema.get("minItems")
    count = "" if most is None else f"{most} " if most == least else f"at most {most:,} "
    return f"{count}{_ITEMS[first['type']]}{_range(first)}"
