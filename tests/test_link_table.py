"""A page's links as a table: the same links come out, whatever they hold."""

from hypothesis import given
from hypothesis import strategies as st

from fetcher.facts import ahead, extract, joined_fragments, link_table
from fetcher.link_table import LinkTable, joined, numbers, packed, split
from fetcher.models import Link

TEXT = st.text(st.characters(exclude_characters="\0"), max_size=20)
LINKS = st.lists(
    st.builds(
        Link,
        url=TEXT,
        text=TEXT,
        rel=st.lists(TEXT, max_size=2).map(tuple),
        tag=st.sampled_from(["a", "img", "style"]),
        attribute=st.sampled_from(["href", "src", None]),
        line=st.integers(0, 2**32 - 1),
        column=st.integers(0, 2**32 - 1),
    )
)
PAGE = (
    b"<base href=/d/><a href='x#y' rel='next'>t</a><a href='#'>u</a><img src=i alt=z>"
)


@given(LINKS)
def test_the_links_that_went_in_come_out(links):
    table = LinkTable.of(links)
    assert table.links() == tuple(links)
    assert table.link_count == len(links)
    assert len(table.sorts) == len(
        {(one[0].partition("#")[0], *one[2:5]) for one in links}
    )


@given(st.lists(TEXT))
def test_texts_are_joined_and_split(texts):
    assert split(joined(texts), len(texts)) == texts


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_numbers_are_packed_and_read(values):
    assert list(numbers(packed(values))) == values


def test_a_separator_inside_a_text_does_not_shift_the_others():
    assert split(joined(["a\0b", "c"]), 2) == ["a\ufffdb", "c"]


def test_a_page_gives_the_same_table_wherever_it_was_read():
    """Facts read ahead, read here, and named one by one have the same links."""
    here = extract(PAGE, "http://h/")
    plain = ahead(here, ("links", "fragments"))
    travelled = extract(b"", "http://h/", known=plain)
    assert link_table(travelled) == link_table(here) == LinkTable.of(here.links)
    assert travelled.links == here.links
    assert travelled.link_count == here.link_count == 3
    assert joined_fragments(travelled) == joined_fragments(here)
