import os

from linecore.text import natural, printable


def test_a_name_is_one_line_whatever_it_holds() -> None:
    assert printable("a b.jpg") == "a b.jpg"
    assert printable("a\nb\x1b[2J") == "a\\nb\\x1b[2J"
    assert printable(os.fsdecode(b"a\xff.jpg")) == "a\\xff.jpg"


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["s_10", "s_9", "r_1"], key=natural) == ["r_1", "s_9", "s_10"]
    assert natural("9a") < natural("10a") < natural("a")
