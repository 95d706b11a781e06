"""Cuts a full CMS archive down to its HCPCS Level II rows: python tests/make_sample.py ARCHIVE OUT.

Everything else stays byte for byte: headers, quirks, footers, all members. Rows of CPT and D codes go, since
their descriptors are copyright of the AMA and the ADA and may not be committed.
"""

import re
import sys
import zipfile
from io import BytesIO
from pathlib import Path, PurePosixPath

OWNED = r"(?:[0-9]{4}[0-9A-Z]|D[0-9]{4})"  # CPT of all categories, and CDT
OWNED_LINE = re.compile(rf'"?{OWNED}(?:"?,|[ 0-9A-Z]{{2}})'.encode())
CODED_MEMBERS = re.compile(r"(?i)^(PPRRVU|OPPSCAP)")


def without_owned_lines(content: bytes) -> bytes:
    """Drop the lines of CSV and fixed-width members that begin with a code of the AMA or ADA."""
    return b"".join(line for line in content.splitlines(keepends=True) if not OWNED_LINE.match(line))


def without_owned_rows(content: bytes) -> bytes:
    """Drop the same rows from an XLSX, and empty the shared strings that only they used."""
    source = zipfile.ZipFile(BytesIO(content))
    parts = {info.filename: source.read(info) for info in source.infolist()}
    strings = re.findall(r"<si>.*?</si>", parts["xl/sharedStrings.xml"].decode(), re.DOTALL)
    texts = ["".join(re.findall(r"<t[^>]*>(.*?)</t>", each, re.DOTALL)) for each in strings]
    used: set[int] = set()
    for name in [name for name in parts if name.startswith("xl/worksheets/sheet")]:
        sheet, in_use = _cut_sheet(parts[name].decode(), texts)
        parts[name] = sheet.encode()
        used |= in_use
    kept = iter(range(len(strings)))
    parts["xl/sharedStrings.xml"] = re.sub(
        r"<si>.*?</si>",
        lambda found: found[0] if next(kept) in used else "<si><t></t></si>",
        parts["xl/sharedStrings.xml"].decode(),
        flags=re.DOTALL,
    ).encode()
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as cut:
        for info in source.infolist():
            cut.writestr(info, parts[info.filename], zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _cut_sheet(sheet: str, texts: list[str]) -> tuple[str, set[int]]:
    """Return the sheet without the rows of owned codes, renumbered, and the shared strings still in use."""
    used: set[int] = set()
    number = 0

    def keep(found: re.Match[str]) -> str:
        nonlocal number
        row = found[0]
        first = re.search(r'<c r="A[0-9]+"(?P<facts>[^>]*)><v>(?P<value>[^<]*)</v>', row)
        code = ""
        if first:
            shared = 't="s"' in first["facts"]
            code = texts[int(first["value"])] if shared else first["value"].zfill(5)
        if re.fullmatch(OWNED, code):
            return ""
        number += 1
        used.update(int(index) for index in re.findall(r't="s"><v>([0-9]+)</v>', row))
        row = re.sub(r'<row r="[0-9]+"', f'<row r="{number}"', row)
        return re.sub(r'<c r="([A-Z]+)[0-9]+"', rf'<c r="\g<1>{number}"', row)

    cut = re.sub(r"<row .*?</row>|<row [^>]*/>", keep, sheet, flags=re.DOTALL)
    cut = re.sub(r'(<dimension ref="A1:[A-Z]+)[0-9]+"', rf'\g<1>{number}"', cut)
    return cut, used


def make_sample(archive: Path, out: Path) -> None:
    """Write the sample of an archive, members in the order and with the times of the original."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            content = source.read(info)
            name = PurePosixPath(info.filename).name
            if CODED_MEMBERS.match(name):
                cut = without_owned_rows if name.lower().endswith(".xlsx") else without_owned_lines
                content = cut(content)
            entry = zipfile.ZipInfo(info.filename, info.date_time)
            entry.external_attr = info.external_attr
            target.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)


if __name__ == "__main__":
    make_sample(Path(sys.argv[1]), Path(sys.argv[2]))
