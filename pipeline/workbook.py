"""Turns a workbook (XLSX or legacy XLS) into the CSV that it would be saved as, sheet by sheet."""

import json
import subprocess
import sys

from pipeline import sheets
from pipeline.errors import DataError


def sheets_as_csv(content: bytes, member: str) -> list[bytes]:
    """Return each sheet that holds anything as CSV, row by row, so that line numbers are row numbers.

    CMS types codes as numbers, which take leading zeros; they come out as printed, `100` for 00100. A few kilobytes
    can describe a sheet of any size, so a process that has little to lose opens it.
    """
    command = [sys.executable, "-P", sheets.__file__]
    done = subprocess.run(command, input=content, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise DataError(
            f"{member} is no workbook that can be read: opening it takes more than {sheets.MEMORY_BYTES >> 20:,} MiB "
            f"or {sheets.SECONDS} seconds, or ends in a crash. CMS's never do that; check where the file came from."
        )
    answer = json.loads(done.stdout)
    if "problem" in answer:
        raise DataError(f"{member} is no workbook that can be read ({answer['problem'][0]}). Pull the archive again.")
    return [sheet.encode() for sheet in answer["sheets"]]
