"""Text that would forge a line of a log, or steer the terminal that shows it."""

HOSTILE = [
    "a\n2026-01-01 00:00:00 [error    ] forged.line",
    "a\r\n12:00:00 monitor   stopped",
    "\x1b[2J\x1b[H\x1b]0;title\x07",
    "\x9b31m",
    "\x00\x07\x08\x7f",
    "\u202egnp.exe",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "\ud800",
    "\u200b\ufeff\U000e0041",
]
