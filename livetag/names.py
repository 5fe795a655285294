"""Names: what a configuration calls classes, and groups of them."""

from collections.abc import Iterable, Mapping

from livetag.errors import UsageError
from livetag.yamnet.labels import ClassMap


class Names:
    """What a configuration may call classes: their own names, and those of its groups."""

    def __init__(self, labels: ClassMap, groups: Mapping[str, Iterable[str]]) -> None:
        """Raises `UsageError` for a group without members, or with a member that is no class."""
        self.labels = labels
        self.groups: dict[str, tuple[int, ...]] = {}
        for name, members in groups.items():
            where = f"groups: {name!r}"
            indices = dict.fromkeys(self._class(member, where) for member in members)
            if not indices or not name.strip():
                raise UsageError(f"{where}: a group needs a name, and a label at least")
            self.groups[name.strip()] = tuple(indices)

    def indices(self, names: Iterable[str], where: str) -> frozenset[int]:
        """The classes that a list names; a group's name stands for its members."""
        found: set[int] = set()
        for name in names:
            found.update(self.groups.get(name.strip()) or (self._class(name, where),))
        return frozenset(found)

    def target(self, name: str, where: str) -> str | int:
        """The group of that name, or the class's index: a group comes first."""
        return name.strip() if name.strip() in self.groups else self._class(name, where)

    def _class(self, name: str, where: str) -> int:
        try:
            return self.labels.find(name).index
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
