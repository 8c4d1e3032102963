"""Words of tools: endings, verbs, and which tool could do anything."""

from __future__ import annotations

import pytest

from rlvr.negatives.words import (
    action_of,
    cannot_do,
    is_universal,
    load_verbs,
    plain_name,
    said_as,
    same_deed,
    stem,
    terms,
)
from rlvr.types import Tool


def make(name: str, description: str = "", **parameters: str) -> Tool:
    return Tool(name, description, {"type": "object", "properties": {p: {"type": t} for p, t in parameters.items()}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("city", "cities"), ("search", "searches"), ("book", "booking"),
        ("compute", "computing"), ("run", "running"), ("song", "songs"),
    ],
)  # fmt: skip
def test_endings_are_dropped(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("bus", "busy"), ("class", "clas"), ("new", "newer"), ("price", "prize")])
def test_other_words_stay_apart(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_terms_of_three_languages() -> None:
    assert list(terms("Thời tiết ở Hà Nội")) == ["thời", "tiết", "hà", "nội"]
    assert list(terms("幫我查")) == ["幫我", "我查"]
    assert list(terms("HTTPServer of the listItems")) == ["http", "server", "item"]
    assert list(terms("")) == []
    assert len(list(terms("word " * 100_000))) == 400  # 2,000 characters are read


@pytest.mark.parametrize(
    ("name", "description", "kind"),
    [
        ("get_weather", "Gets the weather of a city.", "read"),
        ("weather", "Get the weather of a city.", "read"),
        ("cancelOrder", "Cancel an order.", "delete"),
        ("deleteUser", "", "delete"),
        ("book_details", "", None),  # a noun as often as a verb
        ("book_flight", "Book a flight.", "create"),
        ("list_add", "Remove an entry.", None),  # name and description disagree
        ("generate_report", "Generates a report.", None),  # a verb of no class
        ("go", "", None),
    ],
)
def test_what_a_tool_does(name: str, description: str, kind: str | None) -> None:
    assert action_of(make(name, description)).kind == kind


@pytest.mark.parametrize(
    ("twin", "wanted", "excluded"),
    [
        (make("delete_event", "Delete an event."), make("create_event", "Create an event."), True),
        (make("get_event", "Show an event."), make("create_event", "Create an event."), True),
        (make("stop_timer", "Stop a timer."), make("start_timer", "Start a timer."), True),
        (make("list_events", "List events."), make("find_event", "Find an event."), False),
        (make("create_event", "Create or update an event."), make("update_event", "Update an event."), False),
        (make("get_event", "Get an event. You can also delete it."), make("delete_event", "Delete an event."), False),
        (make("delete_event", "Delete.", action="string"), make("create_event", "Create."), False),
        (make("set_event", "Set an event."), make("create_event", "Create an event."), False),
        (make("event", "Events."), make("create_event", "Create an event."), False),
    ],
)
def test_a_verb_excludes_another_only_where_both_are_clear(twin: Tool, wanted: Tool, excluded: bool) -> None:
    assert cannot_do(twin, action_of(twin), action_of(wanted)) is excluded


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (make("a-server-get_event"), make("getEvent"), True),
        (make("mail.list_contacts"), make("contacts_list"), True),
        (make("get_route", "Way between two places."), make("create_route", "Plans a way."), True),
        (make("bill_get", "Bill of a customer by day"), make("bill_create", "Bill of the customer, by day"), True),
        (make("get_event", "Shows an event."), make("create_event", "Makes an event."), False),
        (make("lamp_a", "Turns the lamp of a room on."), make("lamp_b", "Turns the lamp of a room off."), False),
        (
            make("guard_on", "Enables the guard of the user's account and returns its status."),
            make("guard_stop", "Disables the guard of the user's account and returns its status."),
            False,
        ),
        (make("get_api_key", "Shows a key."), make("delete_api_key", "Removes a key."), False),
        (make("a", ""), make("b", ""), False),
    ],
)
def test_tools_that_do_the_same_under_another_name(one: Tool, other: Tool, same: bool) -> None:
    assert same_deed(one, other) is same
    assert same_deed(other, one) is same


def test_the_verb_is_the_tools_own_and_not_its_servers() -> None:
    listing = make("send-mail-get_contacts", "Contacts of the account.")
    assert action_of(listing).kind == "read"
    assert not cannot_do(listing, action_of(listing), action_of(make("get_contacts", "Get contacts.")))
    assert action_of(make("delete-api-key", "Key of the account.")).kind == "delete"


@pytest.mark.parametrize(
    "tool",
    [
        make("web_search_exa"),
        make("execute_command"),
        make("run_python"),
        make("ask"),
        make("fetch", "Fetches any URL and returns it."),
        make("lookup", "Searches the web for an answer."),
        make("mcp-call-tool"),
        make("left_click"),
    ],
)
def test_tools_that_do_anything(tool: Tool) -> None:
    assert is_universal(tool)


@pytest.mark.parametrize(
    "tool",
    [
        make("get_weather", "Weather of a city."),
        make("search_recipes", "Search recipes."),
        make("run_backup", "Runs a backup."),
    ],
)
def test_tools_that_do_one_thing(tool: Tool) -> None:
    assert not is_universal(tool)


def test_names() -> None:
    assert plain_name("get-HTTP_Status") == plain_name("getHttpStatus")
    assert plain_name("查天氣") != plain_name("查股價")
    assert said_as("user Feed (Video)") == "user feed video"
    assert said_as("???") == "???"


def test_the_verbs_are_consistent() -> None:
    verbs = load_verbs()
    classes = set(verbs.classes.values())
    assert classes == {"read", "create", "update", "delete", "send", "move"}
    assert all(pair <= classes and len(pair) == 2 for pair in verbs.conflicts)
    assert all(word not in others for word, others in verbs.opposites.items())
