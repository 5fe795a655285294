"""Names: what they stand for, and groups that cannot be."""

import pytest

from livetag.errors import UsageError
from livetag.names import Names
from livetag.yamnet.labels import ClassMap

SPEECH, DOG, CAT, MUSIC = 0, 69, 76, 132
PETS = {"pets": ["Dog", "Cat"]}


def test_a_list_names_classes_by_name_mid_or_index_and_groups(labels: ClassMap) -> None:
    names = Names(labels, PETS)
    assert names.indices(["speech", "/m/04rlf", "pets", " pets "], "watch") == {
        SPEECH,
        MUSIC,
        DOG,
        CAT,
    }
    assert names.indices([], "watch") == frozenset()


def test_a_group_comes_before_a_class_of_its_name(labels: ClassMap) -> None:
    names = Names(labels, {"Music": ["Dog", "dog", "69"]})
    assert names.groups == {"Music": (DOG,)}
    assert names.target("Music", "alert") == "Music"
    assert names.target("Cat", "alert") == CAT
    assert names.indices(["Music"], "alert") == {DOG}


@pytest.mark.parametrize(
    ("groups", "named"),
    [
        ({"pets": []}, ["groups: 'pets'"]),
        ({" ": ["Dog"]}, ["groups: ' '"]),
        ({"pets": ["Dgo"]}, ["groups: 'pets'", "'Dgo'", "did you mean 'Dog'"]),
        ({"pets": ["Dog"], "animals": ["pets"]}, ["groups: 'animals'", "'pets'"]),
    ],
)
def test_a_group_that_cannot_be_is_named(
    groups: dict[str, list[str]], named: list[str], labels: ClassMap
) -> None:
    with pytest.raises(UsageError) as caught:
        Names(labels, groups)
    assert all(part in str(caught.value) for part in named), str(caught.value)
