"""`.env.example` names every setting, its default and its purpose, and no other."""

import re
from pathlib import Path

from monitor.cli.commands import default_text
from monitor.runtime.settings import TABLE, Settings, load

ROOT = Path(__file__).parents[2]


def test_the_example_file_has_each_with_its_default():
    # given
    text = (ROOT / ".env.example").read_text()
    # then
    assert re.findall(r"^#?([A-Z_]+=.*)$", text, re.MULTILINE) == [
        f"{s.name}={default_text(s)}" for s in TABLE
    ]
    flat = " ".join(text.replace("# ", "").split())
    assert [s.name for s in TABLE if " ".join(s.purpose.split()) not in flat] == []


def test_the_example_file_is_valid_once_uncommented(tmp_path):
    # given
    file = tmp_path / ".env"
    text = (ROOT / ".env.example").read_text()
    file.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))
    # then
    assert load({}, file) == load({}, Path("/nonexistent"))


def test_every_setting_is_a_field():
    assert Settings.__struct_fields__ == tuple(s.name.lower() for s in TABLE)
