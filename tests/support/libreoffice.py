"""LibreOffice (Debian's package) without a screen: tables are opened and saved, for the tests."""

import os
import shutil
import subprocess

import pytest

_SAVED_AS = "Text - txt - csv (StarCalc)"
UTF_8, UTF_16 = 76, 65535
COMMA, SEMICOLON, TAB = 44, 59, 9
ENGLISH, GERMAN, FRENCH, SWEDISH = 1033, 1031, 1036, 1053


def need_soffice():
    """The program; a visible skip where it is not installed, and in CI a failure."""
    found = shutil.which("soffice")
    if found is None and os.environ.get("REQUIRE_LIBREOFFICE") == "1":
        pytest.fail("REQUIRE_LIBREOFFICE=1, but there is no soffice: install libreoffice-calc.")
    if found is None:
        pytest.skip("no soffice on this machine: no table is opened and saved by a spreadsheet")
    return found


def open_and_save(
    file, directory, *, by_way_of=None, language=ENGLISH, separator=COMMA, charset=UTF_8
):
    """The path of a CSV file that was opened, with all that is a number, a date or a boolean in
    this language taken for it, and saved.

    ``by_way_of``: saved as that first, such as xlsx, and opened again.
    """
    opened_as = f"CSV:{COMMA},34,{UTF_8},1,,{language},false,true"
    saved_as = f"csv:{_SAVED_AS}:{separator},34,{charset},1,,{language},false,true,false"
    if by_way_of is None:
        return _convert(file, directory, saved_as, opened_as)
    between = _convert(file, directory, by_way_of, opened_as)
    return _convert(between, directory, saved_as)


def _convert(file, directory, to, opened_as=None):
    profile = (directory / "profile").absolute().as_uri()
    out = directory / f"saved-from-{file.suffix[1:]}"
    command = [
        need_soffice(), "--headless", "--norestore", f"-env:UserInstallation={profile}",
        *([f"--infilter={opened_as}"] if opened_as else []),
        "--convert-to", to, "--outdir", str(out), str(file),
    ]  # fmt: skip
    env = os.environ | {"HOME": str(directory)}
    done = subprocess.run(command, capture_output=True, env=env, timeout=120, check=False)
    saved = out / f"{file.stem}.{to.partition(':')[0]}"
    assert saved.exists(), (done.stdout, done.stderr)
    return saved
