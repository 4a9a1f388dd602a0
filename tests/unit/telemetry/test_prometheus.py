"""The text format is read fast, bounded, and without ever raising."""

from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry.prometheus import MAX_LABELS, MAX_LINE_BYTES, MAX_PAGE_BYTES, TextReader

WANTED = frozenset({"a_total", "b_bucket"})


def rows(page: bytes) -> list[tuple[str, dict[str, str], float]]:
    return [(row.name, row.labels, row.value) for row in TextReader(WANTED).read(page).rows]


def test_reads_names_labels_values_and_ignores_time_stamps() -> None:
    page = b"""# HELP a_total Things.
# TYPE a_total counter
a_total 3
a_total{x="1",y="two, three"} 4.5 1395066363000
b_bucket{le="+Inf"} 1e+06
other{x="1"} 9
"""

    assert rows(page) == [
        ("a_total", {}, 3.0),
        ("a_total", {"x": "1", "y": "two, three"}, 4.5),
        ("b_bucket", {"le": "+Inf"}, 1e6),
    ]


def test_undoes_escapes_and_keeps_braces_inside_values() -> None:
    assert rows(rb'a_total{x="a\"b\\c\nd}{"} 1') == [("a_total", {"x": 'a"b\\c\nd}{'}, 1.0)]


def test_counts_what_it_cannot_read_and_reads_the_rest() -> None:
    reader = TextReader(WANTED)

    page = reader.read(b'a_total{x="1} 1\na_total NaN\na_total\na_total{x=1} 2\na_total 7\n')

    assert [row.value for row in page.rows] == [7.0]
    assert page.dropped == 4


def test_refuses_long_lines_many_labels_and_repeated_ones() -> None:
    labels = ",".join(f'l{n}="1"' for n in range(MAX_LABELS + 1)).encode()
    page = b"a_total{%b} 1\na_total{x=%b} 1\n" % (labels, b'"' + b"y" * MAX_LINE_BYTES + b'"')
    page += b'a_total{x="1",x="2"} 1\n'

    read = TextReader(WANTED).read(page)

    assert read.rows == ()
    assert read.dropped == 3


def test_says_when_a_page_was_cut() -> None:
    page = b"a_total 1\n" + b"# " + b"x" * 1000 + b"\n"
    read = TextReader(WANTED).read(page * (MAX_PAGE_BYTES // len(page) + 2))

    assert read.dropped == 1
    assert read.rows


def test_reads_a_page_the_second_time_as_the_first() -> None:
    reader = TextReader(WANTED)
    page = b'a_total{x="1"} 1\nother 2\na_total{broken 3\n'

    assert reader.read(page) == reader.read(page)


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_never_raises(page: bytes) -> None:
    read = TextReader(WANTED).read(page)

    assert all(row.name in WANTED for row in read.rows)


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=20), max_size=5),
    st.integers(0, 1 << 50),
)
def test_reads_back_what_was_written(labels: dict[str, str], value: int) -> None:
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    inside = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())

    assert rows(f"a_total{{{inside}}} {value}".encode()) == [("a_total", labels, float(value))]
