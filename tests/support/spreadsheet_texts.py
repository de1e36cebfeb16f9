"""Texts that spreadsheets take for something else, and some that they leave alone."""

CHANGED = [
    "0042", "1e5", "1E+10", ".5e3", "12345678901234567890", "3,5", "1 000,5", "50%", "(5)",
    "5€", "€ 5", "$5", "EUR 5", "5 EUR", "kr 5", "R$ 5", "٤٢", "1/2", "1 1/2", "-1", "+1",
    "1-2", "2024-05-01", "1.5.2024", "may-5", "Mar-24", "5 May", "5. Mai 2024", "Mai 2024",
    "maj 2024", "Dienstag, 5. Mai 2024", "ma 5 mei", "lundi 5 mai 2024",
    "May 5, 2024 10:00 AM", "12:30", "12:30 pm", "2024-05-01T10:00:00Z",
    "TRUE", "false", "Wahr", "FAUX", "#N/A", "#REF!", "=A1", "@x", "\uff1d1", "\ttab",
    "none", "ALL", " padded", "padded ", "'quoted",
]  # fmt: skip
"""In one language or another, or as cells of a table of websites."""

LEFT_ALONE = [
    "https://example.com/", "http://10.0.0.1:8080/", "example.com/2024", "1blu.de/x",
    "a@b.example", "GET", "{}", "********", "0190a8e2-7b1c-7d3e-9f00-3c5d2a1b4e6f",
    "shop-1", "web2", "Monitor 2", "Server 1", "Mail 3", "365 Tage offen", "shop, 5 units",
    "O'Neill", "it's", "Müller", "may", "#1",
]  # fmt: skip
