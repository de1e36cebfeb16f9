"""`.env.example` and the documentation name every setting: they are made from its declaration."""

import re
from pathlib import Path

import pytest

from monitor.cli.main import main
from monitor.runtime.settings import TABLE, Settings, load
from monitor.runtime.settings_text import as_env_example, as_markdown

ROOT = Path(__file__).parents[2]


def test_the_example_file_is_made_from_the_declaration():
    assert (ROOT / ".env.example").read_text() == as_env_example()


def test_the_example_file_is_valid_once_uncommented(tmp_path):
    # given
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", as_env_example(), flags=re.MULTILINE))
    # then
    assert load({}, file) == load({}, Path("/nonexistent"))


def test_the_page_says_of_each_what_it_is_for_and_what_it_may_be():
    # given
    page = " ".join(as_markdown().split())
    # then
    for setting in TABLE:
        begin = page.index(f"### `{setting.name}`")
        section = page[begin : page.find("### ", begin + 1)]
        assert f"{setting.purpose[1:]}. - Value: {setting.declared.parser.form}" in section
        assert setting.default_text() in section
        assert (f"`{setting.name}_FILE`" in section) == setting.secret
        assert all(f"`{name}`" in section for name in setting.declared.old_names)


def test_lines_of_the_page_and_the_example_file_are_short():
    assert [x for x in (as_markdown() + as_env_example()).splitlines() if len(x) > 100] == []


@pytest.mark.parametrize(
    ("option", "text"), [("--env-example", as_env_example()), ("--markdown", as_markdown())]
)
def test_the_command_prints_them(option, text, capsys):
    # when
    code = main(["settings", option])
    # then
    assert (code, capsys.readouterr().out) == (0, text)


def test_every_setting_is_a_field():
    assert Settings.__struct_fields__ == tuple(s.name.lower() for s in TABLE)
