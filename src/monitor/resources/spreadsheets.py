"""What a spreadsheet takes for something else than text, and the ``'`` that keeps it text. Pure.

``guard.take_off(guard.put(text)) == text`` for every text that is not empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_FORMULA = ("'", "=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
"""How formulas begin, also in full width, as Japanese keyboards write them; and a guard."""

TRUE = frozenset(
    ["true", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "prawda", "sant"]
)
FALSE = frozenset(["false", "falsch", "faux", "falso", "onwaar", "fałsz", "falskt"])
"""TRUE and FALSE in the languages of spreadsheets, which write them in capitals."""

_IN_DATES = frozenset(
    [
        "a", "p", "am", "pm", "e", "t", "z", "eur", "usd", "us", "gbp", "chf", "kr", "r",
        "mon", "tue", "wed", "thu", "fri", "sat", "sun",
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
        "mo", "di", "mi", "do", "fr", "sa", "so",
        "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag",
        "lun", "mer", "jeu", "ven", "sam", "dim",
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
        "mié", "jue", "vie", "sáb", "dom",
        "lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo",
        "gio", "sab", "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica",
        "ma", "wo", "vr", "za", "zo",
        "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag",
        "seg", "ter", "qua", "qui", "sex", "segunda", "terça", "quarta", "quinta", "sexta",
        "mån", "tis", "ons", "tors", "fre", "lör", "sön",
        "måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag",
        "jan", "january", "januar", "januari", "janv", "janvier", "janeiro", "jän", "jänner",
        "ene", "enero", "gen", "gennaio",
        "feb", "february", "februar", "februari", "fév", "févr", "février", "fev", "fevereiro",
        "febrero", "febbraio",
        "mar", "march", "mär", "märz", "mars", "marzo", "março", "maart", "mrt",
        "apr", "april", "avr", "avril", "abr", "abril", "aprile",
        "may", "mai", "mei", "mag", "mayo", "maggio", "maio", "maj",
        "jun", "june", "juni", "juin", "junio", "giu", "giugno", "junho",
        "jul", "july", "juli", "juil", "juillet", "julio", "lug", "luglio", "julho",
        "aug", "august", "augustus", "augusti", "août", "aout", "ago",
        "agosto",
        "sep", "sept", "september", "septembre", "septiembre", "set", "settembre", "setembro",
        "oct", "october", "okt", "oktober", "octobre", "octubre", "ott", "ottobre", "out",
        "outubro",
        "nov", "november", "novembre", "noviembre", "novembro",
        "dec", "december", "dez", "dezember", "déc", "décembre", "dic", "diciembre", "dicembre",
        "dezembro",
    ]
)  # fmt: skip
"""Words that amounts, times and dates hold beside digits: in English, German, French, Spanish,
Italian, Dutch, Portuguese and Swedish."""

_SIGN = r"[\d\s.,:/+\-()%'\u2019$€£¥]"
_LETTER = r"[^\W\d_]"
_NUMERIC = re.compile(
    r"(?=\D*\d)(?:"
    # A number and one word, of any language: a month, a unit, an exponent.
    rf"[\s.,($€£¥]*\d{_SIGN}*{_LETTER}+{_SIGN}*"
    rf"|{_SIGN}*(?:(?:{'|'.join(sorted(_IN_DATES))})(?!{_LETTER}){_SIGN}*)*)",
    re.IGNORECASE,
)
"""What some spreadsheet takes for a number, an amount of money, a time or a date."""

_FIRST_WORD = re.compile(f"{_LETTER}+")
_ERROR_VALUE = re.compile(r"#[A-Z][A-Z0-9/!?]+")  # like #N/A


class Guard:
    """Puts a ``'`` before text that would be changed, and takes it off again.

    ``words``: words in lower case that mean something else in a cell.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._words = TRUE | FALSE | frozenset(words)

    def put(self, text: str) -> str:
        """The cell for a text."""
        return f"'{text}" if self._is_needed(text) else text

    def take_off(self, cell: str) -> str:
        """The text of a cell: without blanks round it, and without a ``'`` that ``put`` would have
        put there. Other apostrophes are part of the text."""
        text = cell.lstrip()[1:]
        if cell.lstrip().startswith("'") and self._is_needed(text):
            return text
        return cell.strip()

    def _is_needed(self, text: str) -> bool:
        return (
            text.startswith(_FORMULA)
            or text.lower() in self._words
            or text != text.strip()
            or _is_numeric(text)
            or (text[:1] == "#" and _ERROR_VALUE.fullmatch(text) is not None)
        )


def _is_numeric(text: str) -> bool:
    first = _FIRST_WORD.match(text)
    if first is not None and first[0].lower() not in _IN_DATES:
        return False  # as nearly all text, told four times as fast
    return _NUMERIC.fullmatch(text) is not None
