"""The channels: whether the other side lets us in, and whether notifications reach it."""

from __future__ import annotations

from functools import partial

from monitor.channels.registry import KINDS
from monitor.domain.errors import DeliveryError, SettingsError
from monitor.services.doctor.check import Check, Context
from monitor.services.doctor.finding import Finding, Report
from monitor.services.notifications.health import failing_channels
from monitor.storage.postgres.channels import Failing

_LOGIN_WITHIN_S = 10.0
"""Mail servers let strangers wait for a few seconds before they greet."""

_DELIVERIES = Report("deliveries")


async def look_at_login(report: Report, kind: str, context: Context) -> Finding:
    """Go as far as a login; nothing is sent."""
    if not context.settings.smtp_host:
        return report.skipped("SMTP_HOST is not set here: the central workers need it")
    try:
        channel = KINDS[kind](context.settings)
    except SettingsError as error:
        return report.failed("it cannot be used", str(error).removesuffix("."))
    try:
        return report.ok(f"{await channel.log_in()} lets us in")
    except DeliveryError as error:
        return report.failed(
            str(error), "correct SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USER and SMTP_PASS"
        )
    finally:
        await channel.close()


async def look_at_deliveries(context: Context) -> Finding:
    return judge(await failing_channels(context.postgres))


def judge(failing: list[Failing]) -> Finding:
    """The finding for channels that do not deliver. Pure."""
    if not failing:
        return _DELIVERIES.ok("notifications reach their channels, or none waits")
    one = failing[0]
    return _DELIVERIES.failed(
        f"no {one.channel} was taken since {one.since:%Y-%m-%d %H:%M} UTC: {one.error}",
        "correct what it says; notifications are tried again for 48 h",
    )


def _login(kind: str) -> Check:
    report = Report(kind)
    return Check(
        report,
        partial(look_at_login, report, kind),
        limit_s=_LOGIN_WITHIN_S,
        if_silent="see whether the server that SMTP_HOST names hangs, or a firewall is between",
    )


CHECKS = (*map(_login, KINDS), Check(_DELIVERIES, look_at_deliveries))
