"""What is known to keep workers from starting is looked at before anything is started."""

from __future__ import annotations

from monitor.runtime.settings import Settings
from monitor.services.doctor import disk, open_files, shared_memory
from monitor.services.doctor.finding import must_not_fail


def must_carry(settings: Settings) -> None:
    """Raise MonitorError, which says what to do, where this machine cannot carry a stack."""
    must_not_fail(shared_memory.look())
    must_not_fail(open_files.look(settings.monitor_concurrency))
    must_not_fail(disk.look(settings.monitor_data_dir.resolve()))
